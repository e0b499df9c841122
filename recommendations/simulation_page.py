"""The page on which staff try rules out: what may be chosen, and what is drawn of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.pictures import first_picture
from profiles.identity import ShopperRef
from recommendations.context import build_request
from recommendations.models import MerchandisingRule, Placement
from recommendations.rule_words import for_whom_in_words, target_in_words
from recommendations.rules import Circumstances
from recommendations.simulation import Comparison, Edit, Move, rules_on_trial, simulate
from recommendations.values import ServedItem, Slate
from tenants.errors import DomainError

MOST_RULES = 200
FIRST_PLACEMENT = "home"


class SimulationForm(forms.Form):
    """A request as a storefront would send it, and from which day."""

    placement = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    shopper = forms.CharField(
        required=False, max_length=200, help_text="The shop's own id; empty: nobody known."
    )
    item = forms.CharField(
        required=False, max_length=200, help_text="The id of the item on the page."
    )
    cart = forms.CharField(
        required=False, max_length=2_000, help_text="Ids of what is in the cart, by commas."
    )
    query = forms.CharField(required=False, max_length=200, help_text="What was searched for.")
    device = forms.ChoiceField(
        required=False,
        choices=[("", "–"), *MerchandisingRule.Device.choices],
        widget=UnfoldAdminSelectWidget,
    )
    country = forms.CharField(required=False, max_length=2)
    day = forms.DateField(required=False, help_text="Now if empty.", widget=UnfoldAdminDateWidget)
    limit = forms.IntegerField(
        required=False, min_value=1, max_value=50, widget=UnfoldAdminIntegerFieldWidget
    )

    def __init__(self, *args: Any, may_be_shopper: bool = True, **kwargs: Any) -> None:
        """`may_be_shopper`: a slate for a shopper tells what that shopper did."""
        super().__init__(*args, **kwargs)
        if not may_be_shopper:
            del self.fields["shopper"]
        codes = list(Placement.objects.filter(active=True).values_list("code", flat=True))
        self.fields["placement"] = forms.ChoiceField(
            choices=[(code, code) for code in codes], widget=UnfoldAdminSelectWidget
        )
        for field in self.fields.values():
            if isinstance(field.widget, forms.TextInput) and type(field) is forms.CharField:
                field.widget = UnfoldAdminTextInputWidget(attrs=field.widget.attrs)

    @property
    def moment(self) -> datetime:
        """Noon of the day that was chosen, or now."""
        day = self.cleaned_data.get("day")
        now = timezone.localtime()
        if day is None:
            return now
        return now.replace(year=day.year, month=day.month, day=day.day, hour=12, minute=0)


@dataclass(frozen=True, slots=True)
class RuleChoice:
    """A rule that may be switched on and off for the trial, and tried with other numbers."""

    rule: MerchandisingRule
    used: bool
    amount: float | None
    position: int | None
    what: str
    when: str


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a slate: how it differs from the other slate in words, and in which sense."""

    item: ServedItem
    picture: str
    position: int
    change: str
    sense: str
    rules: tuple[str, ...]


class Parameters(Protocol):
    """The query string of a request, as far as it is read."""

    def get(self, name: str, default: Any = None) -> Any: ...
    def getlist(self, name: str) -> list[str]: ...


def drawn(form: SimulationForm, parameters: Parameters) -> dict[str, Any]:
    """What the page's template shows: the rules to choose from and, if asked, both slates."""
    code = parameters.get("placement", FIRST_PLACEMENT)
    placement = Placement.objects.filter(code=code, active=True).first()
    choices = _choices(placement, parameters) if placement else []
    shown: dict[str, Any] = {"choices": choices}
    if placement is None or not parameters.get("run") or not form.is_valid():
        return shown
    try:
        comparison = _compared(form, choices)
    except DomainError as error:
        fields = " ".join(error.fields.values())
        return {**shown, "refused": f"{error.detail} {fields}"}
    return {**shown, **_slates(comparison), "moment": form.moment, "simulated": True}


def _compared(form: SimulationForm, choices: Sequence[RuleChoice]) -> Comparison:
    given = form.cleaned_data
    request = build_request(
        given["placement"],
        shopper=ShopperRef(known=given["shopper"]) if given.get("shopper") else None,
        item=given["item"] or None,
        cart_items=[part.strip() for part in given["cart"].split(",") if part.strip()] or None,
        limit=given["limit"] or 10,
        now=form.moment,
        around=Circumstances(given["query"], given["device"], given["country"]),
    )
    rules = rules_on_trial(
        given["placement"],
        request,
        adding=[choice.rule.pk for choice in choices if choice.used],
        without=[choice.rule.pk for choice in choices if not choice.used],
        edits={choice.rule.pk: Edit(choice.amount, choice.position) for choice in choices},
    )
    return simulate(request, rules)


def _choices(placement: Placement, parameters: Parameters) -> list[RuleChoice]:
    """Live rules and drafts of a placement. Live ones are in use unless the form says no."""
    rows = MerchandisingRule.objects.for_placement(placement).not_over(timezone.now())
    rows = rows.exclude(status=MerchandisingRule.Status.RETIRED)
    chosen = {int(pk) for pk in parameters.getlist("use") if pk.isdecimal()}
    first_visit = not parameters.get("run")
    found = []
    for rule in rows.select_related("item", "segment").order_by("-status", "pk")[:MOST_RULES]:
        live = rule.status == MerchandisingRule.Status.LIVE
        found.append(
            RuleChoice(
                rule=rule,
                used=rule.pk in chosen or (first_visit and live),
                amount=_number(parameters.get(f"amount-{rule.pk}")),
                position=int(_number(parameters.get(f"position-{rule.pk}")) or 0) or None,
                what=str(rule.item) if rule.item else target_in_words(rule),
                when=for_whom_in_words(rule) or "always",
            )
        )
    return found


def _slates(comparison: Comparison) -> dict[str, Any]:
    moves = {move.item.item_id: move for move in comparison.moves}
    return {
        "live": _places(comparison.live, moves, trial=False),
        "trial": _places(comparison.trial, moves, trial=True),
        "moves": comparison.moves,
        "absent": comparison.absent,
        "fallbacks": sorted({*comparison.live.fallbacks, *comparison.trial.fallbacks}),
    }


def _places(slate: Slate, moves: Mapping[int, Move], *, trial: bool) -> list[Place]:
    places = []
    for position, item in enumerate(slate.items, start=1):
        move = moves.get(item.item_id)
        change, sense = ("", "") if move is None else _change(move, trial=trial)
        rules = tuple(line.signal.name or "" for line in item.ledger if line.generator == "rule")
        places.append(
            Place(item, first_picture([item.image or ""]), position, change, sense, rules)
        )
    return places


def _change(move: Move, *, trial: bool) -> tuple[str, str]:
    """Such as “up 3 from 5”, and whether it is up, down, new or gone."""
    if move.was is None or move.now is None:
        return ("new", "new") if trial else ("gone", "gone")
    if not trial:
        return "", ""
    by = move.was - move.now
    return (f"up {by}", "up") if by > 0 else (f"down {-by}", "down")


def _number(text: Any) -> float | None:
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= 100 else None  # positions end there, too
