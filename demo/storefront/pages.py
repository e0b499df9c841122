"""What every page of the storefront has around it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from demo.storefront.cart import pieces_in_cart
from demo.storefront.departments import departments
from demo.storefront.visitor import Visitor, current_visitor
from demo.stores import store_here
from tenants.models import Tenant


def show_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    visitor: Visitor | None = None,
    status: int = 200,
) -> HttpResponse:
    """A whole page: header, visitor, departments and cart around what `template` shows."""
    around = {
        "visitor": visitor or current_visitor(request),
        "departments": departments(),
        "cart_pieces": pieces_in_cart(request),
    }
    return show_fragment(request, template, {**around, **(context or {})}, status=status)


def show_fragment(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A part of a page, for the page's script to put in its place."""
    tenant: Tenant = request.tenant  # type: ignore[attr-defined]  # by TenantMiddleware
    store = store_here()
    shop = {"store": store, "words": store.words, "shop_name": tenant.name}
    return render(request, f"demo/{template}", {**shop, **context}, status=status)


def not_found(request: HttpRequest, what: str) -> HttpResponse:
    """The page for something that is not here, with a way on."""
    return show_page(request, "not_found.html", {"what": what}, status=404)


def wants_fragment(request: HttpRequest) -> bool:
    """Whether the page's script asks, to take the answer into the page it is on."""
    return request.headers.get("X-Requested-With") == "storefront"
