"""Addresses of the recommendations API."""

from django.urls import path

from recommendations.api.search_views import SearchView, SuggestionsView
from recommendations.api.views import RecommendationsView, SimulationView, WhyView

urlpatterns = [
    path("search", SearchView.as_view(), name="search"),
    path("search/suggestions", SuggestionsView.as_view(), name="search-suggestions"),
    path("recommendations", RecommendationsView.as_view(), name="recommendations"),
    path("rules/simulate", SimulationView.as_view(), name="simulate-rules"),
    path("recommendations/<uuid:decision>/why", WhyView.as_view(), name="why"),
]
