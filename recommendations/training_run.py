"""One training run: events in, a ranker version out, live only if it is no worse."""

import time
from collections.abc import Collection
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction
from django.db.models import BigIntegerField, Case, Max, QuerySet, Value, When
from django.db.models.functions import Cast, Extract, Floor
from scipy import sparse

from catalog.models import EMBEDDING_DIMENSIONS
from profiles.consent import permitted_events
from profiles.models import Event, Purpose
from profiles.signals import HISTORY_KINDS
from recommendations.copying import copied_integers
from recommendations.models import (
    ItemComplements,
    ItemFacts,
    ItemNeighbors,
    ItemPairs,
    RankerVersion,
)
from recommendations.neighbor_rows import write_complements, write_neighbors
from recommendations.pair_counts import start_counting
from recommendations.promotion import promote
from recommendations.training.blend import Vectors
from recommendations.training.fit import FittedRanker, evaluate_on_split, fit, learn_all
from recommendations.training.holdout import Quality
from recommendations.training.log import IntArray, InteractionLog
from recommendations.training.popularity import POPULARITY_DAYS, item_facts
from recommendations.training.ranker import Ranker
from recommendations.training.recipe import Recipe, TrainingParams
from tenants.audit import Verb, record
from tenants.settled import unsettle

KINDS = tuple(sorted(map(str, HISTORY_KINDS)))
MAX_CONTENT_ITEMS = 50_000
"""The weight of content is learned up to here; in a larger catalog it stays what it is."""

RETIRED_KEPT = 3
"""How many retired versions keep their neighbors, to be promoted again."""

TOLERANCE = 0.995
"""A version is no worse with this share of the live one's quality: below it lies noise."""


def train(now: datetime, *, params: TrainingParams | None = None) -> RankerVersion:
    """Train on the events before `now` and promote the version if it is no worse than the live.

    Both recipes are measured on the same held-out days. Facts are refreshed along the way. A run
    that fails leaves the live version serving, and its own row says why.
    """
    params = params or TrainingParams()
    version = RankerVersion.objects.create(trained_at=now)
    try:
        through = last_event()
        log = read_log(now, through=through)
        live = RankerVersion.objects.live().first()
        live_recipe = Recipe.from_json(live.params) if live else None
        fitted = fit(
            log,
            now=now.timestamp(),
            params=params,
            start=live_recipe,
            content=read_content(log.item_ids),
        )
        live_quality = (
            None
            if live_recipe is None
            else evaluate_on_split(
                log,
                split_at=fitted.split_at,
                until=now.timestamp(),
                recipe=live_recipe,
                params=params,
            )
        )
        no_worse = live_quality is None or (fitted.quality.worth >= TOLERANCE * live_quality.worth)
        # In one transaction: whoever leaves finds it in training, or live; and a version whose
        # facts could not be stored was never live.
        with transaction.atomic():
            log = _keep(version, fitted, log, live_quality, through=through, params=params)
            store_facts(log, now)
            if no_worse:
                note = "Live: no worse than the version before." if live else "Live: the first."
                version = promote(version, note=note)
                record(Verb.CHANGED, version, after={"status": "live"})
    except Exception as error:
        version.status = RankerVersion.Status.FAILED
        version.note = f"Training failed: {error}"
        version.save(update_fields=["status", "note"])
        raise
    if not no_worse:
        version.note = "Not promoted: worse than the live version on the same days."
        version.save(update_fields=["note"])
    _forget_old_versions()
    return version


def read_log(
    until: datetime,
    *,
    since: datetime | None = None,
    through: int | None = None,
    shoppers: Collection[int] | None = None,
) -> InteractionLog:
    """The events that may train a ranker: of shoppers who grant research, before `until`.

    `through` is the last event, by id, that is read. By binary COPY: 58 bytes an event on the
    way, 32 in the log.
    """
    return read_numbered_log(until, since=since, through=through, shoppers=shoppers)[0]


def read_numbered_log(
    until: datetime,
    *,
    since: datetime | None = None,
    through: int | None = None,
    shoppers: Collection[int] | None = None,
) -> tuple[InteractionLog, IntArray]:
    """The same with the id of each event, and of some shoppers only where these are given."""
    events: QuerySet[Event] = permitted_events(Purpose.RESEARCH)
    if since is not None:
        events = events.filter(occurred_at__gte=since)
    if through is not None:
        events = events.filter(pk__lte=through)
    if shoppers is not None:
        events = events.filter(shopper__in=shoppers)
    wanted = events.filter(kind__in=KINDS, item__isnull=False, occurred_at__lt=until).order_by()
    rows = wanted.values_list(
        Cast("shopper_id", BigIntegerField()),
        Cast("item_id", BigIntegerField()),
        Cast(Floor(Extract("occurred_at", "epoch")), BigIntegerField()),
        Cast(
            Case(*(When(kind=kind, then=Value(index)) for index, kind in enumerate(KINDS))),
            BigIntegerField(),
        ),
        Cast("pk", BigIntegerField()),
    )
    shopper, item, at, kind, number = copied_integers(rows, columns=5)
    log = InteractionLog.from_ids(shopper=shopper, item=item, at=at, kind=kind, kinds=KINDS)
    return log, number


def last_event() -> int:
    """The id of the latest event there is; 0 without any."""
    latest = permitted_events(Purpose.RESEARCH).aggregate(latest=Max("pk"))["latest"]
    return int(latest or 0)


