"""What a query says of the price: bounds in many wordings, in English, German, French, Spanish."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from catalog.search.understanding.currencies import CURRENCY, currencies_of

AROUND_SHARE = Decimal("0.2")
"""How far from "around 100" a price may be: a fifth, either way."""

SMALL = 20
"""Below it a number without a currency is as likely a count as a price: "at least 2 pockets"."""


@dataclass(frozen=True, slots=True)
class PriceBound:
    """Between which amounts the price shall be, and which part of the text says so.

    `currencies` are the ISO codes that were named; empty when none was.
    """

    at_least: Decimal | None
    at_most: Decimal | None
    currencies: frozenset[str]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Amount:
    value: Decimal
    currencies: frozenset[str]
    start: int
    end: int
    plus: bool


def _any(phrases: Iterable[str]) -> str:
    """A pattern for any of the phrases, the longest first, so that "not over" is not "over"."""
    longest = sorted({phrase.strip() for phrase in phrases}, key=len, reverse=True)
    return "|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in longest)


AT_LEAST = _any(
    """
    no less than|not less than|not under|not below|at least|more than or equal to|more than
    |greater than or equal to|greater than|higher than|bigger than|starting at|starting from
    |upwards of|upward of|north of|over|above|exceeding|exceeds|exceed|from|minimum of|minimum|min
    |beyond|pricier than|>=|>|≥
    |nicht unter|mindestens|mehr als|teurer als|hoher als|uber|ab
    |au moins|plus de|plus cher que|plus chere que|superieur a|superieure a|a partir de|au-dessus de
    |au dessus de|pas moins de
    |al menos|por lo menos|mas de|mas caro que|mas cara que|superior a|mayor que|mayor a
    |por encima de|encima de|desde|minimo|como minimo|no menos de
    """.replace("\n", " ").split("|")
)
AT_MOST = _any(
    """
    no more than|not more than|no higher than|not over|not above|not exceeding|does not exceed
    |at most|up to|less than or equal to|less than|lower than|cheaper than|smaller than|under|below
    |beneath|within|max|maximum of|maximum|budget of|budget is|budget|until|limit of|limit is
    |<=|<|≤
    |nicht mehr als|nicht uber|hochstens|maximal|weniger als|gunstiger als|billiger als
    |niedriger als|unter|bis zu|bis
    |pas plus de|au plus|au maximum|moins de|moins cher que|moins chere que|inferieur a
    |inferieure a|en dessous de|au-dessous de|sous|jusqu'a|jusqu’a
    |no mas de|como maximo|a lo sumo|menos de|mas barato que|mas barata que|inferior a|menor que
    |menor a|por debajo de|debajo de|hasta|maximo
    """.replace("\n", " ").split("|")
)
AROUND = _any(
    """
    around|about|approximately|approx|roughly|circa|ca|etwa|ungefahr|rund|um die|environ
    |autour de|a peu pres|alrededor de|aproximadamente|cerca de
    """.replace("\n", " ").split("|")
)
AT_LEAST_AFTER = _any(
    """
    and up|and above|and over|and more|or more|or above|or over|or higher|minimum
    |und mehr|oder mehr|aufwarts|und daruber|ou plus|et plus|o mas|y mas|en adelante|minimo
    """.replace("\n", " ").split("|")
)
AT_MOST_AFTER = _any(
    """
    or less|or under|or below|or cheaper|or lower|and under|and below|and less|maximum|max|tops
    |at most|oder weniger|oder gunstiger|und weniger|hochstens|maximal|ou moins|et moins
    |o menos|como maximo|maximo
    """.replace("\n", " ").split("|")
)
BETWEEN_BEFORE = _any(
    ["between", "from", "ranging from", "range", "zwischen", "von", "ab", "entre", "de", "desde"]
)
BETWEEN_JOIN = _any(
    ["and", "to", "und", "bis", "et", "a", "y", "e", "hasta", "till", "-", "–", "—"]
)

PRICE_WORD = _any(
    """
    price|prices|priced|pricing|cost|costs|costing|spend|pay|paying|worth|budget|value|cheaper than
    |pricier than|preis|preise|kostet|kosten|kostend|teurer als|billiger als|gunstiger als
    |prix|coute|coutant|coutent|moins cher que|plus cher que
    |precio|precios|cuesta|cuestan|mas barato que|mas caro que
    """.replace("\n", " ").split("|")
)
UNIT = _any(
    """
    cm|mm|m|km|in|inch|inches|ft|feet|foot|yard|yards|oz|ounce|ounces|lb|lbs|pound weight|kg|g|gram
    |grams|mg|ml|cl|l|liter|liters|litre|litres|gallon|gallons|w|watt|watts|kw|v|volt|volts|amp|amps
    |hz|khz|mhz|ghz|gb|tb|mb|mp|megapixel|megapixels|mah|lumen|lumens|rpm|psi|bar|years|year|yrs
    |yr|months|month|weeks|week|days|day|hours|hour|hrs|hr|h|minutes|minute|seconds|second|sec
    |people|persons|person|pages|page|piece|pieces|pcs|pc|pack|packs|degrees|degree|stars|star
    |speed|speeds|pockets|pocket|players|player|holes|ports|port|cups|cup|seats|doors
    |jahre|jahren|monate|tage|stunden|stuck|personen|seiten|liter|zoll
    |ans|mois|jours|heures|personnes|pouces|anos|meses|dias|horas|personas|pulgadas|%|"|°
    """.replace("\n", " ").split("|")
)
MEASURE = _any(
    """
    power|power usage|power consumption|wattage|voltage|weight|weighing|weighs|height|width|length
    |depth|diameter|capacity|volume|storage|memory|ram|resolution|battery|rating|rated|age|aged|ages
    |size|sizes|speed|model|models|kids|children|boys|girls|adults|kinder|enfants|ninos|gewicht|hohe|breite|lange|alter|grosse|grose
    |poids|hauteur|largeur|longueur|taille|peso|altura|anchura|longitud|talla|edad
    """.replace("\n", " ").split("|")
)

NUMBER = re.compile(
    rf"(?:(?<![\w.,/-])|(?<=\d[-–—]))(?P<before>{CURRENCY})?\s?"
    r"(?P<number>\d{1,3}(?:[.,'’\u00a0\u202f ]\d{3})+(?![\d])|\d+)(?P<cents>[.,]\d{1,2}(?!\d))?"
    rf"(?P<thousand>\s?k\b)?(?P<plus>\+)?(?:\s?(?P<after>{CURRENCY})(?!\w))?"
)
OF_PRICE = r"(?:(?:a|the|un|una|einen?|einem)\s+)?(?:price|preis|prix|precio)\s+(?:of|von|de)\s+"
BOUND_BEFORE = re.compile(
    rf"(?<![\w-])(?:(?P<least>{AT_LEAST})|(?P<most>{AT_MOST})|(?P<around>{AROUND}))"
    rf"\s*:?\s*(?:{OF_PRICE})?$"
)
BOUND_AFTER = re.compile(
    rf"\s*(?:(?P<least>{AT_LEAST_AFTER})(?!\w)|(?P<most>{AT_MOST_AFTER})(?!\w))"
)
RANGE_BEFORE = re.compile(rf"(?<![\w-])(?:{BETWEEN_BEFORE})\s+(?:{OF_PRICE})?$")
RANGE_JOIN = re.compile(rf"\s*(?:{BETWEEN_JOIN})\s*$")
PRICED = re.compile(
    rf"(?<!\w)(?P<word>{PRICE_WORD})(?!\w)"
    r"(?:\s+(?:is|are|of|at|should|must|be|range|ranging|tag|somewhere|between|in|the|has|to|"
    r"ist|liegt|sein|soll|bei|est|soit|es|sea))*\s*:?\s*$"
)
MEASURED = re.compile(rf"(?<!\w)(?:{MEASURE})(?:\s+(?:is|of|should|be|from|range|von|de))*\s*$")
UNIT_NEXT = re.compile(rf"\s?-?(?:{UNIT})(?!\w)")
VAGUE = frozenset({"from", "ab", "a partir de", "desde", "+"})
"""What too often means something else to make a bare number a price."""
CLAUSE_ENDS = re.compile(
    r"\s*(?:$|[,.;!?)]|(?:and|with|without|in|for|from|not|but|or|please|that|which|size|color"
    r"|und|mit|ohne|nicht|aber|oder|fur|et|avec|sans|mais|ou|pour|y|con|sin|pero|o|para)\b)"
)


def price_bounds(folded: str) -> list[PriceBound]:
    """What a folded query demands of the price, from left to right.

    A number is taken for a price if a currency or a word such as "priced" says so. Without one
    it is where it ends its clause and neither a unit nor a measure ("weight", "pages") claims
    it, and only if no other bound of the query is more plainly one.
    """
    amounts = [_amount(match) for match in NUMBER.finditer(folded)]
    found: list[tuple[PriceBound, bool]] = []
    position = 0
    while position < len(amounts):
        pair = amounts[position : position + 2]
        bound = _range(folded, pair) if len(pair) == 2 else None
        step = 2
        if bound is None:
            bound, step = _single(folded, amounts[position]), 1
        if bound is not None:
            found.append(bound)
        position += step
    plain = [bound for bound, marked in found if marked]
    return plain or [bound for bound, _ in found]


def _amount(match: re.Match[str]) -> _Amount:
    whole = re.sub(r"\D", "", match["number"])
    value = Decimal(whole + (match["cents"] or "").replace(",", "."))
    if match["thousand"]:
        value *= 1000
    named = match["before"] or match["after"]
    start = match.start("before") if match["before"] else match.start("number")
    return _Amount(value, currencies_of(named), start, match.end(), bool(match["plus"]))


def _range(folded: str, pair: Sequence[_Amount]) -> tuple[PriceBound, bool] | None:
    low, high = pair
    if not RANGE_JOIN.fullmatch(folded, low.end, high.start):
        return None
    opening = RANGE_BEFORE.search(folded, 0, low.start)
    start = opening.start() if opening else low.start
    start, priced = _price_word(folded, start)
    currencies = low.currencies | high.currencies
    marked = bool(currencies) or priced
    if high.value < low.value:
        return None
    if not marked and (opening is None or not _plausible(folded, start, high)):
        return None
    return PriceBound(low.value, high.value, currencies, start, high.end), marked


def _single(folded: str, amount: _Amount) -> tuple[PriceBound, bool] | None:
    before = BOUND_BEFORE.search(folded, 0, amount.start)
    after = BOUND_AFTER.match(folded, amount.end) if before is None else None
    side = before or after
    if side is None and not amount.plus:
        return None
    start = before.start() if before else amount.start
    end = after.end() if after else amount.end
    start, priced = _price_word(folded, start)
    said = side.group().strip() if side else "+"
    marked = bool(amount.currencies) or priced or bool(re.match(PRICE_WORD, said))
    vague = bool(before and before["around"]) or said in VAGUE
    if not marked and (vague or not _plausible(folded, start, amount)):
        return None
    at_least = at_most = None
    if before and before["around"]:
        at_least = amount.value * (1 - AROUND_SHARE)
        at_most = amount.value * (1 + AROUND_SHARE)
    elif side is None or side["least"]:
        at_least = amount.value
    else:
        at_most = amount.value
    return PriceBound(at_least, at_most, amount.currencies, start, end), marked


def _price_word(folded: str, start: int) -> tuple[int, bool]:
    """Where the bound begins with the word for the price before it, and whether there is one."""
    priced = PRICED.search(folded, 0, start)
    return (priced.start(), True) if priced else (start, False)


def _plausible(folded: str, start: int, amount: _Amount) -> bool:
    """Whether a number without any mark of a price may be one all the same."""
    if UNIT_NEXT.match(folded, amount.end) or MEASURED.search(folded, 0, start):
        return False
    return amount.value >= SMALL or bool(CLAUSE_ENDS.match(folded, amount.end))
