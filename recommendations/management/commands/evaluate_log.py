"""How well is any event log foreseen: `manage.py evaluate_log events.csv --compare`."""

import json
import resource
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from profiles.signals import SECONDS_PER_DAY
from recommendations.training.log_baselines import Fit, baselines
from recommendations.training.log_evaluation import (
    Scorer,
    Scores,
    Split,
    leave_last_out,
    limited,
    measured,
    split_at,
)
from recommendations.training.log_files import Columns, EventFile, UnreadableLogError, read_events
from recommendations.training.log_model import LogModel, fit_log
from recommendations.training.sequences import IntArray, Sequences, in_order


class Command(BaseCommand):
    help = (
        "Train on an event log and rank all items for its held-out part. Prints one line of JSON."
        " Needs no database."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="Delimited text; .gz is unpacked.")
        for name in ("user", "item", "time", "order"):
            parser.add_argument(
                f"--{name}",
                default="",
                help="Name of its column, or number where the file has no header.",
            )
        parser.add_argument(
            "--columns",
            default="",
            help="What each column of a file without a header has, as user,item,rating,time.",
        )
        parser.add_argument(
            "--delimiter", default="", help="One or more characters; found by itself if left out."
        )
        parser.add_argument("--split", choices=["leave-last-out", "date"], default="leave-last-out")
        parser.add_argument("--date", help="Of --split date: where the held-out part begins.")
        parser.add_argument(
            "--days", type=float, default=28.0, help="Of --split date without --date: its length."
        )
        seen = parser.add_mutually_exclusive_group()
        seen.add_argument("--mask-seen", dest="masked", action="store_true", default=True)
        seen.add_argument("--keep-seen", dest="masked", action="store_false")
        parser.add_argument("--seed", type=int, default=7, help="Orders events of one time.")
        parser.add_argument("--limit-users", type=int, help="Ask for at most so many.")
        parser.add_argument("--min-user-events", type=int, default=1)
        parser.add_argument("--min-item-events", type=int, default=1)
        parser.add_argument(
            "--compare", action="store_true", help="Measure well-known models in the same run."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        delimiter = options["delimiter"].replace("\\t", "\t")
        try:
            columns = _columns(options)
            events = read_events(options["file"], columns, delimiter=delimiter)
        except UnreadableLogError as error:
            raise CommandError(str(error)) from error
        started = time.process_time()
        sequences = _sequences(events, options)
        sorting = time.process_time() - started
        split = self._split(sequences, events, options)
        if not len(split.asked):
            raise CommandError("Nobody has events both before and after the split: nothing to ask.")
        results = {}
        for name, fit in self._models(options):
            if result := _measure(fit, split, masked=options["masked"]):
                results[name] = result
        ours = results.pop("attune")
        ours["train_cpu_s"] = round(ours["train_cpu_s"] + sorting, 3)
        report = {
            "file": options["file"].name,
            "split": options["split"],
            "seen": "masked" if options["masked"] else "kept",
            "seed": options["seed"],
            "events": len(sequences),
            "users": len(events.users),
            "items": len(events.items),
            "asked": len(split.asked),
            "rows_left_out": events.left_out,
            **ours,
            "peak_memory_mb": _peak_memory_mb(),
        }
        if results:
            report["compared"] = results
        self.stdout.write(json.dumps(report))

    def _split(self, sequences: Sequences, events: EventFile, options: dict[str, Any]) -> Split:
        if options["split"] == "leave-last-out":
            split = leave_last_out(sequences, masked=options["masked"])
        else:
            if not events.dated:
                raise CommandError("--split date needs a time: an order has no dates.")
            split = split_at(sequences, _split_time(events, options), masked=options["masked"])
        limit = options["limit_users"]
        return limited(split, limit, seed=options["seed"]) if limit else split

    def _models(self, options: dict[str, Any]) -> Iterator[tuple[str, Fit]]:
        def fit(train: Sequences) -> Scorer:
            model = fit_log(train, repeats=not options["masked"], seed=options["seed"])
            return _Ours(model)

        yield "attune", fit
        if options["compare"]:
            yield from baselines(seed=options["seed"])


def _columns(options: dict[str, Any]) -> Columns:
    named = {name: options[name] for name in ("user", "item", "time", "order")}
    if not options["columns"]:
        return Columns(**named)
    if any(named.values()):
        raise CommandError("Give --columns for a file without a header, or --user and so on.")
    return Columns.in_order(options["columns"].split(","))


class _Ours:
    """The trained model as a scorer that says what it chose."""

    def __init__(self, model: LogModel) -> None:
        self.model = model

    def __call__(self, histories: Sequences, asked: IntArray) -> Scores:
        return self.model.scores(histories)


def _measure(fit: Fit, split: Split, *, masked: bool) -> dict[str, Any] | None:
    """Quality and cost; None where the model cannot learn this log."""
    started = time.process_time()
    scorer = fit(split.train)
    seconds = time.process_time() - started
    if scorer is None:
        return None
    quality = measured(split, scorer, masked=masked)
    result: dict[str, Any] = {**quality.rounded(), "train_cpu_s": round(seconds, 3)}
    if isinstance(scorer, _Ours):
        settings = scorer.model.settings
        result["settings"] = {name: getattr(settings, name) for name in settings.__slots__}
    return result


def _sequences(events: EventFile, options: dict[str, Any]) -> Sequences:
    sequences = in_order(
        events.user,
        events.item,
        events.at,
        shoppers=len(events.users),
        items=len(events.items),
        seed=options["seed"],
    )
    fewest_user, fewest_item = options["min_user_events"], options["min_item_events"]
    if fewest_item > 1:
        count = sequences.occurrences()
        sequences = sequences.where(count[sequences.item] >= fewest_item)
    if fewest_user > 1:
        sequences = sequences.where(sequences.lengths()[sequences.shopper] >= fewest_user)
    return sequences


def _split_time(events: EventFile, options: dict[str, Any]) -> float:
    if not options["date"]:
        days: float = options["days"]
        return float(events.at.max()) + 1 - days * SECONDS_PER_DAY
    try:
        at = datetime.fromisoformat(options["date"])
    except ValueError as error:
        raise CommandError(f"--date is a date as 2011-11-12, not {options['date']!r}.") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _peak_memory_mb() -> int:
    """Of the whole process so far, reading the file included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
