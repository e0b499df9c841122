"""What the index holds of an item, and how it is written: the fields, and a row as a document."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tantivy import Document, Index, Schema, SchemaBuilder, TextAnalyzerBuilder, Tokenizer

from catalog.search.facts import (
    category_names,
    codes_of,
    kinds_of,
    names_a_code,
    numbers_of,
    texts_of,
)
from catalog.search.words import base_language, indexed, words_of

FORMAT: Final = 5
"""Raised with every change of what is written below: an index of another format is built anew."""

STEMMED: Final = ("title", "brand", "category", "attributes", "prose", "text")
"""Searched by stems. `category` has what the item is, `attributes` their values, `prose` everything
but them, and `text` is all of it with the names of the attributes: what a plain BM25 would
search."""

PRICE_UNIT: Final = Decimal(10_000)
NO_PRICE: Final = -1
NO_GROUP: Final = 0

MOST_VALUE_CHARS: Final = 100
"""A longer value of an attribute is searched as text; nobody picks it from a list."""

_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class Row:
    """What is read of an item to write it into the index."""

    item_id: int
    external_id: str
    kind: str
    title: str
    description: str
    brand: str
    category_path: Sequence[str]
    attributes: dict[str, Any]
    language: str
    created_at: datetime
    in_stock: bool
    price: Decimal | None
    signature: int
    group_id: str = ""


def schema() -> Schema:
    """The fields. Text that is filtered and counted is kept whole; the rest is split at spaces."""
    builder = SchemaBuilder()
    builder.add_unsigned_field("item", indexed=True, fast=True)
    builder.add_unsigned_field("group", indexed=True, fast=True)
    builder.add_integer_field("signature", fast=True)
    builder.add_integer_field("price", indexed=True, fast=True)
    builder.add_integer_field("created", fast=True)
    builder.add_text_field("availability", tokenizer_name="raw", fast=True, index_option="basic")
    for name in STEMMED:
        option = "position" if name == "title" else "freq"
        builder.add_text_field(name, tokenizer_name="spaces", index_option=option)
    # As they are written: for the spelling of words, and what they begin with.
    builder.add_text_field("words", stored=True, tokenizer_name="spaces", index_option="freq")
    builder.add_text_field("codes", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("language", tokenizer_name="raw", fast=True, index_option="basic")
    # Conditions: `brand`, `category`, `kind` or the attribute, then the value in lower case.
    builder.add_text_field("facts", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("numbers", tokenizer_name="raw", index_option="basic")
    for name in ("brand_facet", "category_facet", "kind_facet"):
        builder.add_text_field(name, tokenizer_name="raw", fast=True, index_option="basic")
    for name in ("attribute_facet", "number_facet"):
        builder.add_json_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    return builder.build()


def register(index: Index) -> None:
    """Every process that opens an index tells it how text is split."""
    index.register_tokenizer("spaces", TextAnalyzerBuilder(Tokenizer.whitespace()).build())


def document(row: Row, default_language: str) -> Document:
    """The item as it is written into the index."""
    language = base_language(row.language or default_language)
    category_words = " ".join(row.category_path)
    title, brand, description = (
        indexed(part, language) for part in (row.title, row.brand, row.description)
    )
    category = indexed(category_words, language)
    kinds = indexed("\n".join(kinds_of(row.category_path, row.attributes)), language)
    named, values = (indexed(part, language) for part in _attribute_words(row.attributes))
    prose = " ".join(part for part in (title, brand, category, description) if part)
    stemmed = (title, brand, kinds, values, prose, f"{prose} {named}")
    made = Document()
    made.add_unsigned("item", row.item_id)
    made.add_unsigned("group", group_number(row.group_id))
    made.add_integer("signature", row.signature)
    made.add_integer("created", int(row.created_at.timestamp() * 1e6))
    made.add_integer("price", price_units(row.price) if row.price is not None else NO_PRICE)
    made.add_text("availability", "in_stock" if row.in_stock else "sold_out")
    made.add_text("language", language)
    for name, text in zip(STEMMED, stemmed, strict=True):
        if text:
            made.add_text(name, text)
    made.add_text("words", " ".join(words_of(f"{row.title} {row.brand} {category_words}")))
    for code in codes_of(row.external_id, row.attributes):
        made.add_text("codes", code)
    _add_facts(made, row)
    return made


def _attribute_words(attributes: dict[str, Any]) -> tuple[str, str]:
    """The attributes with their names; and the values that describe: no codes, no yes and no."""
    named, values = [], []
    for name, value in attributes.items():
        said = " ".join(texts_of(value))
        named.append(f"{name} {said}")
        if not isinstance(value, bool) and not names_a_code(name):
            values.append(said)
    return "\n".join(named), "\n".join(values)


def group_number(group_id: str) -> int:
    """A group of variants as a number of 62 bits; NO_GROUP for an item in none."""
    if not group_id:
        return NO_GROUP
    return int.from_bytes(hashlib.blake2b(group_id.encode(), digest_size=8).digest()) >> 2 or 1


def price_units(price: Decimal) -> int:
    """A price as a whole number of ten-thousandths, which is what the database keeps."""
    return int(price * PRICE_UNIT)


def fact(field: str, value: str) -> str:
    """How a condition on a field is written, as in `facts`."""
    return f"{field}{_SEPARATOR}{value.strip().lower()}"


def attribute_key(name: str) -> str:
    """An attribute's name as a key that every part of the index takes: its UTF-8 in hex."""
    return name.encode().hex()


def number_key(name: str, number: float) -> str:
    """Text that sorts as the number does, below the attribute: the bits of IEEE 754, turned."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", number + 0.0))
    bits ^= 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else 1 << 63
    return f"{attribute_key(name)}z{bits:016x}"


def _add_facts(made: Document, row: Row) -> None:
    made.add_text("facts", fact("kind", row.kind))
    made.add_text("kind_facet", row.kind)
    if row.brand.strip():
        made.add_text("facts", fact("brand", row.brand))
        made.add_text("brand_facet", row.brand.strip())
    for name in {name.lower(): name for name in category_names(row.category_path)}.values():
        made.add_text("facts", fact("category", name))
    for name in {name.strip().lower(): name.strip() for name in row.category_path}.values():
        if name:
            made.add_text("category_facet", name)
    texts: dict[str, list[str]] = {}
    numbers: dict[str, list[float]] = {}
    for name, value in row.attributes.items():
        key = attribute_key(name)
        # One of each, whatever its case, so that an item counts once for a value.
        short = [text for text in texts_of(value) if len(text) <= MOST_VALUE_CHARS]
        if short:
            texts[key] = list({text.lower(): text for text in short}.values())
            for text in texts[key]:
                made.add_text("facts", fact(f"attributes.{name}", text))
        if found := numbers_of(value):
            numbers[key] = list(found)
            for number in found:
                made.add_text("numbers", number_key(name, number))
    if texts:
        made.add_json("attribute_facet", texts)
    if numbers:
        made.add_json("number_facet", numbers)
