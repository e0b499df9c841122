"""Addresses of the catalog API."""

from django.urls import path

from catalog.api.batches import ItemsView, OffersView
from catalog.api.items import ItemQualityView, ItemView
from catalog.api.quality import CatalogQualityView, FlawedItemsView
from catalog.api.reviews import ReviewsView
from catalog.api.views import FeedErrorsView, FeedsView, FeedView

urlpatterns = [
    path("items", ItemsView.as_view(), name="items"),
    # An id may hold slashes: Shopify's variants are known by handle/size/color.
    path("items/<path:item>/quality", ItemQualityView.as_view(), name="item-quality"),
    path("items/<path:item>", ItemView.as_view(), name="item"),
    path("reviews", ReviewsView.as_view(), name="reviews"),
    path("catalog/quality", CatalogQualityView.as_view(), name="catalog-quality"),
    path("catalog/quality/items", FlawedItemsView.as_view(), name="flawed-items"),
    path("offers", OffersView.as_view(), name="offers"),
    path("feeds", FeedsView.as_view(), name="feeds"),
    path("feeds/<int:feed_import>", FeedView.as_view(), name="feed"),
    path("feeds/<int:feed_import>/errors", FeedErrorsView.as_view(), name="feed-errors"),
]
