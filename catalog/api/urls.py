"""Addresses of the catalog API."""

from django.urls import path

from catalog.api.views import FeedErrorsView, FeedsView, FeedView

urlpatterns = [
    path("feeds", FeedsView.as_view(), name="feeds"),
    path("feeds/<int:feed_import>", FeedView.as_view(), name="feed"),
    path("feeds/<int:feed_import>/errors", FeedErrorsView.as_view(), name="feed-errors"),
]
