"""The admin as a whole: every page answers, to those who may see it, about their tenant alone."""

from django.contrib import admin
from django.db.models import Model
from django.test import RequestFactory
from django_tenants.utils import schema_context

from config.navigation import SIDEBAR, TABS
from profiles.models import PrivacyControl
from tenants.models import StaffUser, Tenant
from tests.conftest import TenantPair
from tests.staff import PASSWORD, one_of_each, page_of, sign_in, text_of, visitor

WITHOUT_TEXT = {PrivacyControl}
"""Models of which a row holds nothing that would tell whose it is."""

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


def allows(model: type[Model], what: str) -> bool:
    """Whether even a superuser may `add`, `change` or `delete` rows of the model."""
    request = RequestFactory().get("/")
    request.user = StaffUser(is_superuser=True, is_active=True, is_staff=True)
    return bool(getattr(admin.site._registry[model], f"has_{what}_permission")(request))


def test_every_page_of_every_model_answers_a_superuser_and_sends_others_to_the_login(
    tenant: Tenant,
) -> None:
    rows = one_of_each()
    assert set(rows) == set(MODELS), "a model that the admin shows has no row in one_of_each()"
    staff, stranger = sign_in(tenant), visitor(tenant)
    for model, row in rows.items():
        pages = [page_of(model, "changelist"), page_of(row), page_of(row, "history")]
        pages += [page_of(model, "add")] if allows(model, "add") else []
        pages += [page_of(row, "delete")] if allows(model, "delete") else []
        for page in pages:
            assert staff.get(page).status_code == 200, page
            refused = stranger.get(page)
            assert refused.status_code == 302, page
            assert refused["Location"].startswith("/admin/login/"), page


def test_nobody_may_write_what_the_platform_writes(tenant: Tenant) -> None:
    staff, rows = sign_in(tenant), one_of_each()
    written_by_the_platform = [model for model in MODELS if not allows(model, "add")]
    assert len(written_by_the_platform) >= 12
    for model in written_by_the_platform:
        row = rows[model]
        for page in (page_of(model, "add"), page_of(row), page_of(row, "delete")):
            assert staff.post(page, {"post": "yes"}).status_code == 403, page
        assert model._default_manager.filter(pk=row.pk).exists()


def test_no_page_shows_rows_of_another_tenant(tenant: Tenant, tenants: TenantPair) -> None:
    with schema_context(tenants.theirs.schema_name):
        theirs = one_of_each("theirs")
    ours = one_of_each("ours")
    staff = sign_in(tenants.ours)
    for model, row in ours.items():
        for page in (page_of(model, "changelist"), page_of(row)):
            assert "theirs" not in text_of(staff.get(page)), page
    assert "theirs" not in text_of(staff.get("/admin/"))

    neighbor = sign_in(tenants.theirs, "neighbor")
    for model, row in theirs.items():
        if model not in WITHOUT_TEXT:
            assert "theirs" in text_of(neighbor.get(page_of(row))), f"{model} shows no marker"


def test_a_row_of_another_tenant_cannot_be_reached_by_its_key(
    tenant: Tenant, tenants: TenantPair
) -> None:
    with schema_context(tenants.theirs.schema_name):
        theirs = one_of_each("theirs")
    staff = sign_in(tenants.ours)
    for model, row in theirs.items():
        if model is StaffUser or model._default_manager.filter(pk=row.pk).exists():
            continue  # both tenants count from 1, so this key may be a row of ours
        assert staff.get(page_of(row)).status_code == 302, page_of(row)


def test_staff_of_another_tenant_cannot_log_in(tenant: Tenant, tenants: TenantPair) -> None:
    ours = sign_in(tenants.ours)
    credentials = {"username": "boss", "password": PASSWORD}

    at_home = visitor(tenants.ours)
    assert at_home.post("/admin/login/?next=/admin/", credentials).status_code == 302
    assert at_home.get("/admin/").status_code == 200

    elsewhere = visitor(tenants.theirs)
    refused = elsewhere.post("/admin/login/?next=/admin/", credentials)
    assert refused.status_code == 200
    assert "enter the correct username" in text_of(refused)

    elsewhere.cookies.update(ours.cookies)
    assert elsewhere.get("/admin/").status_code == 302, "a session of ours is none of theirs"


def test_logging_in_without_a_destination_leads_to_the_overview(tenant: Tenant) -> None:
    sign_in(tenant)
    response = visitor(tenant).post("/admin/login/", {"username": "boss", "password": PASSWORD})
    assert response["Location"] == "/admin/"


def test_the_navigation_reaches_every_model_and_shows_only_what_one_may_see(
    tenant: Tenant,
) -> None:
    pages = {p.label for group in SIDEBAR.values() for p in group} | {
        p.label for t in TABS for p in t
    }
    assert pages == {model._meta.label_lower for model in MODELS}

    everything = text_of(sign_in(tenant).get("/admin/"))
    assert 'href="/admin/catalog/item/"' in everything
    assert 'href="/admin/tenants/apikey/"' in everything
    merchandiser = sign_in(tenant, "merchandiser", permissions=("catalog.view_item",))
    little = text_of(merchandiser.get("/admin/"))
    assert 'href="/admin/catalog/item/"' in little
    assert 'href="/admin/tenants/apikey/"' not in little


def test_the_header_says_whose_admin_it_is(tenant: Tenant) -> None:
    assert tenant.name in text_of(sign_in(tenant).get("/admin/"))


def test_nothing_is_fetched_from_elsewhere(tenant: Tenant) -> None:
    one_of_each()
    staff = sign_in(tenant)
    for page in ("/admin/", "/admin/catalog/item/", "/admin/recommendations/decision/"):
        text = text_of(staff.get(page))
        for attribute in ("src", "href"):
            assert f'{attribute}="http' not in text, page
            assert f'{attribute}="//' not in text, page
