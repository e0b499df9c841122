"""What a log line says of a request: which tenant, which route, and nothing of a person."""

import copy
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from django.db import Error as DjangoDatabaseError

from tenants.connection import connection

QUOTED = re.compile(r"['\"‘“].*['\"’”]|\S+@\S+", re.DOTALL)
"""In the message of an error: from the first quote to the last, for a value may hold quotes; and an
address without any."""

LEFT_OUT = "…"

QUOTES_VALUES = "22"
"""The class of Postgres' errors that repeat a value in their first line: data exceptions. That of
any other names tables and constraints; all of them repeat values in the lines that follow."""

LONGEST_CHAIN = 10


class TenantFilter(logging.Filter):
    """Adds `tenant`: the schema of the request that a record is about, or else the current one."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django tells of a refusal when the request has left its schema already.
        tenant = getattr(getattr(record, "request", None), "tenant", connection)
        record.tenant = getattr(tenant, "schema_name", None) or "-"
        return True


class RouteFilter(logging.Filter):
    """Says the route instead of the path, as in `Not Found: /api/v1/shoppers/<str:shopper>`.

    A path holds shoppers' ids, which a shop may make of their e-mail addresses. Django logs the
    path of each refused request, with a backslash before what is not ASCII.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        path = getattr(getattr(record, "request", None), "path", None)
        if path is not None and isinstance(record.args, tuple):
            match = getattr(record.request, "resolver_match", None)  # type: ignore[attr-defined]
            route = f"/{match.route}" if match else "an address of nothing"
            paths = {path, path.encode("unicode_escape").decode("ascii")}
            record.args = tuple(
                route if isinstance(arg, str) and arg in paths else arg for arg in record.args
            )
        return True


class LineFormatter(logging.Formatter):
    """Leaves out of errors what they repeat of a row or a request, such as a shopper's id: of the
    traceback, and of an error that is part of the line itself."""

    def format(self, record: logging.LogRecord) -> str:
        record = copy.copy(record)
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(record.args, tuple):
            record.args = tuple(map(_plain, record.args))
        elif isinstance(record.args, Mapping):
            record.args = {name: _plain(arg) for name, arg in record.args.items()}
            if "exc" in record.args:  # Celery's, written down already
                told = summary(error) if error else without_values(str(record.args["exc"]))
                record.args["exc"] = told
        record.exc_text = None  # another handler's, maybe, with everything in it
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the base class's name
        return "\n".join(_lines(ei[1], LONGEST_CHAIN)) if ei[1] is not None else ""


def summary(error: BaseException) -> str:
    """The error's class and its message, without the values that the message repeats."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in {"builtins", "__main__"}:
        name = f"{kind.__module__}.{name}"
    told = _message(error)
    return f"{name}: {told}" if told else name


def without_values(message: str) -> str:
    """The message with everything left out that stands in quotes, or is an address."""
    return QUOTED.sub(LEFT_OUT, message)


def _message(error: BaseException) -> str:
    if isinstance(error, OSError):
        return str(error)  # the system's words, and a path
    if not isinstance(error, (psycopg.Error, DjangoDatabaseError)):
        return without_values(str(error))
    source = error if isinstance(error, psycopg.Error) else error.__cause__
    state = getattr(source, "sqlstate", None)
    first = str(error).partition("\n")[0]
    return first if state and not state.startswith(QUOTES_VALUES) else without_values(first)


def _plain(arg: object) -> object:
    return summary(arg) if isinstance(arg, BaseException) else arg


def _lines(error: BaseException, most: int) -> Iterator[str]:
    """As Python prints an error and those that led to it."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and most:
        yield from _lines(before, most - 1)
        yield ""
        yield (
            "The above exception was the direct cause of the following exception:"
            if error.__cause__
            else "During handling of the above exception, another exception occurred:"
        )
        yield ""
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        yield "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    yield summary(error)
    if isinstance(error, BaseExceptionGroup) and most:
        for each in error.exceptions:
            yield from _lines(each, most - 1)
