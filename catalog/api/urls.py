"""Addresses of the catalog API."""

from django.urls import path

from catalog.api.batches import ItemsView, OffersView
from catalog.api.views import FeedErrorsView, FeedsView, FeedView

urlpatterns = [
    path("items", ItemsView.as_view(), name="items"),
    path("offers", OffersView.as_view(), name="offers"),
    path("feeds", FeedsView.as_view(), name="feeds"),
    path("feeds/<int:feed_import>", FeedView.as_view(), name="feed"),
    path("feeds/<int:feed_import>/errors", FeedErrorsView.as_view(), name="feed-errors"),
]
