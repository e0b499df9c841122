"""Search results as the API answers them. Plain dictionaries: this is the hot path."""

from decimal import Decimal
from typing import Any

from catalog.money import amount_text
from catalog.search.filter_syntax import write_filter
from catalog.search.suggestions import Suggestion
from catalog.search.values import Facet, Filter
from recommendations.searching.values import FoundItem, SearchAnswer, StatedConstraint
from recommendations.values import OfferView


def search_output(answer: SearchAnswer) -> dict[str, Any]:
    """A page of results as `SearchOutput`."""
    search = str(answer.search_id)
    return {
        "search": search,
        "query": answer.query.text,
        "searched": answer.searched,
        "understood": [_constraint(each) for each in answer.understood],
        "unused": list(answer.unused),
        "ignored": list(answer.ignored),
        "corrected": answer.corrected,
        "did_you_mean": answer.did_you_mean,
        "rescues": list(answer.rescues),
        "personalized": answer.personalized,
        "fallbacks": list(answer.fallbacks),
        "total": answer.total,
        "matching": answer.matching,
        "offset": answer.query.offset,
        "limit": answer.query.limit,
        "items": [_item(found, search) for found in answer.items],
        "facets": [_facet(facet) for facet in answer.facets],
        "actions": _actions(answer, search),
    }


def suggestions_output(
    typed: str, suggestions: list[Suggestion], fallbacks: list[str]
) -> dict[str, Any]:
    """As `SuggestionsOutput`."""
    return {
        "query": typed,
        "suggestions": [
            {"text": s.text, "kind": s.kind, "item": s.item, "address": s.address}
            for s in suggestions
        ],
        "fallbacks": fallbacks,
    }


def _constraint(stated: StatedConstraint) -> dict[str, Any]:
    constraint = stated.constraint
    condition = constraint.filter
    return {
        "id": constraint.id,
        "field": condition.field,
        "values": list(condition.values),
        "at_least": _number(condition.at_least),
        "at_most": _number(condition.at_most),
        "negated": condition.negated,
        "words": constraint.words,
        "state": stated.state,
    }


def _facet(facet: Facet) -> dict[str, Any]:
    return {
        "field": facet.field,
        "values": [
            {
                "value": each.value,
                "count": each.count,
                "filter": write_filter(Filter(facet.field, (each.value,))),
            }
            for each in facet.values
        ],
        "ranges": [
            {"at_least": _number(each.at_least), "below": _number(each.below), "count": each.count}
            for each in facet.ranges
        ],
        "least": _number(facet.least),
        "most": _number(facet.most),
    }


def _item(found: FoundItem, search: str) -> dict[str, Any]:
    item = found.item
    return {
        "item": item.external_id,
        "kind": item.kind,
        "title": item.title,
        "brand": item.brand,
        "category_path": item.category_path,
        "image": item.image,
        "address": item.address,
        "offer": None if item.offer is None else _offer(item.offer),
        "relevance": round(found.relevance, 6),
        "matches": found.matches,
        "actions": [
            *([{"type": "view", "href": item.address, "method": "GET"}] if item.address else []),
            *(_event(kind, search, item=item.external_id) for kind in ("click", "add_to_cart")),
        ],
    }


def _offer(offer: OfferView) -> dict[str, Any]:
    sale = offer.sale_price
    return {
        "price": amount_text(offer.price, offer.currency),
        "sale_price": None if sale is None else amount_text(sale, offer.currency),
        "currency": offer.currency,
        "in_stock": offer.in_stock,
    }


def _actions(answer: SearchAnswer, search: str) -> list[dict[str, Any]]:
    """What the storefront can do next, ready to send. The shopper's id is the caller's to add."""
    why = {"type": "why", "href": f"/api/v1/recommendations/{search}/why", "method": "GET"}
    text = answer.query.text.strip()
    return [_event("search", search, query=text), why] if text else [why]


def _event(kind: str, search: str, **fields: str) -> dict[str, Any]:
    return {
        "type": kind,
        "href": "/api/v1/events",
        "method": "POST",
        "body": {"kind": kind, **fields, "decision": search},
    }


def _number(number: Decimal | None) -> str | None:
    return None if number is None else f"{number.normalize():f}"
