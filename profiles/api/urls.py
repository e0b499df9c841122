"""Addresses of the profiles API."""

from django.urls import path

from profiles.api.privacy import ExportView, PrivacyKeyView, PrivacyRequestView
from profiles.api.views import ConsentsView, EventsView, MutesView, ShopperView, SignalsView

urlpatterns = [
    path("events", EventsView.as_view(), name="events"),
    path("shoppers/<str:shopper>", ShopperView.as_view(), name="shopper"),
    path("shoppers/<str:shopper>/consents", ConsentsView.as_view(), name="consents"),
    path("shoppers/<str:shopper>/mutes", MutesView.as_view(), name="mutes"),
    path("shoppers/<str:shopper>/signals", SignalsView.as_view(), name="signals"),
    path("shoppers/<str:shopper>/export", ExportView.as_view(), name="shopper-export"),
    path(
        "privacy/requests/<uuid:privacy_request>",
        PrivacyRequestView.as_view(),
        name="privacy-request",
    ),
    path("privacy/key", PrivacyKeyView.as_view(), name="privacy-key"),
]
