"""The file of vectors: what it has is what the tables have, and what it lacks is read from them."""

import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from django.db import connection as django_connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tenants.utils import schema_context, tenant_context

from catalog import vectors
from catalog.embedding import embed_items
from catalog.models import Item, ItemEmbedding
from catalog.search.storage import IndexBusy, folder, writing_turn
from catalog.tasks import write_vector_file
from catalog.vectors import CHANGED_AT, VECTORS, find_vectors, open_vectors, write_vectors
from tenants.closing import close_tenant
from tenants.connection import connection
from tenants.models import Tenant
from tenants.opening import open_tenant
from tests.make import make_item


def embedded(*titles: str) -> list[Item]:
    items = [make_item(title=title) for title in titles]
    embed_items(Item.objects.filter(pk__in=[item.pk for item in items]))
    return items


def stored(items: Iterable[Item]) -> list[bytes | None]:
    """What the tables have."""
    with connection.cursor() as cursor:
        cursor.execute(VECTORS, [[item.pk for item in items]])
        found = {item: bytes(vector) for item, vector in cursor.fetchall()}
    return [found.get(item.pk) for item in items]


def read(items: Iterable[Item]) -> tuple[list[bytes | None], int]:
    """What a reader gets by way of the file, and how many statements that takes it."""
    opened = open_vectors()
    assert opened is not None
    ids = [item.pk for item in items]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT i.id, {CHANGED_AT} FROM catalog_item i WHERE id = ANY(%s)", [ids])
        changed = dict(cursor.fetchall())
    with CaptureQueriesContext(django_connection) as queries:
        found = find_vectors(opened, ids, [changed[item] for item in ids])
    return found, len(queries)


def test_the_file_has_what_the_tables_have_byte_for_byte(tenant: Tenant) -> None:
    items = embedded("Tent", "Stove", "Lamp")
    assert open_vectors() is None, "reading writes nothing"
    assert write_vectors() == 3
    items.reverse()
    found, statements = read(items)
    assert found == stored(items)
    assert None not in found
    assert statements == 0


