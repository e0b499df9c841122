"""Whatever is kept of a shopper is registered, so that it is told and erased."""

from collections.abc import Iterator

from django.apps import apps
from django.db.models import Field, ForeignKey, Model, OneToOneField

from profiles.models import PrivacyRequest, RequestStep, Shopper
from profiles.stores import all_stores

APPS = {"tenants", "catalog", "profiles", "recommendations"}
PERSONAL_WORDS = {"shopper", "anonymous", "author", "reviewer", "visitor", "email", "phone"}
"""What a column of personal data is called here, without a link to the shopper."""

NOT_OF_SHOPPERS = {
    PrivacyRequest: "Wiped of what names the shopper by the erasure itself.",
    RequestStep: "Counts.",
}
STAFF = {"tenants.StaffUser"}
COUNTS = {
    ("recommendations.RankerVersion", "shoppers"),
    ("tenants.ApiKey", "shopper_requests_per_minute"),
}


def personal_columns() -> Iterator[tuple[type[Model], str]]:
    """Every column that links to a shopper or is called like one."""
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if meta.app_label not in APPS or meta.label in STAFF:
            continue
        for field in meta.concrete_fields:
            if is_personal(field) and (meta.label, field.name) not in COUNTS:
                yield model, field.name


def is_personal(field: "Field[object, object]") -> bool:
    if isinstance(field, ForeignKey | OneToOneField) and field.related_model is Shopper:
        return True
    return bool(set(field.name.split("_")) & PERSONAL_WORDS)


def covered() -> set[type[Model]]:
    return {model for store in all_stores() for model in store.models}


def test_every_model_with_something_of_a_shopper_has_a_store() -> None:
    missing = {
        f"{model._meta.label}.{name}"
        for model, name in personal_columns()
        if model not in covered() and model not in NOT_OF_SHOPPERS
    }
    assert missing == set(), "Register a store of it in held.py of its app."


def test_the_scan_for_personal_columns_would_find_one() -> None:
    found = {(model._meta.label, name) for model, name in personal_columns()}
    assert {
        ("profiles.Event", "shopper"),
        ("profiles.Shopper", "merged_into"),
        ("catalog.Review", "author"),
        ("recommendations.Search", "shopper"),
    } <= found


def test_stores_are_emptied_from_the_top_down_and_the_shopper_last() -> None:
    names = [store.name for store in all_stores()]
    assert names[0] == "trained neighbors", "while the events can still be read"
    assert names[-1] == "shopper"
    for above, below in (
        ("answers being written", "searches"),
        ("searches", "decisions and impressions"),
        ("decisions and impressions", "events"),
        ("events", "sessions"),
    ):
        assert names.index(above) < names.index(below)
    assert len(names) == len(set(names))
