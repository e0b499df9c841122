"""Addresses of the recommendations API."""

from django.urls import path

from recommendations.api.views import RecommendationsView, WhyView

urlpatterns = [
    path("recommendations", RecommendationsView.as_view(), name="recommendations"),
    path("recommendations/<uuid:decision>/why", WhyView.as_view(), name="why"),
]
