"""What is wrong with a rule before it is served, in the words of its form."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from catalog.models import Item
from recommendations.models import MerchandisingRule, Placement
from recommendations.rule_models import MAX_AMOUNT
from recommendations.rule_reading import target_of
from recommendations.rules import Target, category_of, words_of

Kind = MerchandisingRule.Kind
WITH_STRENGTH = frozenset({Kind.BOOST, Kind.PROMOTION, Kind.BURY})
NO_TARGET = Target()
WEEK = timedelta(days=7)


@dataclass(slots=True)
class Findings:
    """Errors by field (empty: of the rule as a whole), which keep it from being saved or served;
    warnings, which do not."""

    errors: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, field_name: str, why: str) -> None:
        self.errors.setdefault(field_name, why)


def check_rule(
    rule: MerchandisingRule, placements: Collection[Placement], *, publishing: bool
) -> Findings:
    """Look at a rule, saved or not, in the placements given (none: all of them).

    What another live rule does already hinders publishing, and only warns of a draft.
    """
    found = Findings()
    _check_deed(rule, found)
    _check_target(rule, found)
    _check_time(rule, found)
    if rule.kind == Kind.PIN and rule.position and (other := _same_place(rule, placements)):
        says = f"“{other}” is pinned to position {rule.position} at the same time."
        if publishing:
            found.refuse("position", says)
        else:
            found.warnings.append(says)
    return found


def warnings_about(rule: MerchandisingRule, placements: Collection[Placement]) -> list[str]:
    """What is probably a mistake: names that the catalog does not have, rules that never hold."""
    found = []
    category = category_of(rule.category)
    if category and not Item.objects.filter(category_path__contains=list(category)).exists():
        found.append(f"No item is in the category “{rule.category}”.")
    if rule.brand and not Item.objects.filter(brand=rule.brand).exists():
        found.append(f"No item is of the brand “{rule.brand}”.")
    if rule.attribute and not Item.objects.filter(attributes__has_key=rule.attribute).exists():
        found.append(f"No item has an attribute “{rule.attribute}”.")
    if rule.item is not None and not Item.objects.recommendable().filter(pk=rule.item.pk).exists():
        found.append("The item is not available now: it is not shown until it is.")
    elif rule.matching_items == 0:
        found.append("No item that can be shown now is meant by this rule.")
    if rule.ends_at is not None and rule.ends_at <= timezone.now():
        found.append("The rule is over.")
    codes = {placement.code for placement in placements}
    if rule.query and codes and "search" not in codes:
        found.append("The rule asks for a search, and none of its placements is “search”.")
    return found


def _check_deed(rule: MerchandisingRule, found: Findings) -> None:
    if rule.position and rule.kind != Kind.PIN:
        found.refuse("position", "Only a pin has a position.")
    if rule.label and rule.kind != Kind.PROMOTION:
        found.refuse("label", "Only a promotion has a label.")
    if rule.kind == Kind.PROMOTION and not rule.label:
        found.refuse("label", "Say what shoppers read of the promotion.")
    if rule.kind in WITH_STRENGTH and rule.amount is not None:
        if not 0 <= rule.amount <= MAX_AMOUNT:
            found.refuse("amount", f"A strength is between 0 and {MAX_AMOUNT:g}.")
        elif rule.amount == 0:
            found.refuse("amount", "A strength of 0 changes nothing.")
    if rule.kind == Kind.PIN and rule.item_id is None:
        found.refuse("item", "A pin is for one item.")


def _check_target(rule: MerchandisingRule, found: Findings) -> None:
    if target_of(rule) == NO_TARGET:
        found.refuse("", "Say what the rule is for: an item, a category, a brand or a property.")
    numbers = rule.attribute_from, rule.attribute_to
    if not rule.attribute and (rule.attribute_values or numbers != (None, None)):
        found.refuse("attribute", "Say which attribute the values are of.")
    for low, high in (
        ("attribute_from", "attribute_to"),
        ("price_from", "price_to"),
        ("margin_from", "margin_below"),
    ):
        least, most = getattr(rule, low), getattr(rule, high)
        if least is not None and most is not None and most < least:
            found.refuse(high, "The range ends before it begins.")


def _check_time(rule: MerchandisingRule, found: Findings) -> None:
    if rule.starts_at and rule.ends_at and rule.ends_at <= rule.starts_at:
        found.refuse("ends_at", "The rule ends before it begins.")
    elif rule.starts_at and rule.ends_at and rule.weekdays and not _meets_weekday(rule):
        found.refuse("weekdays", "None of these days lies between the start and the end.")
    if rule.from_hour is not None and rule.from_hour == rule.to_hour:
        found.refuse("to_hour", "The hours end as they begin: leave both empty for the whole day.")


def _meets_weekday(rule: MerchandisingRule) -> bool:
    if rule.starts_at is None or rule.ends_at is None or rule.ends_at - rule.starts_at >= WEEK:
        return True
    first = timezone.localtime(rule.starts_at).date()
    last = timezone.localtime(rule.ends_at - timedelta(microseconds=1)).date()
    days = {(first + timedelta(days=n)).weekday() for n in range((last - first).days + 1)}
    return bool(days & set(rule.weekdays))


def _same_place(
    rule: MerchandisingRule, placements: Collection[Placement]
) -> MerchandisingRule | None:
    """Another live pin at the same position that may hold at the same time for one request."""
    others = MerchandisingRule.objects.live().not_over(timezone.now())
    others = others.filter(kind=Kind.PIN, position=rule.position).exclude(pk=rule.pk)
    codes = {placement.pk for placement in placements}
    for other in others.prefetch_related("placements"):
        theirs = {placement.pk for placement in other.placements.all()}
        if _may_meet(codes, theirs) and _overlap(rule, other):
            return other
    return None


def _overlap(one: MerchandisingRule, other: MerchandisingRule) -> bool:
    """Whether one request can be in both rules' conditions; hours of the day are not compared."""
    return (
        _may_meet(one.weekdays, other.weekdays)
        and _may_meet(map(str.upper, one.countries), map(str.upper, other.countries))
        and _may_meet(filter(None, [one.device]), filter(None, [other.device]))
        and _may_meet(filter(None, [one.segment_id]), filter(None, [other.segment_id]))
        and _may_meet(_query(one), _query(other))
        and not (one.ends_at and other.starts_at and one.ends_at <= other.starts_at)
        and not (other.ends_at and one.starts_at and other.ends_at <= one.starts_at)
    )


def _query(rule: MerchandisingRule) -> Collection[str]:
    words = words_of(rule.query)
    return [" ".join(words if rule.whole_query else sorted(words))] if words else []


def _may_meet(one: Iterable[object], other: Iterable[object]) -> bool:
    """Whether two sets, of which an empty one stands for everything, have something in common."""
    ours, theirs = set(one), set(other)
    return not ours or not theirs or bool(ours & theirs)
