"""From a shopper's words to filters: prices, options, negation, and what is left to search."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from catalog.search.filter_syntax import FilterSyntaxError, parse_filter, write_filter
from catalog.search.understanding.prices import price_bounds
from catalog.search.understanding.understand import Understanding, understand
from catalog.search.understanding.vocabulary import Term, Vocabulary, merged
from catalog.search.understanding.words import fold
from catalog.search.values import Filter

VOCABULARY = Vocabulary(
    (
        *(Term("attributes.color", color, 50) for color in ("black", "navy", "white", "Red")),
        *(Term("attributes.size", size, 50) for size in ("S", "M", "L", "38", "40")),
        Term("attributes.material", "Leather", 10),
        Term("attributes.gender", "Women", 10),
        Term("attributes.waterproof", "yes", 12, given=0.2),
        Term("attributes.fit", "slim", 10, given=0.9),
        Term("attributes.power", "500", 4),
        Term("brand", "Nordhang", 20),
        Term("category", "Jackets", 30),
        Term("category", "Women", 90),
    ),
    currencies=frozenset({"EUR"}),
)


def understood(query: str, **options: object) -> Understanding:
    return understand(query, VOCABULARY, **options)  # type: ignore[arg-type]


def ids(query: str) -> dict[str, bool]:
    return {each.id: each.applied for each in understood(query).constraints}


# -- Prices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "at_least", "at_most"),
    [
        ("jacket under 100", None, "100"),
        ("jacket below €50", None, "50"),
        ("tent for less than 1,200.50 euros", None, "1200.50"),
        ("laptop 2k max", None, "2000"),
        ("priced above 375 euros", "375", None),
        ("costs more than 63 EUR", "63", None),
        ("not over 80", None, "80"),
        ("no less than 30 euros", "30", None),
        ("€50-80 shoes", "50", "80"),
        ("between 20 and 79 euros", "20", "79"),
        ("priced from 15 to 37", "15", "37"),
        ("around 100 euros", "80.0", "120.0"),
        ("100 euros or less", None, "100"),
        ("from 60 euros, shoes", "60", None),
        ("a budget of 300", None, "300"),
        ("cheaper than 40", None, "40"),
        ("tv over 55 inch below 500", None, "500"),
        ("Jacke unter 50 Euro", None, "50"),
        ("Schuhe zwischen 50 und 1.200 €", "50", "1200"),
        ("höchstens 30 €", None, "30"),
        ("Tasche ab 40 Euro", "40", None),
        ("20 bis 30 Euro", "20", "30"),
        ("veste de moins de 100 €", None, "100"),
        ("entre 20 et 30,50 €", "20", "30.50"),
        ("jusqu'à 80 euros", None, "80"),
        ("à partir de 40 euros", "40", None),
        ("zapatos por debajo de 60 euros", None, "60"),
        ("entre 20 y 30 euros", "20", "30"),
        ("más de 1 000 euros", "1000", None),
        ("hasta 100", None, "100"),
    ],
)
def test_a_bound_of_the_price_is_understood_in_many_wordings(
    query: str, at_least: str | None, at_most: str | None
) -> None:
    [bound] = price_bounds(fold(query))
    assert bound.at_least == (None if at_least is None else Decimal(at_least))
    assert bound.at_most == (None if at_most is None else Decimal(at_most))


@pytest.mark.parametrize(
    "query",
    [
        "jacket with at least 2 pockets",
        "book with around 32 pages",
        "toys for kids under 12",
        "drill over 500 watts",
        "iphone 12",
        "battery between 500 and 1000 mAh",
        "shirt 2-pack",
        "",
    ],
)
def test_a_number_that_is_no_price_stays_in_the_text(query: str) -> None:
    assert price_bounds(fold(query)) == []
    assert understood(query).text == query


def test_a_price_in_another_currency_is_stated_as_unused_and_filters_nothing() -> None:
    in_dollars = understood("jacket under $50")
    assert in_dollars.filters == ()
    assert in_dollars.unused == ("under $50",)
    assert in_dollars.text == "jacket"
    assert understood("jacket under €50").filters == (Filter("price", at_most=Decimal(50)),)


# -- Options --------------------------------------------------------------------------------------


def test_every_constraint_of_a_query_is_stated_with_its_words() -> None:
    found = understood("waterproof jacket under 100, not black, size M")
    assert found.text == "waterproof jacket"
    assert [(each.id, each.words, each.applied) for each in found.constraints] == [
        ("waterproof:yes", "waterproof", False),  # one item in five says so or not
        ("category:Jackets", "jacket", False),
        ("price:..100", "under 100", True),
        ("-color:black", "not black", True),
        ("size:M", "M", True),
    ]


def test_a_constraint_is_removed_by_its_id_and_its_words_rank_again() -> None:
    found = understood("red jacket under 100", ignored={"color:Red"})
    assert [each.id for each in found.constraints] == ["category:Jackets", "price:..100"]
    assert found.text == "red jacket"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("red or navy t-shirt", {"color:Red|navy": True}),
        ("jacket not black or red", {"category:Jackets": False, "-color:black|Red": True}),
        ("shoes, not red but navy", {"-color:Red": True, "color:navy": True}),
        ("shirt in L", {"size:L": True}),
        ("size 38 shoes", {"size:38": True}),
        ("shoes without leather", {"-material:Leather": True}),
        ("women's shoes", {"gender:Women": True}),
        ("shoes by Nordhang", {"brand:Nordhang": True}),
        ("laces for Nordhang shoes", {"brand:Nordhang": False}),
        ("shoes not from nordhang", {"-brand:Nordhang": True}),
        ("slim trousers", {"fit:slim": True}),
        ("schwarze Schuhe Größe 40", {"color:black": True, "size:40": True}),
        ("chaussures noires sans cuir", {"color:black": True, "-material:Leather": True}),
        ("zapatos negros talla 38", {"color:black": True, "size:38": True}),
        ("abrigo rojo, talla L", {"color:Red": True, "size:L": True}),
        ("lamp 40 watts", {}),
        ("m audio speaker", {}),
        ("small table", {}),
    ],
)
def test_options_are_understood_by_the_words_of_the_catalog(
    query: str, expected: dict[str, bool]
) -> None:
    assert ids(query) == expected


def test_words_of_a_brand_stay_in_the_text_unless_it_is_not_wanted() -> None:
    assert understood("nordhang shoes").text == "nordhang shoes"
    assert understood("shoes not from nordhang").text == "shoes"


def test_a_color_that_nothing_has_is_not_searched_for_when_it_is_not_wanted() -> None:
    assert understood("shoes, not purple, without silk").text == "shoes"
    assert understood("purple shoes").text == "purple shoes"


def test_what_only_asks_is_not_searched_for() -> None:
    assert understood("Show me a tent with two rooms, please").text.startswith("tent with two")
    assert understood("show me").text == "show me"
    assert understood("black").text == ""


def test_of_two_spellings_of_a_value_the_most_frequent_stands() -> None:
    kept = merged([Term("brand", "ACME", 2), Term("brand", "Acme", 9), Term("brand", "Other")])
    assert [term.value for term in kept] == ["Acme", "Other"]


@given(st.text(max_size=80))
def test_no_text_breaks_understanding(text: str) -> None:
    found = understood(text)
    assert all(parse_filter(each.id) == each.filter for each in found.constraints)


@given(
    st.lists(
        st.sampled_from(
            [
                "not",
                "black",
                "red",
                "under",
                "50",
                "euros",
                "between",
                "and",
                "size",
                "m",
                "2k",
                "-",
            ]
        ),
        max_size=12,
    )
)
def test_no_order_of_known_words_breaks_understanding(words: list[str]) -> None:
    found = understood(" ".join(words))
    assert len({each.id for each in found.constraints}) == len(found.constraints)


# -- How a filter is written ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price:..100", Filter("price", at_most=Decimal(100))),
        ("price:9.5..", Filter("price", at_least=Decimal("9.5"))),
        ("color:black|navy", Filter("attributes.color", ("black", "navy"))),
        ("-brand:Nordhang", Filter("brand", ("Nordhang",), negated=True)),
        ("attributes.price:old", Filter("attributes.price", ("old",))),
        (r"ratio:16\:9", Filter("attributes.ratio", ("16:9",))),
        (r"say:a\|b|c\\d", Filter("attributes.say", ("a|b", "c\\d"))),
        ("watts:10..20", Filter("attributes.watts", (), Decimal(10), Decimal(20))),
    ],
)
def test_a_filter_is_read_and_written_the_same(text: str, expected: Filter) -> None:
    assert parse_filter(text) == expected
    assert write_filter(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "color", "color:", ":black", "-", "price:cheap", "price:9..3"),
        "a:b" * 300,
        f"price:{'9' * 30}..",
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(FilterSyntaxError):
        parse_filter(text)


@given(
    st.builds(
        Filter,
        field=st.one_of(
            st.sampled_from(["brand", "category", "attributes.price"]),
            st.text(min_size=1, max_size=20)
            .filter(lambda name: name == name.strip() and not name.startswith("-"))
            .map("attributes.".__add__),
        ),
        values=st.lists(
            st.text(min_size=1, max_size=20).filter(
                lambda value: value == value.strip() and ".." not in value
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
        negated=st.booleans(),
    )
)
def test_any_filter_survives_being_written(condition: Filter) -> None:
    assert parse_filter(write_filter(condition)) == condition


# -- Measuring ------------------------------------------------------------------------------------


def test_the_share_of_what_is_understood_is_measured_against_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"query": "red shoes under 50 euros", "reward": {
            "price": [{"less than": [50, None]}], "attributes": [{"color": ["red"]}]}},
        {"query": "blue shoes", "reward": {"sku_options": [{"color": "blue"}]}},
        {"query": "red carpet", "reward": {}},
    ]  # fmt: skip
    file = tmp_path / "queries.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    call_command("evaluate_understanding", file, currency=["EUR"])
    result = json.loads(capsys.readouterr().out)
    assert (result["price_precision"], result["price_recall"]) == (1.0, 1.0)
    assert result["option_recall"] == 1.0
    assert result["option_precision"] == pytest.approx(2 / 3, abs=1e-4)
    assert result["queries_exact"] == pytest.approx(2 / 3, abs=1e-4)


@pytest.mark.parametrize(
    "line",
    ["{", '{"query": "x"}', "[]", '{"query": "x", "reward": {"price": [{"odd": [1, 2]}]}}'],
)
def test_a_file_that_is_not_labeled_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text('{"query": "x", "reward": {}}\n' + line)
    with pytest.raises(CommandError, match="Line 2"):
        call_command("evaluate_understanding", file)
    with pytest.raises(CommandError):
        call_command("evaluate_understanding", tmp_path / "nothing.jsonl")
