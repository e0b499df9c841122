"""Large feeds that cost no disk, and a process that reads one and tells its peak memory.

python -m tests.catalog.large_feeds csv 200000
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.read import read_feed
from catalog.feeds.rows import FeedItem
from tests.catalog.feed_files import Dripping

DESCRIPTION = "a sturdy table of solid oak, oiled by hand, with room for six people "
HEAD_ROW_TAIL = {
    FeedFormat.CSV: ("id,title,price,description\n", 'SKU-{id},Oak table,1299,"{text}"\n', ""),
    FeedFormat.JSONL: (
        "",
        '{{"id": "SKU-{id}", "title": "Oak table", "price": 1299, "description": "{text}"}}\n',
        "",
    ),
    FeedFormat.JSON: (
        "[",
        '{{"id": "SKU-{id}", "title": "Oak table", "price": 1299, "description": "{text}"}}',
        "]",
    ),
    FeedFormat.YAML: (
        "",
        "- id: SKU-{id}\n  title: Oak table\n  price: 1299\n  description: {text}\n",
        "",
    ),
    FeedFormat.GOOGLE_XML: (
        '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>',
        "<item><g:id>SKU-{id}</g:id><title>Oak table</title><g:price>1299 EUR</g:price>"
        "<description>{text}</description></item>",
        "</channel></rss>",
    ),
    FeedFormat.GOOGLE_TSV: (
        "id\ttitle\tprice\tdescription\n",
        "SKU-{id}\tOak table\t1299 EUR\t{text}\n",
        "",
    ),
    FeedFormat.SHOPIFY_CSV: (
        "Handle,Title,Variant Price,Body (HTML)\n",
        'oak-{id},Oak table,1299,"{text}"\n',
        "",
    ),
}


def read_large(
    format: FeedFormat,  # noqa: A002 - as in read_feed
    *,
    rows: int,
    sentences: int = 3,
) -> None:
    """Read a feed of about 50 bytes a row and 70 a sentence, and keep nothing of it."""
    head, row, tail = HEAD_ROW_TAIL[format]
    text = DESCRIPTION * sentences

    def write() -> Iterator[bytes]:
        yield head.encode()
        for number in range(rows):
            comma = "," if number and format == FeedFormat.JSON else ""
            yield (comma + row.format(id=number, text=text)).encode()
        yield tail.encode()

    stream = cast("BinaryIO", Dripping(write()))
    items = read_feed(stream, format=format, defaults=FeedDefaults(currency="EUR"))
    assert sum(isinstance(item, FeedItem) for item in items) == rows


if __name__ == "__main__":
    read_large(FeedFormat(sys.argv[1]), rows=int(sys.argv[2]))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    sys.stdout.write(peak)
