"""What visitors do on the demo storefront: events, the cart, who shops, consent, and mutes."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from catalog.models import Item
from demo.storefront.cart import (
    change_cart,
    pieces_in_cart,
    place_order,
    quantity_in_cart,
    read_cart,
)
from demo.storefront.events import decision_given, note_event, note_events, noted_text
from demo.storefront.items import find_item
from demo.storefront.pages import not_found, wants_fragment
from demo.storefront.searching import MOST_TYPED
from demo.storefront.visitor import (
    Visitor,
    become_new_visitor,
    become_shopper,
    current_visitor,
)
from profiles.consent import record_consent
from profiles.identity import ensure_shoppers
from profiles.models import Purpose
from profiles.mutes import mute, mutes_of, unmute
from tenants.errors import DomainError

NOTED_KINDS = frozenset({"view", "click", "dismiss"})
"""What the pages report; the cart's events and purchases are recorded where they happen."""

CONSENT_SOURCE = "switch on the demo storefront"
MAX_ORDER_ID_CHARS = 40


@require_POST
def note(request: HttpRequest) -> HttpResponse:
    """Note a view, a click or a dismissal of an item, or a search."""
    if request.POST.get("kind") == "search":
        return _note_search(request)
    item = find_item(request.POST.get("item", ""))
    if item is None:
        return not_found(request, "item")
    kind = request.POST.get("kind", "")
    if kind not in NOTED_KINDS:
        return JsonResponse({"toast": "That cannot be noted."}, status=400)
    visitor = current_visitor(request)
    decision = decision_given(request.POST.get("decision"))
    note_event(visitor, kind, item.external_id, decision=decision)
    return _answer(request, noted_text(visitor, kind, item.title), otherwise="demo:home")


def _note_search(request: HttpRequest) -> HttpResponse:
    """The next slates know of it."""
    query = request.POST.get("query", "")[:MOST_TYPED].replace("\x00", "").strip()
    if query:
        fields = {"decision": decision_given(request.POST.get("decision"))}
        note_events(current_visitor(request), [{"kind": "search", "query": query, **fields}])
    return HttpResponse(status=204)


@require_POST
def put_in_cart(request: HttpRequest) -> HttpResponse:
    """Put one piece more of an item in the cart, or have as many as `quantity` says."""
    item = find_item(request.POST.get("item", ""))
    if item is None:
        return not_found(request, "item")
    visitor = current_visitor(request)
    before = quantity_in_cart(request, item.external_id)
    wanted = _quantity(request.POST.get("quantity", ""))
    decision = decision_given(request.POST.get("decision"))
    after = change_cart(request, item, before + 1 if wanted is None else wanted, decision)
    if after > before:
        note_event(
            visitor, "add_to_cart", item.external_id, quantity=after - before, decision=decision
        )
    elif before and not after:
        note_event(visitor, "remove_from_cart", item.external_id, quantity=before)
    return _answer(request, _cart_text(visitor, item, before, after), otherwise="demo:cart")


@require_POST
def check_out(request: HttpRequest) -> HttpResponse:
    """Order what is in the cart, at the total that the visitor saw; else show the cart anew."""
    visitor = current_visitor(request)
    cart = read_cart(request)
    order_id = request.POST.get("order", "")[:MAX_ORDER_ID_CHARS].replace("\x00", "")
    if not cart.to_buy or not order_id:
        return redirect("demo:cart")
    if request.POST.get("total") != cart.total:
        return redirect(f"{reverse('demo:cart')}?changed")
    place_order(request, visitor, cart, order_id=order_id)
    return redirect("demo:order")


@require_POST
def choose_shopper(request: HttpRequest) -> HttpResponse:
    """Shop as one of the demo's shoppers, or as a new visitor."""
    wanted = request.POST.get("shopper", "")
    if not wanted:
        become_new_visitor(request)
    elif not become_shopper(request, wanted):
        return not_found(request, "shopper")
    return redirect("demo:home")


@require_POST
def choose_consent(request: HttpRequest) -> HttpResponse:
    """Grant or withdraw personalization for whoever shops now."""
    visitor = current_visitor(request)
    ensure_shoppers([visitor.ref])
    current = current_visitor(request).shopper
    if current is not None:
        record_consent(
            current,
            Purpose.PERSONALIZATION,
            granted=request.POST.get("personalization") == "on",
            source=CONSENT_SOURCE,
        )
    return redirect(_next(request, otherwise="demo:home"))


@require_POST
def leave_out(request: HttpRequest) -> HttpResponse:
    """Use nothing any more that the visitor did with an item."""
    item = find_item(request.POST.get("item", ""))
    shopper = current_visitor(request).shopper
    if item is None or shopper is None:
        return not_found(request, "item")
    try:
        mute(shopper, kind="", item=item.external_id, name=None, now=timezone.now())
    except DomainError as error:
        return JsonResponse({"toast": str(error)}, status=409)
    return _answer(
        request, f"What you did with {item.title} is not used any more.", otherwise="demo:home"
    )


@require_POST
def use_all_again(request: HttpRequest) -> HttpResponse:
    """Use everything again that the visitor had left out."""
    shopper = current_visitor(request).shopper
    if shopper is not None:
        for muted in mutes_of(shopper):
            unmute(shopper, kind=muted.kind, item=muted.item, name=muted.name)
    return redirect(_next(request, otherwise="demo:home"))


def _quantity(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else None


def _cart_text(visitor: Visitor, item: Item, before: int, after: int) -> str:
    if after > before:
        return noted_text(visitor, "add_to_cart", item.title)
    if not after:
        return noted_text(visitor, "remove_from_cart", item.title)
    if after < before:
        return f"{item.title}: {after} in your cart."
    return f"{item.title} is in your cart already, and there is no more of it to be had."


def _answer(request: HttpRequest, toast: str, *, otherwise: str) -> HttpResponse:
    """For the page's script what to say; for a browser without it, the page to go on to."""
    if wants_fragment(request):
        left_out = current_visitor(request).left_out
        return JsonResponse({"toast": toast, "cart": pieces_in_cart(request), "left_out": left_out})
    return redirect(_next(request, otherwise=otherwise))


def _next(request: HttpRequest, *, otherwise: str) -> str:
    """The page of this store that the form names, or the one named by `otherwise`."""
    address = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}):
        return address
    return reverse(otherwise)
