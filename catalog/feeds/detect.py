"""Which format a feed has, judged by its first bytes and, where they leave it open, its name."""

import codecs
import zlib
from pathlib import PurePath

from catalog.feeds.columns import normalize
from catalog.feeds.options import FeedFormat
from catalog.feeds.rows import FeedErrorCode, FeedUnreadable
from catalog.feeds.table import sniff_delimiter

_GOOGLE_ONLY = frozenset({"image_link", "item_group_id", "google_product_category"})
_SHOPIFY_ONLY = frozenset(
    {"body_html", "variant_price", "variant_sku", "option1_name", "option1_value"}
)


def detect_format(filename: str, first_bytes: bytes) -> FeedFormat:
    """The format of a file whose beginning is given (a few KB; gzip is looked into).

    Raises FeedUnreadable: `empty_file` if nothing is there, `unknown_format` for archives,
    workbooks and web pages.
    """
    text = _read_beginning(first_bytes)
    start = text.lstrip()
    if not start:
        raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The file is empty.")
    if start.startswith(("PK\x03\x04", "\xd0\xcf\x11\xe0")):
        raise _unknown("The file is an archive or a spreadsheet workbook. Export it as CSV.")
    if start.startswith("["):
        return FeedFormat.JSON
    if start.startswith("{"):
        return FeedFormat.JSONL
    if start.startswith("<"):
        if start[:200].lower().startswith(("<!doctype html", "<html")):
            raise _unknown("The file is a web page: perhaps a login page instead of the feed.")
        return FeedFormat.GOOGLE_XML
    suffix = PurePath(filename.lower().removesuffix(".gz")).suffix
    if suffix in (".yaml", ".yml"):
        return FeedFormat.YAML
    return _detect_table(suffix, start)


def _detect_table(suffix: str, start: str) -> FeedFormat:
    lines = [line for line in start.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].lower().startswith("sep="):
        del lines[0]
    delimiter = sniff_delimiter(lines[0])
    names = {normalize(cell) for cell in lines[0].split(delimiter)}
    if {"handle", "title"} <= names and names & _SHOPIFY_ONLY:
        return FeedFormat.SHOPIFY_CSV
    if {"url_handle", "title"} <= names:
        return FeedFormat.SHOPIFY_CSV
    is_tabbed = delimiter == "\t" and "\t" in lines[0]
    if {"id", "title"} <= names and names & _GOOGLE_ONLY and (is_tabbed or suffix == ".tsv"):
        return FeedFormat.GOOGLE_TSV
    if suffix in (".xml", ".rss", ".atom", ".json", ".jsonl", ".ndjson"):
        raise _unknown(f"The file is called {suffix} but does not hold it.")
    if delimiter not in lines[0] and suffix not in (".csv", ".tsv", ".txt"):
        raise _unknown("The file is neither XML nor JSON Lines nor a table with a header line.")
    return FeedFormat.CSV


def _read_beginning(first_bytes: bytes) -> str:
    """The beginning as text; characters that do not decode do not matter here."""
    data = first_bytes
    if data.startswith(b"\x1f\x8b"):
        try:
            data = zlib.decompressobj(wbits=31).decompress(data, 1 << 16)
        except zlib.error as broken:
            raise FeedUnreadable(
                FeedErrorCode.BROKEN_GZIP, f"The gzip file is broken: {broken}."
            ) from broken
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return data[:4].decode("latin-1")
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")


def _unknown(message: str) -> FeedUnreadable:
    return FeedUnreadable(FeedErrorCode.UNKNOWN_FORMAT, message)
