"""What a rule set that is not live would do: any request under it, beside the live result.

Reads only: no decision is logged, no impression counted, nothing remembered.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from recommendations.models import MerchandisingRule, Placement
from recommendations.recommend import ledgers_of, recommend
from recommendations.rule_reading import rule_of
from recommendations.rules import LIFTING, Rule, RuleKind, in_force
from recommendations.values import RecommendationRequest, ServedItem, Slate


@dataclass(frozen=True, slots=True)
class Edit:
    """What is tried of a rule instead of what is stored; None is what is stored."""

    amount: float | None = None
    position: int | None = None

    def applied_to(self, rule: Rule) -> Rule:
        amount = rule.amount if self.amount is None else self.amount
        return replace(rule, amount=amount, position=self.position or rule.position)


NO_EDIT = Edit()
NO_EDITS: Mapping[int, Edit] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Move:
    """An item whose place differs: positions from 1, None for not shown; why in words."""

    item: ServedItem
    was: int | None
    now: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The slate as it is served now, the slate on trial, and what differs between them. `absent`
    says of each pin on trial that is not in the slate why."""

    live: Slate
    trial: Slate
    moves: tuple[Move, ...]
    absent: tuple[str, ...] = ()


def rules_on_trial(
    placement: str,
    request: RecommendationRequest,
    *,
    adding: Collection[int] = (),
    without: Collection[int] = (),
    edits: Mapping[int, Edit] = NO_EDITS,
) -> list[Rule]:
    """The live rules of a placement but those in `without`, and the others in `adding`, by id;
    each with what `edits` changes of it."""
    rows = MerchandisingRule.objects.for_placement(Placement.objects.get(code=placement))
    live = rows.live().not_over(request.now).exclude(pk__in=without)
    drafts = rows.filter(pk__in=adding).exclude(pk__in=without)
    rules = [*live.select_related("segment"), *drafts.select_related("segment")]
    found = {row.pk: rule_of(row) for row in rules}
    return [edits.get(pk, NO_EDIT).applied_to(found[pk]) for pk in sorted(found)]


def simulate(request: RecommendationRequest, rules: Sequence[Rule]) -> Comparison:
    """A live request and the same one under `rules`. Never raises, like `recommend`."""
    live = replace(request, simulated=True)
    trial = replace(
        live,
        placement=replace(request.placement, rules=tuple(rules)),
        rules=in_force(rules, request.now, request.around),
    )
    served, tried = recommend(live), recommend(trial)
    before, after = _positions(served), _positions(tried)
    items = {item.item_id: item for item in (*served.items, *tried.items)}
    moved = [pk for pk in items if before.get(pk) != after.get(pk)]
    was_told, is_told = _rules_by_item(live, moved), _rules_by_item(trial, moved)
    moves = [
        Move(
            items[pk],
            before.get(pk),
            after.get(pk),
            _why(was_told.get(pk, ()), is_told.get(pk, ()), gone=pk not in after),
        )
        for pk in sorted(moved, key=lambda pk: (after.get(pk, 10_000), before.get(pk, 10_000)))
    ]
    return Comparison(served, tried, tuple(moves), tuple(_absent(trial, after)))


def _absent(request: RecommendationRequest, shown: Collection[int]) -> Iterable[str]:
    """Why pins that hold for a request are not in its slate."""
    pins = {
        rule.target.item_id: rule
        for rule in request.rules
        if rule.kind == RuleKind.PIN and rule.target.item_id is not None
    }
    absent = pins.keys() - shown
    others = _rules_by_item(request, absent)
    for item in sorted(absent):
        excluded = [r for r in others.get(item, ()) if r.kind == RuleKind.EXCLUDE]
        why = "; ".join(map(_deed, excluded)) or (
            f"the slate has {request.limit} places"
            if (pins[item].position or 0) > request.limit
            else "not available now, kept back by the placement or the shopper, or not in a segment"
        )
        yield f"“{pins[item].name}” is not shown: {why}."


def _positions(slate: Slate) -> dict[int, int]:
    return {item.item_id: position for position, item in enumerate(slate.items, start=1)}


def _rules_by_item(
    request: RecommendationRequest, items: Collection[int]
) -> Mapping[int, tuple[Rule, ...]]:
    """The rules that are for each item, as its ledger names them."""
    if not items:
        return {}
    by_name = {rule.name: rule for rule in (*request.placement.rules, *request.rules)}
    return {
        item: tuple(
            by_name[line.signal.name]
            for line in ledger
            if line.generator == "rule" and line.signal.name in by_name
        )
        for item, ledger in ledgers_of(request, items).items()
    }


def _why(before: Iterable[Rule], after: Iterable[Rule], *, gone: bool) -> str:
    was, now = {_deed(rule): rule for rule in before}, {_deed(rule): rule for rule in after}
    told = [deed for deed in now if deed not in was]
    told += [f"no longer {deed}" for deed in was if deed not in now]
    if told:
        return "; ".join(told)
    return "makes room for others" if gone else "others moved"


def _deed(rule: Rule) -> str:
    """What a rule does to an item it is for, in words."""
    if rule.kind in LIFTING:
        return f"+{rule.amount:g} by “{rule.name}”"
    if rule.kind == RuleKind.BURY:
        return f"-{rule.amount:g} by “{rule.name}”"
    if rule.kind == RuleKind.EXCLUDE:
        return f"excluded by “{rule.name}”"
    place = f"to position {rule.position}" if rule.position else "to the top"
    return f"pinned {place} by “{rule.name}”"
