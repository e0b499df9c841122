"""Which field each column of a feed fills: the column map, and the names it is guessed from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from catalog.feeds.rows import FeedErrorCode, FeedUnreadable

_FIELDS: Final = """
external_id kind title description brand category_path attributes images address language
available group_id variations price sale_price sale_period currency cost stock
"""
FIELDS: Final = frozenset(_FIELDS.split())
MAX_ATTRIBUTE_NAME_CHARS: Final = 100
ATTRIBUTE_TYPES: Final = frozenset({"text", "number", "boolean", "list"})

# Fields to which several columns may contribute; of any other field the first non-empty counts.
JOINED_FIELDS: Final = frozenset({"images", "category_path", "attributes", "linked"})

# Names by which shops and their systems call the fields, the most telling first.
_KNOWN_NAMES: Final[dict[str, str]] = {
    "external_id": "external_id id item_id product_id article_id variant_id sku item_number "
    "product_number article_number stock_code stockcode code",
    "kind": "kind item_kind",
    "title": "title name product_name item_name product_title item_title",
    "description": "description product_description long_description body body_html "
    "short_description summary",
    "brand": "brand brand_name manufacturer vendor maker supplier",
    "category_path": "category_path category categories product_category product_type department",
    "attributes": "attributes additional_attributes",
    "images": "image images image_link image_url image_urls image_links image_src main_image "
    "base_image picture picture_url photo additional_image_link additional_image_links "
    "additional_images additional_image_urls",
    "address": "address link url product_url product_link permalink canonical_url",
    "language": "language lang locale content_language",
    "available": "available availability in_stock is_in_stock is_available",
    "group_id": "group_id item_group_id variant_group parent_id parent_sku parent_product_id "
    "master_id configurable_sku",
    "variations": "configurable_variations variations variant_skus",
    "price": "price regular_price list_price unit_price unitprice",
    "sale_price": "sale_price special_price discount_price discounted_price offer_price",
    "sale_period": "sale_period sale_price_effective_date",
    "currency": "currency currency_code price_currency",
    "cost": "cost cost_price cost_of_goods_sold cost_per_item unit_cost purchase_price",
    "stock": "stock quantity qty stock_quantity stock_level inventory inventory_quantity "
    "current_stock quantity_in_stock on_hand",
    "attribute:color": "color colour",
    "attribute:size": "size",
    "attribute:material": "material",
    "attribute:pattern": "pattern",
    "attribute:gender": "gender",
    "attribute:age_group": "age_group",
    "attribute:condition": "condition",
    "attribute:style": "style",
    "attribute:season": "season",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a column fills. `attribute` names the attribute when `field` is "attribute".

    A smaller `rank` goes first where several columns fill one field.
    """

    field: str
    attribute: str = ""
    type: str = "text"
    rank: int = 0

    @property
    def label(self) -> str:
        """The field as errors name it: "price", "attribute:color"."""
        return f"attribute:{self.attribute}" if self.field == "attribute" else self.field


@dataclass(frozen=True, slots=True)
class FieldSet:
    """What the rows of one kind of feed can say, and what each of them must.

    `required` fields need a column. Only where `attributes` holds may a column become one.
    """

    fields: frozenset[str]
    required: tuple[str, ...]
    known: Mapping[str, Target | None]
    attributes: bool = False

    @property
    def spoken(self) -> str:
        """The fields as a refusal lists them."""
        own = ["attribute, attribute:NAME, attribute:NAME:TYPE"] if self.attributes else []
        return ", ".join([*sorted(self.fields), *own])


