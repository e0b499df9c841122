"""What kinds of products the demo shop sells, read from the vocabulary files."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from demo.values import AttributeValue

SHOP_VOCABULARY = Path(__file__).parent / "vocabulary" / "shop"


@dataclass(frozen=True, slots=True)
class ProductModel:
    """One product as its maker would list it; each of `colors` becomes an item."""

    title: str
    brand: str
    price: Decimal
    colors: tuple[str, ...]
    """Colors it is sold in; empty where color is no choice, such as for a book."""
    tint: str
    """The color its picture is painted in when `colors` is empty."""
    drawing: str
    facts: Mapping[str, AttributeValue]
    text: str
    says: tuple[str, ...]
    care: tuple[str, ...]
    praise: tuple[str, ...]
    gripe: tuple[str, ...]
    lasts_days: int | None
    """Days until a buyer needs it again; None for what is not used up."""


@dataclass(frozen=True, slots=True)
class ProductType:
    """A shelf of the shop: what goes with its products, who looks for them, and when."""

    key: str
    path: tuple[str, ...]
    goes_with: tuple[str, ...]
    queries: tuple[str, ...]
    season: frozenset[int]
    """Months of demand above the year's average; empty for what sells evenly."""
    models: tuple[ProductModel, ...]


@cache
def product_types() -> tuple[ProductType, ...]:
    """Every product type, in the order of the vocabulary files."""
    return tuple(
        _product_type(department["department"], entry)
        for department in map(_read, sorted(SHOP_VOCABULARY.glob("*.toml")))
        for entry in department["type"]
    )


def _read(file: Path) -> dict[str, Any]:
    # Decimal keeps the zero of 24.90.
    return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)


def _product_type(department: str, entry: dict[str, Any]) -> ProductType:
    return ProductType(
        key=entry["key"],
        path=(department, *entry["shelf"]),
        goes_with=tuple(entry["goes_with"]),
        queries=tuple(entry["queries"]),
        season=frozenset(entry.get("season", ())),
        models=tuple(_product_model(entry, model) for model in entry["model"]),
    )


def _product_model(entry: dict[str, Any], own: dict[str, Any]) -> ProductModel:
    """What a model does not say for itself, its type says for it."""
    model = entry | own
    facts = entry.get("facts", {}) | own.get("facts", {})
    return ProductModel(
        title=model["title"],
        brand=model["brand"],
        price=Decimal(model["price"]),
        colors=tuple(model.get("colors", ())),
        tint=model.get("tint", ""),
        drawing=model["drawing"],
        facts={
            name: float(fact) if isinstance(fact, Decimal) else fact for name, fact in facts.items()
        },
        text=model["text"],
        says=tuple(model["says"]),
        care=tuple(model["care"]),
        praise=tuple(model["praise"]),
        gripe=tuple(model["gripe"]),
        lasts_days=model.get("lasts_days"),
    )