def test_more_items_than_a_batch_are_all_in_it(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BATCH", 2)
    items = embedded("Tent", "Stove", "Lamp", "Mat", "Pan")
    assert write_vectors() == 5
    assert read(items) == (stored(items), 0)


def test_what_changed_since_is_read_from_the_tables(tenant: Tenant) -> None:
    items = embedded("Tent", "Stove", "Lamp", "Mat")
    write_vectors()
    before = stored(items)
    items[0].title = "Tunnel tent for four"
    items[0].save()
    embed_items(Item.objects.filter(pk=items[0].pk))
    items[1].title = "Gas stove"
    items[1].save()  # and its embedding waits
    late = make_item(title="Kettle")
    items.append(late)
    found, statements = read(items)
    assert found == stored(items)
    assert found[0] != before[0]
    assert found[-1] is None, "it is not embedded yet"
    assert statements == 1
    embed_items(Item.objects.filter(pk__in=[late.pk, items[1].pk]))
    assert read(items) == (stored(items), 1)
    assert None not in stored(items)


def test_an_item_whose_embedding_waits_is_not_written_with_its_old_vector(tenant: Tenant) -> None:
    items = embedded("Tent", "Stove")
    items[0].title = "Tunnel tent"
    items[0].save()
    assert write_vectors() == 1
    embed_items(Item.objects.filter(pk=items[0].pk))
    assert read(items) == (stored(items), 1)


def test_a_file_is_written_anew_only_where_something_changed(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "WORTH", 0)
    items = embedded("Tent", "Stove")
    assert write_vectors() == 2
    assert write_vectors() is None
    Item.objects.filter(pk=items[0].pk).update(updated_at=timezone.now())
    embed_items(Item.objects.filter(pk=items[0].pk))  # nothing to compute, but looked at
    assert write_vectors() == 2
    assert read(items) == (stored(items), 0)
    items[1].delete()
    assert write_vectors() == 1
    ItemEmbedding.objects.update(model_version="another-model")
    assert write_vectors() == 0
    assert write_vectors() is None
    assert write_vectors(anew=True) == 0
    assert len(list(folder("ours").glob("vectors-*.rows"))) == 1


def test_a_catalog_that_changes_all_the_time_is_not_written_all_the_time(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded("Tent")
    write_vectors()
    embedded("Stove")
    monkeypatch.setattr(vectors, "WORTH", 1_000_000_000)
    assert write_vectors() is None
    assert write_vectors(anew=True) == 2


def no_summary(place: Path) -> None:
    (place / "vectors.json").unlink()


def half_a_summary(place: Path) -> None:
    text = (place / "vectors.json").read_text()
    (place / "vectors.json").write_text(text[: len(text) // 2])


def no_rows(place: Path) -> None:
    next(place.glob("vectors-*.rows")).unlink()
    (place / "vectors.json").touch()


def half_of_the_rows(place: Path) -> None:
    rows = next(place.glob("vectors-*.rows"))
    whole = rows.read_bytes()
    rows.unlink()  # a reader has it mapped
    rows.write_bytes(whole[: len(whole) // 2])
    (place / "vectors.json").touch()


def of_another_tenant(place: Path) -> None:
    summary = json.loads((place / "vectors.json").read_text())
    (place / "vectors.json").write_text(json.dumps({**summary, "tenant": 999_999}))


def of_another_format(place: Path) -> None:
    summary = json.loads((place / "vectors.json").read_text())
    (place / "vectors.json").write_text(json.dumps({**summary, "format": 0}))


@pytest.mark.parametrize(
    "breaking",
    [no_summary, half_a_summary, no_rows, half_of_the_rows, of_another_tenant, of_another_format],
)
def test_a_file_that_cannot_be_read_is_none_and_written_anew(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, breaking: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(vectors, "WORTH", 0)
    items = embedded("Tent", "Stove")
    write_vectors()
    assert open_vectors() is not None
    breaking(folder("ours"))
    with tenant_context(tenant):
        assert open_vectors() is None
    assert write_vectors() == 2
    assert read(items) == (stored(items), 0)


def test_a_writing_that_is_cut_off_leaves_the_file_that_serves(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = embedded("Tent", "Stove")
    write_vectors()

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(vectors, "replace_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_vectors(anew=True)
    assert read(items) == (stored(items), 0)
    assert len(list(folder("ours").glob("vectors-*.rows"))) == 1


def test_one_writes_at_a_time_and_the_task_lets_it(tenant: Tenant) -> None:
    embedded("Tent")
    with writing_turn(folder("ours"), "vectors.lock"):
        with pytest.raises(IndexBusy):
            write_vectors()
        write_vector_file(tenant.schema_name)
    assert open_vectors() is None
    write_vector_file(tenant.schema_name)
    assert open_vectors() is not None


def test_who_reads_an_old_file_reads_on_while_it_is_replaced(tenant: Tenant) -> None:
    items = embedded("Tent", "Stove")
    write_vectors()
    opened = open_vectors()
    assert opened is not None
    changed = dict(zip(opened.items.tolist(), opened.changed.tolist(), strict=True))
    ids = [item.pk for item in items]
    read_by_thread: list[list[bytes | None]] = []
    done = threading.Event()

    def reader() -> None:
        while not done.is_set():
            read_by_thread.append(opened.find(ids, [changed[item] for item in ids]))

    thread = threading.Thread(target=reader)
    thread.start()
    for _ in range(5):
        write_vectors(anew=True)
    done.set()
    thread.join()
    assert all(found == stored(items) for found in read_by_thread[:1] + read_by_thread[-1:])
    assert open_vectors() is not opened


def test_a_tenant_has_a_file_of_its_own_that_goes_with_it(tenant: Tenant) -> None:
    ours = embedded("Tent")
    write_vectors()
    for title in ("first", "second"):
        made = open_tenant(schema_name="passing", name="Passing", host="passing.localhost")
        with schema_context("passing"):
            assert open_vectors() is None
            items = embedded(f"Lamp of the {title}")
            write_vectors()
            assert read(items) == (stored(items), 0)
        assert read(ours) == (stored(ours), 0)
        close_tenant(made)
        assert not folder("passing").exists()
