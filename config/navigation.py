"""Where staff can go in the admin: the sidebar, the tabs of related lists, the tenant's name."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Page:
    """A list in the admin, by the label of its model. `icon` is a Material symbol."""

    label: str
    title: str
    icon: str = ""

    @property
    def address(self) -> str:
        return reverse(f"admin:{self.label.replace('.', '_')}_changelist")

    def visible_to(self, request: HttpRequest) -> bool:
        app, model = self.label.split(".")
        return bool(request.user.has_perm(f"{app}.view_{model}"))


SIDEBAR: dict[str, tuple[Page, ...]] = {
    "Catalog": (
        Page("catalog.item", "Items", "inventory_2"),
        Page("catalog.itemquality", "Quality", "fact_check"),
        Page("catalog.review", "Reviews", "reviews"),
        Page("catalog.feedimport", "Imports", "upload_file"),
    ),
    "Shoppers": (
        Page("profiles.shopper", "Shoppers", "group"),
        Page("profiles.event", "Events", "bolt"),
        Page("profiles.consent", "Consents", "verified_user"),
        Page("profiles.privacyrequest", "Requests", "mark_email_unread"),
        Page("profiles.signalpolicy", "Signal policies", "policy"),
        Page("profiles.retentionrule", "Retention", "auto_delete"),
        Page("profiles.eventimport", "Historical logs", "history"),
    ),
    "Recommendations": (
        Page("recommendations.decision", "Slates and why", "view_carousel"),
        Page("recommendations.placement", "Placements", "grid_view"),
        Page("recommendations.merchandisingrule", "Rules", "rule"),
        Page("recommendations.rankerversion", "Ranker versions", "model_training"),
    ),
    "Search": (
        Page("recommendations.search", "Searches", "search"),
        Page("catalog.searchsynonym", "Synonyms", "sync_alt"),
    ),
    "Platform": (
        Page("tenants.staffuser", "Staff", "badge"),
        Page("tenants.apikey", "API keys", "key"),
        Page("tenants.auditentry", "Audit trail", "history_edu"),
    ),
}
"""What the sidebar shows, by group; the other lists are tabs of these."""

TABS: tuple[tuple[Page, ...], ...] = (
    (
        Page("catalog.itemquality", "Items"),
        Page("catalog.qualityissue", "Spellings"),
        Page("catalog.qualitypolicy", "Policy"),
    ),
    (Page("catalog.feedimport", "Imports"), Page("catalog.feedrowerror", "Row errors")),
    (Page("profiles.shopper", "Shoppers"), Page("profiles.session", "Sessions")),
    (
        Page("profiles.signalpolicy", "In force"),
        Page("profiles.policyproposal", "Proposals"),
        Page("profiles.sensitivetopic", "Sensitive"),
    ),
    (Page("profiles.retentionrule", "Rules"), Page("profiles.retentionrun", "What was removed")),
    (
        Page("profiles.consent", "Now"),
        Page("profiles.consentchange", "History"),
        Page("profiles.consenttext", "Texts"),
        Page("profiles.privacycontrol", "Privacy control"),
    ),
    (
        Page("recommendations.merchandisingrule", "Rules"),
        Page("recommendations.segment", "Segments"),
    ),
    (Page("recommendations.decision", "Slates"), Page("recommendations.impression", "Impressions")),
    (
        Page("recommendations.rankerversion", "Versions"),
        Page("recommendations.itemneighbors", "What goes with what"),
        Page("recommendations.itemcomplements", "What is bought together"),
        Page("recommendations.itemfacts", "What is popular"),
    ),
    (Page("tenants.staffuser", "Staff users"), Page("auth.group", "Groups")),
)
"""Lists that belong together; the first of each is the one in the sidebar."""


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups as unfold reads them, with the pages this person may see."""
    overview = {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [overview]}]
    for title, pages in SIDEBAR.items():
        items = [
            {"title": page.title, "icon": page.icon, "link": page.address}
            for page in pages
            if page.visible_to(request)
        ]
        groups.append({"title": title, "separator": True, "items": items})
    return groups


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The tabs as unfold reads them."""
    return [
        {
            "models": [page.label for page in pages],
            "items": [
                {"title": page.title, "link": page.address}
                for page in pages
                if page.visible_to(request)
            ],
        }
        for pages in TABS
    ]


def tenant_name(request: HttpRequest) -> str:
    """Whose admin this is. Empty on the platform's own host, which has none."""
    tenant = getattr(request, "tenant", None)
    return "" if tenant is None else tenant.name
