"""What a shopper said not to use ("don't use this"), kept with the shopper."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter

from django.db import transaction

from catalog.models import Item
from profiles.models import Shopper
from tenants.errors import DomainError

MOST_MUTES = 200


@dataclass(frozen=True, slots=True)
class Mutes:
    """What must not be used of a shopper's signals, looked up by what it says."""

    said: frozenset[tuple[str, int | None, str | None]] = frozenset()

    def cover(self, kind: str, item: int | None, name: str | None) -> bool:
        """Whether a signal is muted: itself, all of its kind, or all about its item."""
        said = self.said
        if not said:
            return False
        if name is not None:
            return (kind, None, name) in said or (kind, None, None) in said
        return bool(said & {(kind, item, None), (kind, None, None), ("", item, None)})


NO_MUTES = Mutes()


def mutes_from(stored: Iterable[list[object]]) -> Mutes:
    """What `Shopper.muted` says."""
    rows = [(kind, item, name) for kind, item, name, _ in stored]
    return Mutes(frozenset(rows)) if rows else NO_MUTES  # type: ignore[arg-type]  # of JSON


def mute(shopper: Shopper, *, kind: str, item: str | None, name: str | None, now: datetime) -> None:
    """Use a kind of signal, an item or a name no more, from the next request on.

    Muting twice changes nothing. Raises DomainError `unknown_item` or `too_many_mutes`.
    """
    entry = [kind, _item_id(item), name]
    with transaction.atomic():
        locked = Shopper.objects.select_for_update(no_key=True).get(pk=shopper.pk)
        if any(known[:3] == entry for known in locked.muted):
            return
        if len(locked.muted) >= MOST_MUTES:
            raise DomainError("too_many_mutes", f"At most {MOST_MUTES} things can be muted.")
        locked.muted = [*locked.muted, [*entry, now.timestamp()]]
        # Another version of the row: slates prepared before are good no more.
        locked.save(update_fields=["muted"])


@dataclass(frozen=True, slots=True)
class Mute:
    """One thing that a shopper said not to use."""

    kind: str
    item: str | None
    name: str | None
    since: datetime


def mutes_of(shopper: Shopper) -> list[Mute]:
    """What the shopper muted, the latest first. Two queries."""
    muted = Shopper.objects.values_list("muted", flat=True).get(pk=shopper.pk)
    ids = [item for _, item, _, _ in muted if item]
    named = dict(Item.objects.filter(pk__in=ids).values_list("pk", "external_id"))
    return [
        Mute(kind, named.get(item), name, datetime.fromtimestamp(since, UTC))
        for kind, item, name, since in reversed(muted)
        if item is None or item in named
    ]


def unmute(shopper: Shopper, *, kind: str, item: str | None, name: str | None) -> None:
    """Use it again, from the next request on. Raises DomainError `unknown_item`."""
    entry = [kind, _item_id(item), name]
    with transaction.atomic():
        locked = Shopper.objects.select_for_update(no_key=True).get(pk=shopper.pk)
        locked.muted = [known for known in locked.muted if known[:3] != entry]
        locked.save(update_fields=["muted"])


def hand_over(old: int, into: int) -> None:
    """What `old`, who is being merged into `into`, said not to use is not used of `into` either,
    however much it is together: nothing that was refused is dropped. Runs in the caller's
    transaction, which has both locked."""
    muted = Shopper.objects.values_list("muted", flat=True)
    theirs, known = muted.get(pk=old), muted.get(pk=into)
    said = [entry[:3] for entry in known]
    if new := [entry for entry in theirs if entry[:3] not in said]:
        Shopper.objects.filter(pk=into).update(muted=sorted([*known, *new], key=itemgetter(3)))


def _item_id(item: str | None) -> int | None:
    if item is None:
        return None
    found = Item.objects.filter(external_id=item).values_list("pk", flat=True).first()
    if found is None:
        raise DomainError("unknown_item", "There is no item with this id.")
    return found
