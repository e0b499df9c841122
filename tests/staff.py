"""Staff in the admin: signed in at their tenant's host, with a row of everything to look at."""

from datetime import timedelta
from typing import Any, Protocol

from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from django_tenants.utils import schema_context

from catalog.models import FeedImport, FeedRowError, Review
from catalog.quality.models import ItemQuality, QualityIssue, QualityPolicy
from catalog.search_models import SearchSynonym
from profiles.models import (
    Consent,
    ConsentChange,
    ConsentText,
    Event,
    EventImport,
    EventKind,
    PrivacyControl,
    PrivacyRequest,
    Session,
)
from profiles.policy_models import PolicyProposal, SensitiveTopic, SignalPolicy
from profiles.retention_models import RetentionRule, RetentionRun
from recommendations.models import (
    Decision,
    Impression,
    ItemComplements,
    ItemFacts,
    ItemNeighbors,
    MerchandisingRule,
    Placement,
    RankerVersion,
    Segment,
)
from recommendations.search_models import Search
from tenants.audit import Verb, record
from tenants.keys import mint_key
from tenants.models import StaffUser, Tenant
from tenants.tasks import current_schema
from tests.make import make_event, make_item, make_shopper

PASSWORD = "a long pass phrase of tests"


class Browser(Client):
    """Django's test client at a tenant's host."""

    def request(self, **request: Any) -> Any:
        # A request ends in the public schema; the test goes on where it was.
        with schema_context(current_schema()):
            return super().request(**request)


def visitor(tenant: Tenant) -> Browser:
    """A browser at the tenant's host, signed in as nobody."""
    return Browser(headers={"Host": f"{tenant.schema_name}.localhost"})


def sign_in(tenant: Tenant, name: str = "boss", *, permissions: tuple[str, ...] = ()) -> Browser:
    """A staff user of the tenant: a superuser, or one with just the permissions that are named."""
    client = visitor(tenant)
    with schema_context(tenant.schema_name):
        user = StaffUser.objects.create_user(
            name, f"{name}@example.com", PASSWORD, is_staff=True, is_superuser=not permissions
        )
        for permission in permissions:
            app, code = permission.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=code)
            )
        client.force_login(user)
    return client


class Answer(Protocol):
    """What Django's test client gets back, as far as a page is read."""

    @property
    def content(self) -> bytes: ...


def text_of(response: Answer) -> str:
    return response.content.decode()


def contribution(amount: float, kind: str = "purchase", **signal: Any) -> dict[str, Any]:
    """One line of a ledger as `Decision.slate` holds it."""
    about = {"item_id": None, "item": None, "title": None, "event_id": None, "at": None}
    return {
        "generator": "rule" if kind == "rule" else "neighbors",
        "signal": {"kind": kind, "events": 1, "name": None, **about, **signal},
        "amount": amount,
    }


