"""Addresses of the demo storefront."""

from django.urls import path

from demo import actions, views

app_name = "demo"

urlpatterns = [
    path("", views.home, name="home"),
    path("departments/<slug:slug>/", views.department, name="department"),
    path("search/", views.search, name="search"),
    path("search/suggestions/", views.suggest, name="suggest"),
    path("items/<str:external_id>/", views.item, name="item"),
    path("cart/", views.cart, name="cart"),
    path("cart/change/", actions.put_in_cart, name="put-in-cart"),
    path("cart/check-out/", actions.check_out, name="check-out"),
    path("orders/latest/", views.order, name="order"),
    path("shoppers/", views.shoppers, name="shoppers"),
    path("shoppers/choose/", actions.choose_shopper, name="choose-shopper"),
    path("consent/", actions.choose_consent, name="choose-consent"),
    path("mute/", actions.leave_out, name="mute"),
    path("unmute/", actions.use_all_again, name="unmute"),
    path("events/", actions.note, name="note"),
    path("slates/<slug:placement>/", views.slate, name="slate"),
    path("why/<uuid:decision>/<str:external_id>/", views.why, name="why"),
    path("demo/pictures/<str:external_id>.svg", views.picture, name="picture"),
]
