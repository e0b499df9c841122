"""The product's addresses, and the bare view that serving is measured against."""

from django.http import HttpRequest, JsonResponse
from django.urls import path

from catalog.models import Item
from config.urls import handler404, handler500, urlpatterns

__all__ = ["handler404", "handler500", "urlpatterns"]


def one_row(request: HttpRequest, pk: int) -> JsonResponse:
    """One row by its primary key through the ORM, behind the same middleware."""
    item = Item.objects.get(pk=pk)
    return JsonResponse({"item": item.external_id, "title": item.title})


urlpatterns += [path("bench/row/<int:pk>", one_row)]
