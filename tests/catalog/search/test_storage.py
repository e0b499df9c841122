"""The index as files: tenants apart, writers in turn, readers beside them, and what breaks."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from django_tenants.utils import schema_context

from catalog.models import Item, Offer
from catalog.search import storage
from catalog.search.find import find
from catalog.search.indexing import update_index
from catalog.search.storage import IndexBusy, folder, writing
from catalog.search.values import Fallback, SearchRequest, SearchResults
from catalog.tasks import update_search_index
from tenants.closing import close_tenant
from tenants.models import Tenant
from tenants.opening import open_tenant
from tests.conftest import TenantPair
from tests.make import make_item
from tests.threads import at_once


def titles(results: SearchResults) -> set[str]:
    found = Item.objects.filter(pk__in=[hit.item_id for hit in results.hits])
    return set(found.values_list("title", flat=True))


def generation(schema: str) -> Path:
    place = folder(schema)
    return place / (place / "current").read_text()


def test_an_index_lies_in_its_tenants_folder_and_answers_nobody_else(
    committed: TenantPair, index_dir: Path
) -> None:
    for schema in ("here", "there"):
        with schema_context(schema):
            make_item(title=f"Lamp of {schema}")
            update_index()
    assert {path.name for path in index_dir.iterdir()} == {"here", "there"}
    for schema in ("here", "there", "here"):
        with schema_context(schema):
            results = find(SearchRequest("lamp", facets=("brand",)))
            assert titles(results) == {f"Lamp of {schema}"}
            assert (results.total, results.fallbacks) == (1, ())


def test_a_closed_tenants_index_is_gone_and_its_name_starts_anew(
    tenants: TenantPair, index_dir: Path, db: None
) -> None:
    for round_ in ("first", "second"):
        made = open_tenant(schema_name="passing", name="Passing", host="passing.localhost")
        with schema_context("passing"):
            make_item(title=f"Lamp of the {round_}")
            assert find(SearchRequest("lamp")).fallbacks == (Fallback.SEARCH_INDEX,)
            update_index()
            assert titles(find(SearchRequest("lamp"))) == {f"Lamp of the {round_}"}
        close_tenant(made)
        assert not (index_dir / "passing").exists()


def test_an_index_of_an_earlier_tenant_of_the_name_is_not_read(
    tenant: Tenant, index_dir: Path
) -> None:
    make_item(title="Lamp")
    update_index()
    state = generation("ours") / "state.json"
    state.write_text(state.read_text().replace(f'"tenant": {tenant.pk}', '"tenant": 999999'))
    assert update_index().anew
    assert find(SearchRequest("lamp")).fallbacks == ()


def test_without_an_index_the_tables_answer_until_it_is_built(
    tenant: Tenant, index_dir: Path
) -> None:
    make_item(title="Lamp")
    results = find(SearchRequest("lamp"))
    assert results.fallbacks == (Fallback.SEARCH_INDEX,)
    assert titles(results) == {"Lamp"}
    assert not index_dir.exists(), "a search writes nothing"
    update_search_index(tenant.schema_name)
    assert find(SearchRequest("lamp")).fallbacks == ()


def truncate(path: Path) -> None:
    for file in path.iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def scramble(path: Path) -> None:
    (path / "meta.json").write_text("{}")


def empty(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


def lose_state(path: Path) -> None:
    (path / "state.json").unlink()


@pytest.mark.parametrize("breaking", [truncate, scramble, empty, lose_state])
def test_a_broken_index_is_answered_for_by_the_tables_and_built_anew(
    tenant: Tenant, index_dir: Path, breaking: Callable[[Path], None]
) -> None:
    make_item(title="Lamp")
    update_index()
    broken = generation("ours")
    breaking(broken)
    storage.forget("ours")
    results = find(SearchRequest("lamp"))
    assert results.fallbacks == (Fallback.SEARCH_INDEX,)
    assert titles(results) == {"Lamp"}
    assert update_index().anew
    assert find(SearchRequest("lamp")).fallbacks == ()
    assert not broken.exists()


def test_an_update_writes_what_changed_and_nothing_else(tenant: Tenant, index_dir: Path) -> None:
    items = [make_item(title=f"Lamp {number}") for number in range(5)]
    long_ago = timezone.now() - timedelta(hours=1)
    Item.objects.update(updated_at=long_ago)
    Offer.objects.update(refreshed_at=long_ago)
    assert update_index().written == 5
    assert (update_index().written, update_index().removed) == (0, 0)
    Offer.objects.filter(item=items[0]).update(price=99)
    changed = Offer.objects.get(item=items[1])
    changed.price = changed.price + 1
    changed.refreshed_at = timezone.now()
    changed.save()
    assert update_index().written == 1, "an offer that nobody refreshed is not looked at"
    renamed = Item.objects.get(pk=items[2].pk)
    renamed.title = "Chair"
    renamed.save()
    items[3].delete()
    assert update_index().written == 1
    # The deleted row, and the offer that was changed behind everybody's back.
    reconciled = update_index(reconcile=True)
    assert (reconciled.written, reconciled.removed) == (1, 1)
    results = find(SearchRequest("lamp"))
    assert results.total == len(results.hits) == 3
    assert titles(find(SearchRequest("chair"))) == {"Chair"}


def test_only_one_process_writes_an_index_at_a_time(
    tenant: Tenant, index_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_item(title="Lamp")
    caplog.set_level(logging.INFO)
    with writing(tenant.pk):
        with pytest.raises(IndexBusy):
            update_index()
        update_search_index(tenant.schema_name)
    assert "being written already" in caplog.text
    assert update_index().written == 1


def test_what_an_interrupted_update_wrote_is_forgotten_and_written_again(
    tenant: Tenant, index_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_item(title="Lamp one")
    update_index()
    make_item(title="Lamp two")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(storage.Writing, "commit", stop)
        with pytest.raises(KeyboardInterrupt):
            update_index()
    assert find(SearchRequest("lamp")).total == 1
    assert update_index().written == 1
    assert find(SearchRequest("lamp")).total == 2


def test_readers_see_whole_commits_while_another_thread_writes(
    committed: TenantPair, index_dir: Path
) -> None:
    for number in range(20):
        make_item(f"lamp-{number}", title="Lamp", brand="0")
    update_index()
    done = threading.Event()

    def write() -> None:
        with schema_context("here"):
            for turn in range(1, 9):
                Item.objects.update(brand=str(turn), updated_at=timezone.now())
                update_index(anew=turn % 4 == 0)
        done.set()

    def read() -> None:
        with schema_context("here"):
            while not done.is_set():
                results = find(SearchRequest("lamp", facets=("brand",), limit=100))
                assert results.fallbacks == ()
                assert len(results.hits) == results.total == 20
                assert [value.count for value in results.facets[0].values] == [20]

    at_once(write, read, read, read)


WRITER = """
import os, sys
sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from pathlib import Path
from django.conf import settings
settings.SEARCH_INDEX_DIR = Path(sys.argv[1])
from django.db import connection
from django_tenants.utils import schema_context
from catalog.search.storage import writing
connection.set_schema("here")
with writing(int(sys.argv[2])) as target:
    target.writer.delete_all_documents()
    print("writing", flush=True)
    import time
    time.sleep(60)
"""


def test_a_writer_that_is_killed_leaves_the_index_whole_and_the_lock_free(
    committed: TenantPair, index_dir: Path
) -> None:
    make_item(title="Lamp")
    update_index()
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(index_dir), str(committed.ours.pk)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "writing"
    with pytest.raises(IndexBusy):
        update_index()
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    make_item(title="Lamp two")
    assert update_index().written == 1
    started = time.monotonic()
    assert find(SearchRequest("lamp")).total == 2
    assert time.monotonic() - started < 5