def served(title: str, *ledger: dict[str, Any], cited: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """One item of a slate as `Decision.slate` holds it."""
    return {
        "item_id": 1,
        "external_id": "SKU-1",
        "title": title,
        "image": "",
        "score": sum(line["amount"] for line in ledger),
        "relevance": 0.5,
        "contributions": list(ledger),
        "reason": {"kind": "purchase", "text": f"Because of {title}", "cited": list(cited)},
    }


def one_of_each(marker: str = "ours") -> dict[type[Model], Model]:
    """A row of every model that the admin shows, each with `marker` in what its page says."""
    now = timezone.now()
    item = make_item(f"{marker}-item", title=f"{marker} item")
    shopper = make_shopper(f"{marker}-shopper")
    make_event(shopper, item, EventKind.PURCHASE, session=f"{marker}-session")
    key, _ = mint_key(f"{marker} key")
    feed_import = FeedImport.objects.create(
        format="csv", file_name=f"{marker}.csv", status="done", failed=1, started_at=now
    )
    feed_import.finished_at = now + timedelta(seconds=2)
    feed_import.save()
    ranker = RankerVersion.objects.create(
        status="live",
        note=f"{marker} note",
        metrics={"version": {"all_ndcg": 0.2, "all_recall": 0.3, "shoppers": 9}, "live": None},
    )
    decision = Decision.objects.create(
        placement=f"{marker}-home",
        shopper=shopper,
        served_at=now,
        ranker_version=ranker.pk,
        slate=[served(f"{marker} item", contribution(0.3, title=f"{marker} item"))],
        candidates=[[item.pk, 0.2]],
        latency_ms=4,
    )
    placement = Placement.objects.create(code=f"{marker}-home", question="home")
    rule = MerchandisingRule.objects.create(
        name=f"{marker} rule", kind="boost", status="live", item=item
    )
    rule.placements.add(placement)
    rows = (
        item,
        shopper,
        key,
        feed_import,
        ranker,
        decision,
        placement,
        StaffUser.objects.create_user(f"{marker}-staff"),
        record(Verb.CHANGED, item, after={"title": f"{marker} item"}),
        Group.objects.create(name=f"{marker} group"),
        FeedRowError.objects.create(
            feed_import=feed_import, row=2, code="missing_price", message=f"{marker} message"
        ),
        Review.objects.create(
            item=item, external_id=f"{marker}-review", rating=4, text=f"{marker} text"
        ),
        ItemQuality.objects.create(item=item, score=95, flaws=["no_reviews"], checked_at=now),
        QualityIssue.objects.create(
            kind="brand", suggestion=f"{marker} brand", spellings={f"{marker} Brand": 1}, items=1
        ),
        QualityPolicy.objects.create(note=f"{marker} note"),
        Consent.objects.get(shopper=shopper, purpose="personalization"),
        ConsentChange.objects.get(shopper=shopper, purpose="personalization"),
        ConsentText.objects.create(version=f"{marker} text", wording=f"{marker} wording"),
        PrivacyControl.objects.create(refuses=["marketing"]),
        Session.objects.get(shopper=shopper),
        Event.stored.get(shopper=shopper),
        SignalPolicy.objects.create(signal_kind=f"{marker} signals"),
        PolicyProposal.objects.create(
            signal_kind="view", why=f"{marker} why", proposed_by=f"{marker} person"
        ),
        SensitiveTopic.objects.create(value=f"{marker} category", topic="health"),
        PrivacyRequest.objects.create(kind="access", named=f"{marker}-shopper"),
        RetentionRule.objects.create(kind="events", days=400, note=f"{marker} note"),
        RetentionRun.objects.create(
            kind=f"{marker} events"[:30], days=400, before=now - timedelta(days=400), rows=7
        ),
        EventImport.objects.create(file_name=f"{marker}-log.csv", purposes=["personalization"]),
        rule,
        Segment.objects.create(name=f"{marker} segment", visits="new"),
        ItemNeighbors.objects.create(
            ranker=ranker, item=item, neighbor_ids=[item.pk], weights=[0.5]
        ),
        ItemComplements.objects.create(
            ranker=ranker, item=item, neighbor_ids=[item.pk], weights=[0.5]
        ),
        ItemFacts.objects.create(item=item, popularity=0.5),
        Impression.objects.create(decision=decision, item=item, position=0, score=0.3),
        SearchSynonym.objects.create(words=f"{marker} words", alternatives=["others"]),
        Search.objects.create(
            searched_at=now,
            text=f"{marker} query",
            folded=f"{marker} query".lower(),
            shopper=shopper,
            results=0,
            sort="relevance",
            latency_ms=4,
        ),
    )
    return {type(row): row for row in rows}


def page_of(row: Model | type[Model], page: str = "change") -> str:
    """The address of a page of a row, or (with a model) of `changelist` or `add`."""
    meta = row._meta
    folder = f"/admin/{meta.app_label}/{meta.model_name}/"
    if isinstance(row, Model):
        return f"{folder}{row.pk}/{page}/"
    return folder if page == "changelist" else f"{folder}{page}/"
