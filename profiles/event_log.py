"""Importing a historical event log: a CSV file with the shop's own columns, on a stated basis."""

import csv
import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from django.utils import timezone

from profiles.consent import record_consents
from profiles.identity import ShopperRef, resolve
from profiles.ingest import LOG_KEY_START, Outcome, OutcomeStatus, record_events
from profiles.models import EventImport, EventKind, Purpose, Shopper
from profiles.state import permitted_shoppers, rebuild_states
from tenants.errors import DomainError

BATCH = 1_000
SHOPPERS_AT_ONCE = 5_000
FIELDS = frozenset(
    {"kind", "shopper", "guest", "session", "item", "occurred_at", "quantity", "unit_price",
     "value", "currency", "query", "rating", "idempotency_key"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogFormat:
    """How a log's rows become events.

    `columns` maps a field of FIELDS to a column. `guest` names the visitor of a row without a
    shopper, such as the invoice. Without a `kind` column every row is of `kind`; a purchase with a
    negative quantity is a return. `time_format` is strptime's (ISO 8601 if empty), read in
    `time_zone` where a time has no offset.
    """

    columns: Mapping[str, str]
    kind: str = EventKind.PURCHASE
    time_format: str = ""
    time_zone: str = "UTC"
    currency: str = ""

    def __post_init__(self) -> None:
        if unknown := self.columns.keys() - FIELDS:
            raise DomainError(
                "invalid_column_map", f"Unknown fields: {', '.join(sorted(unknown))}."
            )
        if not self.columns.keys() & {"shopper", "guest"}:
            raise DomainError("invalid_column_map", "A shopper or guest column is needed.")


@dataclass(slots=True)
class RowError:
    """One row that was not stored. `row` is the line of the file, header included."""

    row: int
    code: str
    message: str


@dataclass(slots=True)
class ImportReport:
    """What became of the rows; `errors` holds the first MAX_ERRORS of them. `oldest` is when the
    first of the events happened that are stored now."""

    counts: Counter[str] = field(default_factory=Counter)
    errors_by_code: Counter[str] = field(default_factory=Counter)
    errors: list[RowError] = field(default_factory=list)
    oldest: datetime | None = None


MAX_ERRORS = 1_000


def import_events(
    stream: TextIO,
    log_format: LogFormat,
    *,
    file_name: str,
    purposes: Mapping[Purpose, bool],
    source: str,
) -> tuple[EventImport, ImportReport]:
    """Store every row of a log once, and record on what consent it may be used.

    Without a granted purpose the log is stored and not used. Rows get a key from what they say,
    so that importing the same file again stores nothing twice. Bad rows are reported and do not
    hinder the others. Raises DomainError `missing_columns` before anything is stored.
    """
    rows = csv.DictReader(stream)
    if missing := set(log_format.columns.values()) - set(rows.fieldnames or ()):
        raise DomainError("missing_columns", f"The file lacks {', '.join(sorted(missing))}.")
    event_import = EventImport.objects.create(
        file_name=file_name[-255:],
        consent_source=source,
        purposes=[purpose for purpose, granted in purposes.items() if granted],
    )
    report = ImportReport()
    seen: set[int] = set()
    numbered = enumerate(_events(rows, log_format, file_name), start=2)
    while batch := list(islice(numbered, BATCH)):
        outcomes = record_events([event for _, event in batch], update_states=False)
        for (row, event), outcome in zip(batch, outcomes, strict=True):
            _count(report, row, event, outcome)
        seen |= set(resolve({_ref_of(event) for _, event in batch} - {ShopperRef()}).values())
        event_import.rows += len(batch)
        event_import.stored_events = report.counts[OutcomeStatus.STORED]
        event_import.repeated = report.counts[OutcomeStatus.REPEATED]
        event_import.failed = report.counts[OutcomeStatus.REFUSED]
        event_import.save()
    _bring_states_up(seen, purposes, source)
    event_import.finished_at = timezone.now()
    event_import.save()
    return event_import, report


def _events(
    rows: Iterator[dict[str | Any, Any]], log_format: LogFormat, file_name: str
) -> Iterator[dict[str, Any]]:
    """Rows as the events that the contract checks; what cannot be read is left for it to refuse."""
    repeats: Counter[bytes] = Counter()
    zone = ZoneInfo(log_format.time_zone)
    for row in rows:
        cells = {
            name: (row.get(column) or "").strip() for name, column in log_format.columns.items()
        }
        event = {name: text for name, text in cells.items() if text and name not in _DERIVED}
        event.setdefault("kind", log_format.kind)
        if shopper := _plain_id(cells.get("shopper", "")):
            event["shopper"] = shopper
        elif guest := cells.get("guest"):
            event["anonymous"] = guest
        if text := cells.get("occurred_at"):
            event["occurred_at"] = _moment(text, log_format.time_format, zone)
        _add_amounts(event, cells, log_format)
        if "idempotency_key" not in event:
            # A log may hold the same line twice and mean it: the key counts repetitions.
            digest = hashlib.blake2b(repr(sorted(row.items(), key=str)).encode(), digest_size=16)
            repeats[digest.digest()] += 1
            event["idempotency_key"] = (
                f"{LOG_KEY_START}{digest.hexdigest()}:{repeats[digest.digest()]}"
            )
        yield event


_DERIVED = frozenset({"shopper", "guest", "occurred_at", "quantity", "unit_price", "value"})


def _plain_id(text: str) -> str:
    """An id without the ".0" that spreadsheets put behind whole numbers."""
    return text.removesuffix(".0")


def _moment(text: str, time_format: str, zone: ZoneInfo) -> datetime | str:
    try:
        at = datetime.strptime(text, time_format) if time_format else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError:
        return text  # the contract refuses it, with the row's number
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _add_amounts(event: dict[str, Any], cells: Mapping[str, str], log_format: LogFormat) -> None:
    quantity, price, value = (_number(cells.get(n)) for n in ("quantity", "unit_price", "value"))
    if event["kind"] == EventKind.PURCHASE and quantity is not None and quantity < 0:
        event["kind"] = EventKind.RETURN.value
    if quantity is not None:
        event["quantity"] = abs(quantity)
    if value is None and price is not None:
        value = price * (quantity if quantity is not None else 1)
    if value is not None:
        event["value"] = round(abs(value), 4)
        if log_format.currency:
            event.setdefault("currency", log_format.currency)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _count(report: ImportReport, row: int, event: Mapping[str, Any], outcome: Outcome) -> None:
    report.counts[outcome.status] += 1
    if outcome.status != OutcomeStatus.REFUSED:
        at = event.get("occurred_at")
        if isinstance(at, datetime):
            report.oldest = at if report.oldest is None else min(report.oldest, at)
        return
    report.errors_by_code[outcome.code or ""] += 1
    if len(report.errors) < MAX_ERRORS:
        message = "; ".join(f"{name}: {text}" for name, text in (outcome.fields or {}).items())
        report.errors.append(RowError(row, outcome.code or "", message))


def _ref_of(event: Mapping[str, Any]) -> ShopperRef:
    return ShopperRef(event.get("shopper"), event.get("anonymous"))


def _bring_states_up(
    shoppers: Collection[int], purposes: Mapping[Purpose, bool], source: str
) -> None:
    """Record the consents, and take the stored events into the states that may know them.

    A grant that is new rebuilds the state by itself, so only those who granted before are left.
    """
    ids = iter(sorted(shoppers))
    while part := list(islice(ids, SHOPPERS_AT_ONCE)):
        granted_before = permitted_shoppers(part)
        if purposes:
            record_consents(Shopper.objects.filter(pk__in=part), purposes, source=source)
        rebuild_states(granted_before)
