"""Every address the project answers at, found by walking the URL resolver."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize
from django_tenants.utils import schema_context

from catalog.models import FeedImport, Item
from profiles.models import PrivacyRequest
from tenants.models import StaffUser
from tests.walls.planting import Planted

PARAMETER = re.compile(r"<(?:[^:>]+:)?([^>]+)>|%\(([^)]+)\)s")


def _content_type(planted: Planted) -> int:
    with schema_context(planted.tenant.schema_name):
        return ContentType.objects.get_for_model(Item).pk


FILLS: dict[str, Callable[[Planted], object]] = {
    "feed_import": lambda planted: planted.row(FeedImport).pk,
    "shopper": lambda planted: planted.shopper,
    "privacy_request": lambda planted: planted.row(PrivacyRequest).pk,
    "decision": lambda planted: planted.decision,
    "item": lambda planted: planted.item,
    "external_id": lambda planted: planted.item,
    "placement": lambda planted: f"{planted.marker}-home",
    "slug": lambda planted: planted.marker.lower(),
    "id": lambda planted: planted.row(StaffUser).pk,
    "object_id": lambda planted: planted.row(Item).pk,  # of pages that belong to no model
    "content_type_id": _content_type,
    "app_label": lambda _: "catalog",
    "url": lambda _: "nothing/here",
}
"""What to put for a parameter of an address, so that it means a row of the given tenant."""


@dataclass(frozen=True)
class Address:
    """A route such as `api/v1/feeds/<int:feed_import>`, and what answers there."""

    route: str
    view: Any

    @property
    def is_api(self) -> bool:
        return self.route.startswith("api/v1/")

    @property
    def methods(self) -> tuple[str, ...]:
        """Of an API address, the methods that it has a handler for."""
        cls = self.view.cls
        return tuple(
            name.upper()
            for name in cls.http_method_names
            if hasattr(cls, name) and name not in {"options", "head"}
        )

    @property
    def names_a_row(self) -> bool:
        """Whether the address names something that one tenant has and the other has not."""
        names = {one or other for one, other in PARAMETER.findall(self.route)}
        return bool(names - {"app_label", "url", "slug", "placement"})

    def about(self, planted: Planted) -> str:
        """The path with the tenant's own ids. Fails the test for a parameter nobody knows."""

        def fill(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name == "object_id" and (admin := getattr(self.view, "model_admin", None)):
                if admin.model not in planted.rows:
                    pytest.fail(f"Plant a row of {admin.model} in tests/walls/planting.py.")
                return str(planted.rows[admin.model].pk)
            if name not in FILLS:
                pytest.fail(f"Say in FILLS what to put for “{name}” of {self.route}.")
            return str(FILLS[name](planted))

        return "/" + PARAMETER.sub(fill, self.route)


def every_address(urlconf: str | None = None) -> list[Address]:
    """In the order of the resolver."""
    return list(_walk(get_resolver(urlconf).url_patterns, ""))


def api_operations() -> set[tuple[str, str]]:
    """(method, route) of everything below api/v1/."""
    return {
        (method, address.route)
        for address in every_address()
        if address.is_api
        for method in address.methods
    }


def _walk(patterns: list[Any], prefix: str) -> Iterator[Address]:
    for pattern in patterns:
        route = str(pattern.pattern)
        if hasattr(pattern.pattern, "regex") and not hasattr(pattern.pattern, "converters"):
            raise AssertionError(f"{route} is of a kind of pattern that this walk does not know.")
        if "(?P<" in route:
            # An address by regular expression: Django's own reversal says how to fill it.
            route = normalize(route)[0][0]
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, prefix + route)
        elif isinstance(pattern, URLPattern):
            yield Address(prefix + route, pattern.callback)
