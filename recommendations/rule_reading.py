"""From the rows that the merchant edits to the rules, segments and guards that ranking applies."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from recommendations.models import MerchandisingRule, Placement, Segment
from recommendations.rules import Condition, FrequencyCap, Guard, Rule, Target, category_of
from recommendations.segments import Segment as SegmentValue
from recommendations.segments import as_text


def live_rules(placement: Placement, now: datetime) -> tuple[Rule, ...]:
    """The live rules of a placement that are not over, in the order they were made. One query."""
    rows = MerchandisingRule.objects.live().not_over(now).for_placement(placement)
    return tuple(map(rule_of, rows.select_related("segment")))


def rule_of(row: MerchandisingRule) -> Rule:
    """A rule as ranking applies it, whatever its status."""
    return Rule(
        id=row.pk or 0,
        name=row.name,
        kind=row.kind,
        target=target_of(row),
        when=_condition_of(row),
        amount=row.amount,
        position=row.position if row.kind == MerchandisingRule.Kind.PIN else None,
        label=row.label if row.kind == MerchandisingRule.Kind.PROMOTION else "",
        proposed=tuple(row.proposed),
    )


def target_of(row: MerchandisingRule) -> Target:
    """Which items a row is for."""
    return Target(
        item_id=row.item_id,
        category=category_of(row.category),
        brand=row.brand,
        attribute=row.attribute,
        values=_texts(row.attribute_values),
        at_least=row.attribute_from,
        at_most=row.attribute_to,
        on_sale=row.on_sale,
        newer_than=_days(row.new_for_days),
        price_from=_real(row.price_from),
        price_to=_real(row.price_to),
        margin_from=_share(row.margin_from),
        margin_below=_share(row.margin_below),
    )


def segment_of(row: Segment) -> SegmentValue:
    return SegmentValue(
        id=row.pk or 0,
        name=row.name,
        visits=row.visits,
        preference=row.preference,
        preference_values=_texts(row.preference_values),
        trait=row.trait,
        trait_values=_texts(row.trait_values),
        countries=_codes(row.countries),
        affinity=category_of(row.affinity_category),
        affinity_share=row.affinity_share,
        bought=category_of(row.bought_category),
        bought_within=_days(row.bought_within_days),
    )


def guard_of(placement: Placement) -> Guard:
    cap = placement.cap_impressions
    return Guard(
        minimum_margin=_share(placement.minimum_margin),
        minimum_quality=placement.minimum_quality,
        over_budget=placement.over_budget,
        cap=FrequencyCap(cap, placement.cap_days) if cap else None,
        max_per_category=placement.max_per_category,
        max_per_brand=placement.max_per_brand,
        discovery_share=placement.discovery_share,
        new_share=placement.new_share,
        new_for=timedelta(days=placement.new_for_days),
    )


def _condition_of(row: MerchandisingRule) -> Condition:
    return Condition(
        query=row.query,
        whole_query=row.whole_query,
        segment=segment_of(row.segment) if row.segment else None,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        weekdays=frozenset(row.weekdays),
        from_hour=row.from_hour,
        to_hour=row.to_hour,
        device=row.device,
        countries=_codes(row.countries),
    )


def _texts(values: Iterable[str]) -> frozenset[str]:
    return frozenset(map(as_text, values))


def _codes(countries: Iterable[str]) -> frozenset[str]:
    return frozenset(country.upper() for country in countries)


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _real(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _days(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(days=number)
