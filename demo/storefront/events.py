"""Noting what a visitor did, and saying so."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from demo.storefront.visitor import Visitor
from profiles.ingest import Outcome, record_events

DEEDS: Mapping[str, str] = {
    "view": "you looked at {title}",
    "click": "you opened {title}",
    "dismiss": "you will not see {title} again",
    "add_to_cart": "{title} is in your cart",
    "remove_from_cart": "{title} is out of your cart",
}


def note_event(visitor: Visitor, kind: str, item: str, **fields: Any) -> Outcome:
    """Store one event of the visitor's. Fields that are None are left out."""
    (outcome,) = note_events(visitor, [{"kind": kind, "item": item, **fields}])
    return outcome


def note_events(visitor: Visitor, events: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """Store some events of the visitor's together; the outcome of each."""
    return record_events(
        [
            {
                **{name: value for name, value in event.items() if value is not None},
                **visitor.event_fields,
            }
            for event in events
        ]
    )


def noted_text(visitor: Visitor, kind: str, title: str) -> str:
    """What the page tells the visitor after an event, and whether it changes anything."""
    deed = DEEDS[kind].format(title=title)
    if visitor.personalization:
        return f"Noted: {deed}. Recommendations updated."
    return f"{deed[0].upper()}{deed[1:]}. Personalization is off: nothing is learned from it."


def decision_given(text: str | None) -> str | None:
    """The id of the slate that an address or a form names; None if it names none."""
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None
