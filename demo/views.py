"""The pages of the demo storefront. Reading only: what visitors do arrives in `demo.actions`."""

from datetime import timedelta
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from demo.pictures import picture as drawn
from demo.storefront.cart import new_order_id, read_cart
from demo.storefront.departments import department_of, find_department, page_of_tiles
from demo.storefront.events import decision_given
from demo.storefront.items import colors_of, find_item
from demo.storefront.pages import not_found, show_fragment, show_page, wants_fragment
from demo.storefront.reviews import opinions_of
from demo.storefront.searching import MOST_TYPED, results_for
from demo.storefront.slates import SIZES, slate_for
from demo.storefront.tiles import tile_of
from demo.storefront.visitor import current_visitor, introductions, kept
from demo.storefront.why import find_why
from demo.storefront.words import attribute_rows
from recommendations.searching.suggesting import suggestions

SUGGESTIONS = 7
PICTURE_CACHED_FOR = int(timedelta(days=7).total_seconds())


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    visitor = current_visitor(request)
    cart = read_cart(request).item_ids
    return show_page(
        request,
        "home.html",
        {
            "slate": slate_for(visitor, "home", cart=cart),
            "again": slate_for(visitor, "buy-again", cart=cart),
        },
        visitor=visitor,
    )


@require_safe
@never_cache
def department(request: HttpRequest, slug: str) -> HttpResponse:
    found = find_department(slug)
    if found is None:
        return not_found(request, "department")
    wanted = request.GET.get("section")
    section = next((each for each in found.sections if each.slug == wanted), None)
    page, tiles = page_of_tiles(found, section=section, page=request.GET.get("page"))
    return show_page(
        request,
        "department.html",
        {"department": found, "section": section, "page": page, "tiles": tiles},
    )


@require_safe
@never_cache
def search(request: HttpRequest) -> HttpResponse:
    visitor = current_visitor(request)
    results = results_for(request, visitor)
    return show_page(request, "search.html", {"results": results}, visitor=visitor)


@require_safe
@never_cache
def suggest(request: HttpRequest) -> HttpResponse:
    """What to suggest for what was typed so far, for the page's script."""
    typed = request.GET.get("q", "")[:MOST_TYPED].replace("\x00", "")
    found, _ = suggestions(typed, limit=SUGGESTIONS)
    return JsonResponse(
        {
            "suggestions": [
                {
                    "text": each.text,
                    "kind": each.kind,
                    "address": reverse("demo:item", args=[each.item]) if each.item else "",
                }
                for each in found
            ]
        }
    )


@require_safe
@never_cache
def item(request: HttpRequest, external_id: str) -> HttpResponse:
    found = find_item(external_id)
    if found is None:
        return not_found(request, "item")
    visitor = current_visitor(request)
    cart = read_cart(request).item_ids
    return show_page(
        request,
        "item.html",
        {
            "item": found,
            "tile": tile_of(found),
            "department": department_of(found),
            "attributes": list(attribute_rows(found)),
            "colors": colors_of(found),
            "opinions": opinions_of(found),
            "decision": decision_given(request.GET.get("decision")) or "",
            "slate": slate_for(visitor, "item", cart=cart, item=external_id),
        },
        visitor=visitor,
    )


@require_safe
@never_cache
def cart(request: HttpRequest) -> HttpResponse:
    visitor = current_visitor(request)
    read = read_cart(request)
    return show_page(
        request,
        "cart.html",
        {
            "cart": read,
            "order_id": new_order_id(),
            "changed": "changed" in request.GET,
            "slate": slate_for(visitor, "cart", cart=read.item_ids),
        },
        visitor=visitor,
    )


@require_safe
@never_cache
def order(request: HttpRequest) -> HttpResponse:
    """The latest order of this session, and what may come next."""
    visitor = current_visitor(request)
    latest = kept(request).get("order")
    if latest is None:
        return redirect("demo:cart")
    slate = slate_for(visitor, "home", cart=read_cart(request).item_ids)
    return show_page(request, "order.html", {"order": latest, "slate": slate}, visitor=visitor)


@require_safe
@never_cache
def shoppers(request: HttpRequest) -> HttpResponse:
    """Whom to shop as: a page of its own, or the list for the dialog."""
    visitor = current_visitor(request)
    context = {"shoppers": introductions(), "visitor": visitor}
    if wants_fragment(request):
        return show_fragment(request, "shopper_list.html", context)
    return show_page(request, "shoppers.html", context, visitor=visitor)


@require_safe
@never_cache
def slate(request: HttpRequest, placement: str) -> HttpResponse:
    """A slate anew, for the page that the visitor is on."""
    if placement not in SIZES:
        raise Http404
    about = request.GET.get("item")
    if placement == "item" and (about is None or find_item(about) is None):
        raise Http404
    visitor = current_visitor(request)
    tiles = slate_for(visitor, placement, cart=read_cart(request).item_ids, item=about)
    return show_fragment(request, "slate.html", {"slate": tiles, "visitor": visitor})


@require_safe
@never_cache
def why(request: HttpRequest, decision: UUID, external_id: str) -> HttpResponse:
    """The ledger of one recommendation: a page of its own, or the panel for the dialog."""
    visitor = current_visitor(request)
    found = find_why(visitor, decision, external_id)
    if found is None:
        return not_found(request, "explanation")
    context = {"why": found, "visitor": visitor}
    if wants_fragment(request):
        return show_fragment(request, "why_panel.html", context)
    return show_page(request, "why.html", context, visitor=visitor)


@require_safe
@cache_control(public=True, max_age=PICTURE_CACHED_FOR)
def picture(request: HttpRequest, external_id: str) -> HttpResponse:
    """The drawing of one of this store's items."""
    if find_item(external_id) is None:
        raise Http404
    try:
        drawing = drawn(external_id)
    except KeyError as error:
        raise Http404 from error
    return HttpResponse(
        drawing,
        content_type="image/svg+xml",
        # Opened on its own, an SVG file is a page of this host: it may run and load nothing.
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )
