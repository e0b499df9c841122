"""A search index of its own for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from catalog.search.storage import forget


@pytest.fixture
def index_dir(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.SEARCH_INDEX_DIR = tmp_path / "search"
    for schema in ("ours", "theirs", "here", "there"):
        forget(schema)
    yield tmp_path / "search"
    for schema in ("ours", "theirs", "here", "there"):
        forget(schema)
