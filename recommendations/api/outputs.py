"""Slates and decisions as the API answers them. Plain dictionaries: this is the hot path."""

from datetime import UTC, datetime
from typing import Any

from catalog.money import amount_text
from recommendations.models import Decision
from recommendations.simulation import Comparison
from recommendations.values import ServedItem, SignalRef, Slate, relevance


def slate_output(slate: Slate) -> dict[str, Any]:
    """A slate as `SlateOutput`."""
    return {
        "decision": str(slate.decision_id),
        "placement": slate.placement,
        "personalized": slate.personalized,
        "fallbacks": list(slate.fallbacks),
        "items": [_item(item, slate) for item in slate.items],
    }


def _item(item: ServedItem, slate: Slate) -> dict[str, Any]:
    offer = item.offer
    return {
        "item": item.external_id,
        "kind": item.kind,
        "title": item.title,
        "brand": item.brand,
        "category_path": item.category_path,
        "image": item.image,
        "address": item.address,
        "offer": offer
        and {
            "price": amount_text(offer.price, offer.currency),
            "sale_price": (
                None if offer.sale_price is None else amount_text(offer.sale_price, offer.currency)
            ),
            "currency": offer.currency,
            "in_stock": offer.in_stock,
        },
        "relevance": round(relevance(item.score), 6),
        "promotion": item.promotion or None,
        "reason": item.reason
        and {
            "text": item.reason.text,
            "kind": item.reason.kind,
            "cited": [_cited(item.ledger[index].signal, slate) for index in item.reason.cited],
        },
        "actions": _actions(item, slate),
    }


def _cited(signal: SignalRef, slate: Slate) -> dict[str, Any]:
    external_id, title = slate.named.get(signal.item_id or 0, (None, None))
    return {
        "kind": signal.kind,
        "item": external_id,
        "title": title,
        "at": signal.at and datetime.fromtimestamp(signal.at, UTC).isoformat(),
        "events": signal.events,
    }


def _actions(item: ServedItem, slate: Slate) -> list[dict[str, Any]]:
    """What the storefront can do next, ready to send. The shopper's id is the caller's to add."""
    decision = str(slate.decision_id)
    actions: list[dict[str, Any]] = []
    if item.address:
        actions.append({"type": "view", "href": item.address, "method": "GET"})
    actions += [
        {
            "type": kind,
            "href": "/api/v1/events",
            "method": "POST",
            "body": {"kind": kind, "item": item.external_id, "decision": decision},
        }
        for kind in ("add_to_cart", "dismiss")
    ]
    actions.append(
        {"type": "why", "href": f"/api/v1/recommendations/{decision}/why", "method": "GET"}
    )
    return actions


def simulation_output(comparison: Comparison) -> dict[str, Any]:
    """Two slates and what differs between them as `SimulationOutput`."""
    return {
        "placement": comparison.live.placement,
        "live": _tried(comparison.live),
        "trial": _tried(comparison.trial),
        "moves": [
            {
                "item": move.item.external_id,
                "title": move.item.title,
                "live": move.was,
                "trial": move.now,
                "why": move.why,
            }
            for move in comparison.moves
        ],
        "absent": list(comparison.absent),
        "fallbacks": sorted({*comparison.live.fallbacks, *comparison.trial.fallbacks}),
    }


def _tried(slate: Slate) -> list[dict[str, Any]]:
    return [
        {
            "item": item.external_id,
            "title": item.title,
            "position": position,
            "relevance": round(relevance(item.score), 6),
            "promotion": item.promotion or None,
            "reason": item.reason.text if item.reason else None,
            "rules": [line.signal.name for line in item.ledger if line.generator == "rule"],
        }
        for position, item in enumerate(slate.items, start=1)
    ]


def why_output(decision: Decision) -> dict[str, Any]:
    """A past decision as `WhyOutput`."""
    return {
        "decision": str(decision.pk),
        "placement": decision.placement,
        "served_at": decision.served_at.isoformat(),
        "personalized": decision.shopper_id is not None,
        "ranker_version": decision.ranker_version,
        "fallbacks": decision.fallbacks,
        "items": [
            {
                "item": item["external_id"],
                "title": item["title"],
                "position": position,
                "score": item["score"],
                "relevance": item["relevance"],
                "reason": item["reason"] and item["reason"]["text"],
                "ledger": [
                    {
                        "generator": entry["generator"],
                        "signal": {
                            name: entry["signal"][name]
                            for name in ("kind", "item", "title", "at", "events", "name")
                        },
                        "amount": entry["amount"],
                    }
                    for entry in item["contributions"]
                ],
            }
            for position, item in enumerate(decision.slate, start=1)
        ],
    }
