"""A browser without script at the demo storefront, and whom it shops as."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from django.test import Client
from django_tenants.utils import schema_context

from demo.storefront.visitor import FEATURED_TRAIT
from profiles.models import Event, EventKind, Shopper
from tenants.tasks import current_schema
from tests.make import make_event, make_shopper
from tests.shop import Shop


@dataclass
class Browser:
    """One browser at one store: keeps its cookies, follows redirects, runs no script."""

    host: str
    client: Client = field(default_factory=Client)

    def get(self, path: str) -> Any:
        # A request ends in the public schema; the test goes on where it was.
        with schema_context(current_schema()):
            return self.client.get(path, follow=True, headers={"Host": self.host})

    def post(self, path: str, **fields: str) -> Any:
        with schema_context(current_schema()):
            return self.client.post(path, fields, follow=True, headers={"Host": self.host})

    def tell(self, path: str, **fields: str) -> dict[str, Any]:
        """What the page's script is answered."""
        with schema_context(current_schema()):
            response = self.client.post(
                path, fields, headers={"Host": self.host, "X-Requested-With": "storefront"}
            )
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = response.json()
        return answer

    def page(self, path: str = "/") -> "Page":
        response = self.get(path)
        assert response.status_code == 200, response.content
        return Page(response.content.decode())

    def shop_as(self, shopper: Shopper | None) -> "Page":
        response = self.post(
            "/shoppers/choose/", shopper=(shopper.external_id or "") if shopper else ""
        )
        assert response.status_code == 200
        return Page(response.content.decode())


@dataclass(frozen=True)
class Page:
    """What a test looks for in a page."""

    html: str

    @property
    def tiles(self) -> dict[str, str]:
        """The text of each recommended tile of the page, by title."""
        found = {}
        for tile in re.findall(r'<li class="tile".*?</li>', self.html, re.DOTALL):
            title = re.search(r'<h3 class="tile-title">(.*?)</h3>', tile, re.DOTALL)
            found[unescape(title[1]) if title else ""] = text_of(tile)
        return found

    @property
    def text(self) -> str:
        return text_of(self.html)

    @property
    def why_links(self) -> dict[str, str]:
        """Where each tile explains itself, by external id."""
        links = re.findall(r'href="(/why/[0-9a-f-]+/([^/"]+)/)"', self.html)
        return {external_id: address for address, external_id in links}

    @property
    def decision(self) -> str:
        match = re.search(r'data-decision="([0-9a-f-]{36})"', self.html)
        assert match
        return match[1]

    def value_of(self, name: str) -> str:
        """The value of a hidden field of a form."""
        match = re.search(rf'name="{name}" value="([^"]*)"', self.html)
        assert match, f"There is no field {name}."
        return unescape(match[1])


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def featured(shopper: Shopper, name: str, *, position: int = 0) -> Shopper:
    """Introduced by the storefront, so that a visitor can be them."""
    shopper.traits = {"name": name, "summary": "Sleeps outdoors.", FEATURED_TRAIT: position}
    shopper.save(update_fields=["traits"])
    return shopper


def camper(shop: Shop) -> Shopper:
    """Somebody who bought the tent."""
    shopper = featured(make_shopper("camper"), "Cora Camper")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    return shopper


def events_of(kind: EventKind) -> list[Event]:
    return list(Event.stored.filter(kind=kind).select_related("item", "shopper").order_by("pk"))


def item_of(event: Event) -> str:
    return event.item.external_id if event.item else ""
