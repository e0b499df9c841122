"""Keeping a page of results as a decision, so that events can name it and staff can ask why."""

from recommendations.feedback import record_served
from recommendations.searching.values import PLACEMENT, SearchAnswer
from recommendations.values import Slate


def record_results(answer: SearchAnswer) -> None:
    """Note what was shown, in which order and why. The words are not in it: they are kept with
    the search, under its own consent. Never raises."""
    if not answer.items:
        return
    record_served(
        Slate(
            decision_id=answer.search_id,
            placement=PLACEMENT,
            items=tuple(found.item for found in answer.items),
            personalized=answer.personalized,
            shopper_id=answer.shopper_id,
            served_at=answer.searched_at,
            ranker_version=None,
            fallbacks=answer.fallbacks,
            candidates=tuple((found.item.item_id, found.item.score) for found in answer.items),
            latency_ms=answer.latency_ms,
            context={
                "items": [],
                "cart": [],
                "limit": answer.query.limit,
                "offset": answer.query.offset,
                "sort": answer.query.sort,
            },
        )
    )
