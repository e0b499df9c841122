"""The admin of shoppers: what is held on one, and on what consent."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.activity import events_by_hour
from profiles.consent import record_consent
from profiles.identity import ShopperRef, ensure_shoppers
from profiles.models import (
    Consent,
    ConsentChange,
    Event,
    EventKind,
    Purpose,
    Session,
    Shopper,
)
from tenants.models import Tenant
from tests.make import make_event, make_item, make_shopper
from tests.staff import Browser, page_of, sign_in, text_of

EVENTS = page_of(Event, "changelist")
SHOPPERS = page_of(Shopper, "changelist")


def statements(staff: Browser, page: str) -> int:
    """How many SQL statements a page takes, search paths aside."""
    staff.get(page)  # fills the caches of the tenant and the session
    with CaptureQueriesContext(connection) as queries:
        assert staff.get(page).status_code == 200
    return sum(not query["sql"].startswith("SET search_path") for query in queries)


def shown(staff: Browser, page: str, *names: str, **query: str) -> set[str]:
    text = text_of(staff.get(page, query))
    return {name for name in names if name in text}


def test_the_lists_take_as_many_statements_for_many_rows_as_for_few(tenant: Tenant) -> None:
    staff, item = sign_in(tenant), make_item()

    def add_shoppers(number: int) -> None:
        for _ in range(number):
            make_event(make_shopper(), item, session="s")

    pages = [page_of(m, "changelist") for m in (Event, Shopper, Consent, ConsentChange, Session)]
    add_shoppers(51)
    few = [statements(staff, page) for page in pages]
    add_shoppers(30)
    many = [statements(staff, page) for page in pages]
    # The staff user; the estimate of the table, too small to go by; the count; the keys of the
    # page; its rows with their shoppers (and items); the entry of the audit trail. Of shoppers
    # also identities and consents.
    assert many == few == [6, 8, 6, 6, 6]


def test_events_are_found_by_shopper_and_by_item(tenant: Tenant) -> None:
    oak, beech = make_item("OAK", title="Oak table"), make_item("BEECH", title="Beech bench")
    ann, bob = make_shopper("ann"), make_shopper("bob")
    make_event(ann, oak)
    make_event(bob, beech, anonymous="cookie-7")
    staff, names = sign_in(tenant), ("Oak table", "Beech bench")
    assert shown(staff, EVENTS, *names) == {"Oak table", "Beech bench"}
    assert shown(staff, EVENTS, *names, q="ann") == {"Oak table"}
    assert shown(staff, EVENTS, *names, q="BEECH") == {"Beech bench"}
    assert shown(staff, EVENTS, *names, q="cookie-7") == {"Beech bench"}
    assert shown(staff, EVENTS, *names, q="nobody") == set()


def test_events_are_narrowed_by_kind_and_by_whole_days(tenant: Tenant) -> None:
    shopper = make_shopper()
    yesterday = timezone.now().replace(hour=0, minute=0) - timedelta(days=1)
    late = yesterday.replace(hour=23, minute=59)
    make_event(shopper, make_item(title="Bought early"), EventKind.PURCHASE, at=yesterday)
    make_event(shopper, make_item(title="Seen late"), at=late)
    make_event(shopper, make_item(title="Seen before"), at=yesterday - timedelta(minutes=1))
    staff, names = sign_in(tenant), ("Bought early", "Seen late", "Seen before")
    day = f"{yesterday:%Y-%m-%d}"
    assert shown(staff, EVENTS, *names, kind__exact="purchase") == {"Bought early"}
    within = shown(staff, EVENTS, *names, occurred_at_from=day, occurred_at_to=day)
    assert within == {"Bought early", "Seen late"}
    for odd in ("no date", "9999-12-31", "0001-01-01"):
        assert staff.get(EVENTS, {"occurred_at_to": odd}).status_code == 200


def test_a_shoppers_page_says_what_is_held_and_leads_to_it(tenant: Tenant) -> None:
    shopper, other = make_shopper("ann"), make_shopper("bob")
    record_consent(shopper, Purpose.ANALYTICS, granted=False, source="account page")
    make_event(shopper, make_item(title="Oak table"), anonymous="cookie-1", session="visit")
    make_event(other, make_item(title="Beech bench"))
    staff = sign_in(tenant)
    page = text_of(staff.get(page_of(shopper)))
    for held in ("ann", "cookie-1", "account page", "Personalization"):
        assert held in page
    events = f"{EVENTS}?shopper__id__exact={shopper.pk}"
    assert events in page
    assert shown(staff, events, "Oak table", "Beech bench") == {"Oak table"}


def test_shoppers_are_narrowed_by_consent_and_identity(tenant: Tenant) -> None:
    make_shopper("granting")
    record_consent(
        make_shopper("withdrawn"), Purpose.PERSONALIZATION, granted=False, source="tests"
    )
    ensure_shoppers([ShopperRef(anonymous="cookie-9")])
    staff, names = sign_in(tenant), ("granting", "withdrawn", "cookie-9")
    assert shown(staff, SHOPPERS, *names, personalization="yes") == {"granting"}
    assert shown(staff, SHOPPERS, *names, personalization="no") == {"withdrawn", "cookie-9"}
    assert shown(staff, SHOPPERS, *names, identity="known") == {"granting", "withdrawn"}
    assert shown(staff, SHOPPERS, *names, identity="anonymous") == {"cookie-9"}
    assert shown(staff, SHOPPERS, *names, q="cookie-9") == {"cookie-9"}
    assert shown(staff, SHOPPERS, *names, q="grant") == {"granting"}


def test_events_are_counted_by_the_hour_they_happened_in(tenant: Tenant) -> None:
    shopper, item = make_shopper(), make_item()
    hour = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    earlier = hour - timedelta(hours=3)
    for minute in (5, 10, 59):
        make_event(shopper, item, at=earlier + timedelta(minutes=minute))
    make_event(shopper, item, at=earlier - timedelta(hours=2))
    assert events_by_hour(earlier, hour) == {earlier: 3}
    assert events_by_hour(datetime(2001, 1, 1, tzinfo=UTC), datetime(2001, 2, 1, tzinfo=UTC)) == {}
