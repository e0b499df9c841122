"""What is wrong with the configuration: `manage.py check` for all, `--deploy` for production."""

from typing import Any
from urllib.parse import urlsplit

import environ
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.utils.module_loading import import_string

from tenants.database.pooler import Pooler

env = environ.Env()


@register(Tags.security, deploy=True)
def production_is_configured(**_kwargs: Any) -> list[CheckMessage]:
    """The variables that production has to set."""
    missing: list[CheckMessage] = [
        Error(f"{name} is not set.", hint=hint, id=f"attune.E00{number}")
        for number, (name, hint) in enumerate(
            {
                "SECRET_KEY": "A random text of 50 characters or more, the same for each process.",
                "DATABASE_URL": "postgresql://user:password@host:5432/database",
                "REDIS_URL": "redis://:password@host:6379/0",
                "ALLOWED_HOSTS": "The hosts of your tenants, as .example.com,shop.example.org",
            }.items(),
            start=1,
        )
        if not env.str(name, default="")
    ]
    if not settings.HTTPS_ONLY:
        missing.append(
            checks.Warning(
                "HTTPS_ONLY is off: cookies and keys may travel in the clear.", id="attune.W001"
            )
        )
    if not settings.TWO_FACTOR_REQUIRED:
        missing.append(
            checks.Warning(
                "TWO_FACTOR_REQUIRED is off: a password alone lets administrators and privacy"
                " officers in.",
                id="attune.W002",
            )
        )
    return missing


@register()
def the_embedder_is_known(**_kwargs: Any) -> list[CheckMessage]:
    embedders: dict[str, str] = import_string("catalog.embedding.EMBEDDERS")
    if settings.EMBEDDER in embedders:
        return []
    return [
        Error(
            f"EMBEDDER is {settings.EMBEDDER!r}, not one of {', '.join(sorted(embedders))}.",
            id="attune.E005",
        )
    ]


@register()
def addresses_are_understood(**_kwargs: Any) -> list[CheckMessage]:
    schemes = {
        "DATABASE_URL": (settings.DATABASE_URL, {"postgresql", "postgres", "pgsql"}),
        "REDIS_URL": (settings.REDIS_URL, {"redis", "rediss", "unix"}),
    }
    return [
        Error(f"{name} must begin with {' or '.join(sorted(known))}.", id="attune.E006")
        for name, (address, known) in schemes.items()
        if urlsplit(address).scheme not in known
    ]


@register()
def the_pooler_is_understood(**_kwargs: Any) -> list[CheckMessage]:
    if settings.DATABASE_POOLER not in set(Pooler):
        return [
            Error(
                f"DATABASE_POOLER is {settings.DATABASE_POOLER!r}, not one of {', '.join(Pooler)}.",
                id="attune.E007",
            )
        ]
    if settings.DATABASE_POOLER == Pooler.TRANSACTION and settings.DATABASE_PREPARE:
        return [
            Error(
                "DATABASE_PREPARE is on, but a pooler in transaction mode gives each transaction"
                " another connection, which knows nothing of what was prepared.",
                id="attune.E008",
            )
        ]
    return []
