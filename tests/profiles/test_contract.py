"""What an event must say, kind by kind, and what is refused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.contract import CLOCK_SKEW, OLDEST, event_adapter
from profiles.models import EventKind

ABOUT: dict[str, dict[str, Any]] = {
    "search": {"query": "socks"},
    "dwell": {"item": "A", "seconds": 2},
    "rating": {"item": "A", "rating": 4},
    "review": {"item": "A", "text": "Good."},
    "support_ticket": {"text": "Help."},
}


def event(kind: str = "view", **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "shopper": "s-1", **ABOUT.get(kind, {"item": "A"}), **fields}


def faults(raw: Any) -> set[str]:
    """The fields that are wrong with an event; a fault of the whole event is ''."""
    try:
        event_adapter.validate_python(raw)
    except ValidationError as error:
        return {".".join(str(part) for part in detail["loc"][1:]) for detail in error.errors()}
    return set()


def test_the_contract_knows_every_kind_of_event_and_no_other() -> None:
    assert [kind for kind in EventKind if faults(event(kind))] == []
    assert faults(event("teleport")) == {""}


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        (event(item=None), "item"),
        (event(item="x" * 201), "item"),
        (event(item="  "), "item"),
        (event(item="a\x00b"), "item"),
        (event(item=7), "item"),
        (event(quantity=2), "quantity"),
        (event("add_to_cart", quantity=0), "quantity"),
        (event("add_to_cart", quantity=-3), "quantity"),
        (event("purchase", quantity=2.5), "quantity"),
        (event("purchase", quantity=10**30), "quantity"),
        (event("purchase", value=-1), "value"),
        (event("purchase", value="NaN"), "value"),
        (event("purchase", value="Infinity"), "value"),
        (event("purchase", value="1e13"), "value"),
        (event("purchase", value="1.00001"), "value"),
        (event("purchase", currency="euro"), "currency"),
        (event("purchase", currency="eur"), "currency"),
        (event("search", query=None), "query"),
        (event("search", query="x" * 501), "query"),
        (event("search", query="\x00"), "query"),
        (event("dwell", seconds=-1), "seconds"),
        (event("dwell", seconds=float("inf")), "seconds"),
        (event("dwell", seconds=float("nan")), "seconds"),
        (event("dwell", seconds=86_401), "seconds"),
        (event("rating", rating=0), "rating"),
        (event("rating", rating=6), "rating"),
        (event("rating", rating=float("nan")), "rating"),
        (event("review", text="x" * 10_001), "text"),
        (event(session="v" * 201), "session"),
        (event(decision="not-a-uuid"), "decision"),
        (event(idempotency_key=""), "idempotency_key"),
        (event(surprise=1), "surprise"),
        (event(shopper=None), ""),
        (event(occurred_at="2026-05-04T10:00:00"), "occurred_at"),
        (event(occurred_at="2026-05-04"), "occurred_at"),
        (event(occurred_at="yesterday"), "occurred_at"),
        (event(occurred_at="9999-12-31T23:59:59Z"), "occurred_at"),
        (event(occurred_at="9999-12-31T23:59:59-14:00"), "occurred_at"),
        (event(occurred_at="0001-01-01T00:00:00+14:00"), "occurred_at"),
        (event(occurred_at="10000-01-01T00:00:00Z"), "occurred_at"),
        (event(occurred_at=10**18), "occurred_at"),
        (event(occurred_at=float("nan")), "occurred_at"),
        (event(context={f"k{n}": n for n in range(21)}), "context"),
        (event(context=[1]), "context"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_is_named(raw: dict[str, Any], wrong: str) -> None:
    assert faults(raw) == {wrong}


@pytest.mark.parametrize(
    "value",
    ["a\x00b", "x" * 501, float("nan"), float("-inf"), 2**63, 10**400, {"deep": 1}, [1], 1e300],
)
def test_a_context_holds_only_what_the_database_can_hold(value: Any) -> None:
    assert faults(event(context={"fine": "yes"})) == set()
    assert faults(event(context={"odd": value}))
    assert faults(event(context={"a\x00b": 1}))
    assert faults(event(context={"k" * 51: 1}))


def test_ids_are_taken_without_the_spaces_around_them() -> None:
    parsed = event_adapter.validate_python(event(item=" A\n", shopper="\ts-1 "))
    assert (parsed.item, parsed.shopper) == ("A", "s-1")


def test_an_event_may_lie_a_clocks_error_in_the_future_and_not_further() -> None:
    now = datetime.now(UTC)
    assert not faults(event(occurred_at=now + CLOCK_SKEW - timedelta(seconds=5)))
    assert faults(event(occurred_at=now + CLOCK_SKEW + timedelta(minutes=1))) == {"occurred_at"}
    assert not faults(event(occurred_at=OLDEST))
    assert faults(event(occurred_at=OLDEST - timedelta(seconds=1))) == {"occurred_at"}


def test_a_moment_is_kept_in_utc() -> None:
    parsed = event_adapter.validate_python(event(occurred_at="2026-05-04T10:00:00+05:30"))
    assert parsed.occurred_at == datetime(2026, 5, 4, 4, 30, tzinfo=UTC)
    assert parsed.occurred_at.tzinfo == UTC
    assert event_adapter.validate_python(event("purchase", value="0.1")).value == Decimal("0.1")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
field_names = st.sampled_from(
    ["kind", "shopper", "anonymous", "item", "session", "occurred_at", "quantity", "value",
     "currency", "query", "seconds", "rating", "text", "decision", "context", "other"]
)  # fmt: skip


@given(raw=st.dictionaries(field_names, json_values) | json_values)
def test_whatever_comes_is_an_event_or_is_refused_and_nothing_else_breaks(raw: Any) -> None:
    if isinstance(raw, dict):
        for kind in ("view", "purchase", "dwell"):
            faults({**raw, "kind": kind})
    faults(raw)
