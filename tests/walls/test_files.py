"""Files of two tenants: each in its tenant's folder, and out of the other's reach."""

from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django_tenants.utils import schema_context

from catalog.models import FeedImport
from tenants.closing import close_tenant
from tenants.opening import open_tenant
from tests.walls.planting import Planted, plant

Pair = tuple[Planted, Planted]


def test_a_file_lies_in_its_tenants_folder_and_holds_nothing_of_the_other(
    planted: Pair, media: Path
) -> None:
    files = [path for path in media.rglob("*") if path.is_file()]
    assert len(files) == 2
    for one, other in (planted, planted[::-1]):
        (mine,) = [path for path in files if path.is_relative_to(media / one.tenant.schema_name)]
        assert one.marker in mine.read_text()
        assert other.marker not in mine.read_text() + str(mine)


def test_one_name_leads_to_another_file_in_each_tenant(planted: Pair) -> None:
    """Both uploaded `feed.csv`, and a row that names the other's file gets one's own."""
    for one, other in (planted, planted[::-1]):
        name = other.row(FeedImport).file.name
        with schema_context(one.tenant.schema_name):
            assert other.marker not in default_storage.open(name).read().decode()
            row = one.row(FeedImport)
            row.file.name = name
            row.save()
            with FeedImport.objects.get(pk=row.pk).file.open("rb") as stream:
                assert one.marker in stream.read().decode()


def test_a_closed_tenants_files_are_gone_and_the_others_stay(planted: Pair, media: Path) -> None:
    leaving = open_tenant(schema_name="leaving", name="Leaving", host="leaving.localhost")
    plant(leaving, first_id=5)
    with schema_context("leaving"):
        default_storage.save("kept.txt", ContentFile(b"kept"))
    assert (media / "leaving").exists()
    close_tenant(leaving)
    assert not (media / "leaving").exists()
    assert {path.name for path in media.iterdir()} == {"ours", "theirs"}
