"""Memory while a large feed is read: bounded by a row and the ids seen, not by the file."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from catalog.feeds.options import FeedFormat
from tests.catalog.large_feeds import read_large

ROOT = Path(__file__).parents[2]
MEGABYTE = 1 << 20


@pytest.mark.parametrize("format_", list(FeedFormat))
def test_every_format_is_read_in_a_stream(format_: FeedFormat) -> None:
    # 8 MB of feed, read in chunks of 64 KB; the hashes of 2,000 ids remain.
    tracemalloc.start()
    try:
        read_large(format_, rows=2_000, sentences=60)
        assert tracemalloc.get_traced_memory()[1] < 2 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_two_hundred_thousand_rows_take_a_few_megabytes_more_than_a_thousand() -> None:
    # 52 MB of feed. The hashes of the ids take 14 MB, and 4 MB more while their set grows.
    # Measured as resident memory, since tracing the allocations would take four times as long.
    assert peak_of_a_process(200_000) - peak_of_a_process(1_000) < 32 * MEGABYTE


def peak_of_a_process(rows: int) -> int:
    """Peak resident bytes of a fresh process that reads a CSV feed."""
    command = [sys.executable, "-m", "tests.catalog.large_feeds", "csv", str(rows)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024