def read_content(item_ids: IntArray) -> Vectors | None:
    """The vectors of these items, a row of zeros for one without; None where they are too many.

    With MAX_CONTENT_ITEMS of them this is 100 MB.
    """
    if not 0 < len(item_ids) <= MAX_CONTENT_ITEMS:
        return None
    vectors = np.zeros((len(item_ids), EMBEDDING_DIMENSIONS), dtype=np.float32)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT item_id, halfvec_send(vector) FROM catalog_itemembedding"
            " WHERE item_id = ANY(%s::bigint[])",
            [item_ids.tolist()],
        )
        rows = cursor.fetchall()
    if not rows:
        return None
    found = np.searchsorted(item_ids, [item for item, _ in rows])
    # Two 2-byte words of header, then big-endian halves: what halfvec_send makes.
    halves = np.frombuffer(b"".join([sent[4:] for _, sent in rows]), dtype=">f2")
    vectors[found] = halves.reshape(len(rows), -1)
    return vectors


def refresh_facts(now: datetime) -> int:
    """Popularity and trend from the events so far; how many items have any.

    Their windows end at the last event, so with events in the latest one the two latest hold all
    that they need. Only a shop without sales for so long is read as a whole.
    """
    window = timedelta(days=POPULARITY_DAYS)
    log = read_log(now, since=now - 2 * window)
    if not len(log.at) or log.at.max() < (now - window).timestamp():
        log = read_log(now)
    return store_facts(log, now)


def store_facts(log: InteractionLog, now: datetime) -> int:
    facts = item_facts(log, now=now.timestamp())
    with transaction.atomic():
        ItemFacts.objects.bulk_create(
            [
                ItemFacts(item_id=item, popularity=popularity, trend=trend, computed_at=now)
                for item, popularity, trend in zip(
                    log.item_ids.tolist(),
                    facts.popularity.tolist(),
                    facts.trend.tolist(),
                    strict=True,
                )
            ],
            batch_size=5_000,
            update_conflicts=True,
            unique_fields=["item"],
            update_fields=["popularity", "trend", "computed_at"],
        )
        # Items that nobody took any more. By time: a list of ids stops at 65,535 parameters.
        ItemFacts.objects.exclude(computed_at=now).delete()
    unsettle()  # the lists of what sells
    return len(log.item_ids)


def _keep(
    version: RankerVersion,
    fitted: FittedRanker,
    log: InteractionLog,
    live: Quality | None,
    *,
    through: int,
    params: TrainingParams,
) -> InteractionLog:
    """Store what was learned; the log that it was learned from.

    That is another log than the given one where somebody left while it was read: learned again
    then, by the same recipe, while whoever leaves now has to wait.
    """
    started = time.perf_counter()
    with transaction.atomic():
        ranker, complements = fitted.ranker, fitted.complements
        locked = RankerVersion.objects.select_for_update().get(pk=version.pk)
        if locked.left_at is not None:
            log = read_log(version.trained_at, through=through)
            now = version.trained_at.timestamp()
            ranker, complements = learn_all(log, ranker.recipe, now=now, params=params)
        _store_neighbors(version, ranker)
        start_counting(version, ranker, through=through)
        _store_complements(version, ranker.item_ids, complements)
        version.status = RankerVersion.Status.CANDIDATE
        version.params = ranker.recipe.as_json()
        version.metrics = {
            "split_at": fitted.split_at,
            "version": _metrics(fitted.quality),
            "live": live and _metrics(live),
        }
        version.events = len(log)
        version.shoppers = len(log.shopper_ids)
        version.items = len(log.item_ids)
        version.seconds = fitted.seconds + time.perf_counter() - started
        version.save()  # with `left_at` empty: nobody who left is in it
    return log


def _metrics(quality: Quality) -> dict[str, float]:
    return {
        "all_recall": quality.all_items.recall,
        "all_ndcg": quality.all_items.ndcg,
        "new_recall": quality.new_items.recall,
        "new_ndcg": quality.new_items.ndcg,
        "shoppers": quality.all_items.shoppers,
    }


def _store_neighbors(version: RankerVersion, ranker: Ranker) -> None:
    write_neighbors(
        version,
        ((item, of.items, of.weights, of.repeat) for item, of in ranker.rows()),
    )


def _store_complements(
    version: RankerVersion, item_ids: IntArray, complements: sparse.csr_matrix
) -> None:
    bounds = complements.indptr
    rows = (
        (int(item_ids[index]), slice(bounds[index], bounds[index + 1]))
        for index in np.flatnonzero(np.diff(bounds)).tolist()
    )
    write_complements(
        version,
        ((item, item_ids[complements.indices[row]], complements.data[row]) for item, row in rows),
    )


def _forget_old_versions() -> None:
    """Delete the neighbors of versions that will not serve again; their metrics stay."""
    kept = RankerVersion.objects.filter(
        status__in=[RankerVersion.Status.RETIRED, RankerVersion.Status.CANDIDATE]
    ).order_by("-pk")[:RETIRED_KEPT]
    live = RankerVersion.objects.live()
    serving = [v.pk for v in (*kept, *live)]
    ItemNeighbors.objects.exclude(ranker__in=serving).delete()
    ItemComplements.objects.exclude(ranker__in=serving).delete()
    # Only the live version is updated; another one, once promoted, stays as it was trained.
    ItemPairs.objects.exclude(ranker__in=live).delete()
    RankerVersion.objects.exclude(pk__in=live).update(counting={})
