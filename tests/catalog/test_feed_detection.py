"""Guessing the format of a file from its beginning and its name."""

import gzip

import pytest

from catalog.feeds.detect import detect_format
from catalog.feeds.options import FeedFormat
from catalog.feeds.rows import FeedUnreadable

SHOPIFY = "Handle,Title,Body (HTML),Vendor,Variant Price\nshirt,Shirt,,Loom,5\n"
GOOGLE = "id\ttitle\timage link\tprice\nA\tLamp\thttps://img.example/1.jpg\t5 EUR\n"


@pytest.mark.parametrize(
    ("filename", "beginning", "expected"),
    [
        ("feed.csv", "id,title,price\nA,Lamp,5\n", FeedFormat.CSV),
        ("feed", "id;title;price\nA;Lamp;5\n", FeedFormat.CSV),
        ("feed.csv", "id\ttitle\tprice\nA\tLamp\t5\n", FeedFormat.CSV),
        ("feed.csv", "sep=;\nid;title\n", FeedFormat.CSV),
        ("feed.txt", "id\n", FeedFormat.CSV),
        ("products_export.csv", SHOPIFY, FeedFormat.SHOPIFY_CSV),
        ("products.csv", "Title,URL handle,Price\nShirt,shirt,5\n", FeedFormat.SHOPIFY_CSV),
        ("feed.txt", GOOGLE, FeedFormat.GOOGLE_TSV),
        ("feed.csv", GOOGLE.replace("\t", ","), FeedFormat.CSV),
        ("feed.jsonl", '{"id": 1}\n{"id": 2}\n', FeedFormat.JSONL),
        ("feed.json", '\n {"id": 1}\n', FeedFormat.JSONL),
        ("feed.json", '[{"id": 1}]', FeedFormat.JSON),
        ("feed.yaml", "- id: 1\n  title: Lamp\n", FeedFormat.YAML),
        ("feed.xml", '<?xml version="1.0"?><rss>', FeedFormat.GOOGLE_XML),
        ("feed.csv", "<feed>", FeedFormat.GOOGLE_XML),
    ],
)
def test_the_format_is_seen_in_the_content(
    filename: str, beginning: str, expected: FeedFormat
) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert detect_format(filename, beginning.encode(encoding)) == expected
    assert detect_format(f"{filename}.gz", gzip.compress(beginning.encode())) == expected


def test_a_cut_off_gzip_beginning_is_enough() -> None:
    packed = gzip.compress(GOOGLE.encode() * 1000)
    assert detect_format("FEED.TSV.GZ", packed[:200]) == FeedFormat.GOOGLE_TSV


@pytest.mark.parametrize(
    ("filename", "beginning", "code"),
    [
        ("feed.csv", b"", "empty_file"),
        ("feed.csv", b" \n\n", "empty_file"),
        ("feed.xlsx", b"PK\x03\x04\x14\x00", "unknown_format"),
        ("feed.xls", b"\xd0\xcf\x11\xe0\xa1", "unknown_format"),
        ("feed.xml", b"<!DOCTYPE html><html>", "unknown_format"),
        ("feed.xml", b"id,title\n", "unknown_format"),
        ("feed", b"Dear colleague\n", "unknown_format"),
        ("feed.gz", b"\x1f\x8b\xff\xff\xff\xff", "broken_gzip"),
    ],
)
def test_what_is_no_feed_is_refused(filename: str, beginning: bytes, code: str) -> None:
    with pytest.raises(FeedUnreadable) as refused:
        detect_format(filename, beginning)
    assert refused.value.code == code
