"""Which ranker version serves."""

from typing import Any

import pytest

from recommendations.models import ItemNeighbors, Placement, RankerVersion
from recommendations.placements import placement_settings
from recommendations.promotion import promote
from recommendations.training.recipe import Recipe
from tenants.errors import DomainError
from tenants.models import Tenant
from tests.conftest import TenantPair
from tests.make import make_item
from tests.threads import at_once

Status = RankerVersion.Status


def make_version(status: Status = Status.CANDIDATE) -> RankerVersion:
    return RankerVersion.objects.create(status=status, params=Recipe().as_json())


def live_keys() -> list[int]:
    return list(RankerVersion.objects.live().values_list("pk", flat=True))


def test_promoting_a_version_retires_the_live_one(tenant: Tenant) -> None:
    old, new = make_version(Status.LIVE), make_version()
    promoted = promote(new, note="By hand.")
    assert promoted.status == Status.LIVE
    assert live_keys() == [new.pk]
    old.refresh_from_db()
    assert old.status == Status.RETIRED
    assert promote(old).pk == old.pk, "and back again"
    assert live_keys() == [old.pk]
    new.refresh_from_db()
    assert new.note == "By hand."


def test_promoting_the_live_version_changes_nothing(tenant: Tenant) -> None:
    live = make_version(Status.LIVE)
    promote(live, note="again")
    live.refresh_from_db()
    assert (live.status, live.note) == (Status.LIVE, "")


@pytest.mark.parametrize("status", [Status.TRAINING, Status.FAILED])
def test_a_version_that_was_not_trained_to_its_end_is_refused(
    tenant: Tenant, status: Status
) -> None:
    live, other = make_version(Status.LIVE), make_version(status)
    with pytest.raises(DomainError) as refusal:
        promote(other)
    assert refusal.value.code == "not_promotable"
    assert live_keys() == [live.pk]


def test_a_version_whose_neighbors_were_deleted_is_refused(tenant: Tenant) -> None:
    live, old = make_version(Status.LIVE), make_version(Status.RETIRED)
    RankerVersion.objects.filter(pk=old.pk).update(items=1)
    with pytest.raises(DomainError) as refusal:
        promote(old)
    assert refusal.value.code == "not_promotable"
    assert live_keys() == [live.pk]

    ItemNeighbors.objects.create(ranker=old, item=make_item(), neighbor_ids=[], weights=[])
    promote(old)
    assert live_keys() == [old.pk]


def test_a_version_that_this_release_cannot_read_is_refused(tenant: Tenant) -> None:
    live = make_version(Status.LIVE)
    old = RankerVersion.objects.create(status=Status.RETIRED, params={"k": 20})
    with pytest.raises(DomainError) as refusal:
        promote(old)
    assert refusal.value.code == "not_promotable"
    assert live_keys() == [live.pk]


def test_a_promoted_version_serves_from_the_next_request_on(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    Placement.objects.create(code="home", question="home")
    old, new = make_version(Status.LIVE), make_version()
    assert placement_settings("home").ranker_version == old.pk, "now it is cached"
    with django_capture_on_commit_callbacks(execute=True):
        promote(new)
    assert placement_settings("home").ranker_version == new.pk


def test_promotions_at_the_same_moment_leave_one_live_version(committed: TenantPair) -> None:
    make_version(Status.LIVE)
    candidates = [make_version() for _ in range(4)]
    promoted = at_once(*[lambda version=version: promote(version) for version in candidates])
    assert {version.pk for version in promoted} == {version.pk for version in candidates}
    assert len(live_keys()) == 1
    assert RankerVersion.objects.filter(status=Status.RETIRED).count() == 4
