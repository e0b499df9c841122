"""`index_search`: the index and the vectors of this machine, for every tenant or for one."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django_tenants.utils import schema_context

from catalog.embedding import embed_items
from catalog.models import Item
from catalog.search.find import find
from catalog.search.storage import folder, writing_turn
from catalog.search.values import SearchRequest
from catalog.vectors import open_vectors
from tests.conftest import TenantPair
from tests.make import make_item


def test_every_tenant_gets_an_index_and_a_file_of_vectors(
    tenants: TenantPair, db: None, index_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for schema in ("ours", "theirs"):
        with schema_context(schema):
            make_item(title=f"Lamp of {schema}")
            embed_items(Item.objects.all())
    call_command("index_search")
    printed = capsys.readouterr().out
    assert "ours: 1 written, 0 removed." in printed
    assert "theirs: 1 written, 0 removed." in printed
    for schema in ("ours", "theirs"):
        with schema_context(schema):
            assert find(SearchRequest("lamp")).fallbacks == ()
            opened = open_vectors()
            assert opened is not None
            assert opened.items.tolist() == list(Item.objects.values_list("pk", flat=True))


def test_one_tenant_is_indexed_alone_and_anew_when_told_so(
    tenants: TenantPair, db: None, index_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with schema_context("ours"):
        make_item(title="Lamp")
    call_command("index_search", tenant="ours")
    before = (folder("ours") / "current").read_text()
    call_command("index_search", tenant="ours")
    assert "ours: 0 written, 0 removed." in capsys.readouterr().out
    call_command("index_search", tenant="ours", anew=True)
    assert "ours: 1 written, 0 removed." in capsys.readouterr().out
    assert (folder("ours") / "current").read_text() != before
    assert not folder("theirs").exists()


def test_an_index_that_is_being_written_is_left_to_its_writer(
    tenants: TenantPair, db: None, index_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with writing_turn(folder("ours"), "lock"):
        call_command("index_search", tenant="ours")
    assert "ours: another process writes its index." in capsys.readouterr().out


def test_a_tenant_that_is_none_is_refused(tenants: TenantPair, db: None, index_dir: Path) -> None:
    with pytest.raises(CommandError, match="There is no tenant 'nobody'"):
        call_command("index_search", tenant="nobody")