class ColumnMap:
    """Columns to targets, by exact name or by the start of the name ("attr_*", "*").

    Names match whatever their case, spaces and punctuation ("Product ID" is product_id). The
    target "ignore" leaves a column out. A map that names columns is the whole map; one that
    holds patterns only adds to the automatic one, and so does none at all. `base` replaces the
    automatic map for formats that define their columns; named columns then override it.
    """

    def __init__(
        self,
        columns: Mapping[str, str] | None,
        *,
        base: Mapping[str, str] | None = None,
        fields: FieldSet | None = None,
    ) -> None:
        given = columns or {}
        self._fields = fields or ITEM_FIELDS
        self.named: tuple[str, ...] = tuple(name for name in given if not name.endswith("*"))
        self.is_automatic = base is None and not self.named
        self._exact: dict[str, Target | None] = {}
        self._prefixes: list[tuple[str, Target | None]] = []
        # Ranks of the base come after those given, so that a merchant's choice goes first.
        for rank, (name, spec) in enumerate([*given.items(), *(base or {}).items()]):
            if name.endswith("*"):
                self._add_pattern(name, spec, rank)
            elif normalize(name) not in self._exact:
                self._exact[normalize(name)] = parse_target(name, spec, rank, self._fields)
        if self.is_automatic:
            self._exact.update(self._fields.known)
        self._prefixes.sort(key=lambda pair: -len(pair[0]))

    def find(self, column: str) -> Target | None:
        """What the column fills; None if nothing."""
        name = normalize(column)
        if not name:
            return None
        return self._exact[name] if name in self._exact else self._find_by_pattern(name)

    def lay_out(self, header: Sequence[str]) -> list[tuple[int, Target]]:
        """The columns of a table that fill something, as (index, target), in order of rank.

        Raises FeedUnreadable when a mapped column is absent (`missing_columns`), or when no
        column is known (`no_header`).
        """
        present = {normalize(column) for column in header}
        absent = [name for name in self.named if normalize(name) not in present]
        if absent:
            raise FeedUnreadable(
                FeedErrorCode.MISSING_COLUMNS,
                f"The column map names columns that the file lacks: {', '.join(absent)}.",
            )
        layout = [
            (index, target)
            for index, column in enumerate(header)
            if (target := self.find(column)) is not None
        ]
        if not any(target.field in self._fields.fields for _, target in layout):
            such = " and ".join(self._fields.required).replace("external_", "")
            raise FeedUnreadable(
                FeedErrorCode.NO_HEADER,
                "No column of the first line is known. Give the file a header line with names "
                f"such as {such}, or a column map.",
            )
        layout.sort(key=lambda pair: pair[1].rank)
        return self._leave_one_column_a_field(header, layout) if self.is_automatic else layout

    def lay_out_required(
        self, header: Sequence[str], *, price_required: bool = False
    ) -> list[tuple[int, Target]]:
        """As `lay_out`, and refuses a table without the required columns, and price if needed.

        A price is not asked of a table that has a column for the kind of its items.
        """
        layout = self.lay_out(header)
        filled = {target.field for _, target in layout}
        needed = [*self._fields.required]
        if price_required and "kind" not in filled:
            needed.append("price")
        absent = [field for field in needed if field not in filled]
        if absent:
            raise FeedUnreadable(
                FeedErrorCode.MISSING_COLUMNS,
                f"No column fills {' and '.join(absent)}. The file has the columns "
                f"{', '.join(column.strip() for column in header[:40])}; name the right ones in a "
                "column map" + (", or read the feed without prices." if "price" in absent else "."),
            )
        return layout

    def _leave_one_column_a_field(
        self, header: Sequence[str], layout: list[tuple[int, Target]]
    ) -> list[tuple[int, Target]]:
        """Guessing may not mix two columns (id and sku) in one field: the best name takes it."""
        kept: list[tuple[int, Target]] = []
        taken: set[str] = set()
        for index, target in layout:
            if target.label in taken and target.field != "images":
                spare = self._find_by_pattern(normalize(header[index]))
                if spare is not None:
                    kept.append((index, spare))
                continue
            taken.add(target.label)
            kept.append((index, target))
        return kept

    def _find_by_pattern(self, name: str) -> Target | None:
        for prefix, target in self._prefixes:
            attribute = name.removeprefix(prefix) if name.startswith(prefix) else ""
            if attribute:
                return target and replace(target, attribute=attribute[:MAX_ATTRIBUTE_NAME_CHARS])
        return None

    def _add_pattern(self, pattern: str, spec: str, rank: int) -> None:
        target = parse_target("*", spec, rank, self._fields)
        if target is not None and (target.field != "attribute" or target.attribute):
            raise _invalid(
                f"The pattern “{pattern}” fills “{spec}”; a pattern can fill “attribute” or "
                "“attribute::TYPE”, or be “ignore”."
            )
        prefix = re.sub(r"[\W_]+", "_", pattern.removesuffix("*").casefold()).lstrip("_")
        self._prefixes.append((prefix, target))


def parse_target(
    column: str, spec: object, rank: int = 0, fields: FieldSet | None = None
) -> Target | None:
    """Read one right side of a column map; None means that the column is ignored.

    "price" is a field; "attribute" an attribute named like the column; "attribute:weight" and
    "attribute:weight:number" one with a name, and a type (text, number, boolean, list).
    """
    if not isinstance(spec, str):  # a map that comes as JSON may hold anything
        raise _invalid(f"The column map gives “{column}” something other than the name of a field.")
    attributes = fields is None or fields.attributes
    field, _, rest = spec.strip().partition(":")
    if field == "ignore" and not rest:
        return None
    if field in (FIELDS if fields is None else fields.fields) and not rest:
        return Target(field, rank=rank)
    if field == "attribute" and attributes:
        attribute, _, type_ = rest.partition(":")
        attribute = attribute.strip() or normalize(column)
        is_name = attribute.isprintable() and len(attribute) <= MAX_ATTRIBUTE_NAME_CHARS
        if is_name and (type_ or "text") in ATTRIBUTE_TYPES:
            return Target("attribute", attribute, type_ or "text", rank)
    raise _invalid(
        f"The column map fills “{spec}” from “{column}”, which is not a field. Fields are "
        f"{(fields or ITEM_FIELDS).spoken} "
        f"(TYPE one of {', '.join(sorted(ATTRIBUTE_TYPES))}) and ignore."
    )


def normalize(column: str) -> str:
    """The name of a column without case, spaces and punctuation: "Product ID" is product_id."""
    return re.sub(r"[\W_]+", "_", column.casefold()).strip("_")


def _invalid(message: str) -> FeedUnreadable:
    return FeedUnreadable(FeedErrorCode.INVALID_COLUMN_MAP, message)


def known_names(
    names: Mapping[str, str], fields: FieldSet | None = None
) -> dict[str, Target | None]:
    """Targets by column name, of fields with their names, the most telling first."""
    return {
        name: parse_target(name, spec, rank, fields)
        for spec, together in names.items()
        for rank, name in enumerate(together.split())
    }


ITEM_FIELDS: Final = FieldSet(
    FIELDS, ("external_id", "title"), known_names(_KNOWN_NAMES), attributes=True
)
