"""The admin of whom recommendations are for: what is held on a shopper, and on what consent."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RadioFilter,
)

import profiles.policy_admin
import profiles.privacy_admin
import profiles.request_admin
import profiles.retention_admin  # noqa: F401  # register themselves
from profiles.finding import find_item_ids, find_shopper_ids
from profiles.models import (
    Consent,
    ConsentChange,
    Event,
    EventImport,
    Identity,
    Purpose,
    Session,
    Shopper,
)
from tenants.pages import (
    NO_VALUE,
    DayRangeFilter,
    LongListAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    display,
    link_to,
    list_address,
)

EVENT_LABELS = {
    "Purchase": "success",
    "Add to cart": "info",
    "Wishlist": "info",
    "Return": "warning",
    "Dismiss": "danger",
}
SHOPPER_SEARCH = "Start of a shopper's external id, or an identity"


class IdentityInline(ReadOnlyInline[Identity, Shopper]):
    model = Identity
    fields = ("kind", "value", "first_seen_at", "merged_at")
    tab = True


class ConsentInline(ReadOnlyInline[Consent, Shopper]):
    model = Consent
    fields = ("purpose", "granted", "source", "text_version", "changed_at")


class ConsentChangeInline(ReadOnlyInline[ConsentChange, Shopper]):
    model = ConsentChange
    verbose_name_plural = "consent history"
    fields = ("purpose", "granted", "source", "text_version", "set_by", "changed_at")
    ordering = ("-id",)
    tab = True


class PersonalizationFilter(RadioFilter):  # type: ignore[misc]  # unfold is untyped
    title = "personalization"
    parameter_name = "personalization"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Granted"), ("no", "Not granted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Shopper]) -> QuerySet[Shopper]:
        granted = Exists(
            Consent.objects.filter(
                shopper=OuterRef("pk"), purpose=Purpose.PERSONALIZATION, granted=True
            )
        )
        match self.value():
            case "yes":
                return queryset.filter(granted)
            case "no":
                return queryset.filter(~granted)
        return queryset


class KnownFilter(RadioFilter):  # type: ignore[misc]  # unfold is untyped
    title = "identity"
    parameter_name = "identity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("known", "Known"), ("anonymous", "Anonymous"), ("merged", "Merged away")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Shopper]) -> QuerySet[Shopper]:
        match self.value():
            case "known":
                return queryset.exclude(external_id=None)
            case "anonymous":
                return queryset.filter(external_id=None, merged_into=None)
            case "merged":
                return queryset.exclude(merged_into=None)
        return queryset


@admin.register(Shopper)
class ShopperAdmin(ReadOnlyAdmin[Shopper], LongListAdmin[Shopper]):
    """What is held on a shopper. The API writes it; erasure is a use case of its own."""

    personal = True
    list_display = ("shopper", "granted", "identity_list", "created_at", "merged_into")
    list_select_related = ("merged_into",)
    list_filter = (KnownFilter, PersonalizationFilter)
    search_fields = ("external_id",)  # searched by `get_search_results`
    search_help_text = SHOPPER_SEARCH
    ordering = ("-id",)
    sortable_by = ()
    inlines = (ConsentInline, IdentityInline, ConsentChangeInline)
    fields = (("external_id", "created_at", "merged"), ("traits", "preferences"))
    readonly_fields = ("merged",)
    change_form_before_template = "admin/profiles/shopper/held.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shopper]:
        return super().get_queryset(request).prefetch_related("identities", "consents")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Shopper], search_term: str
    ) -> tuple[QuerySet[Shopper], bool]:
        text = search_term.strip()
        return (queryset.filter(pk__in=find_shopper_ids(text)) if text else queryset), False

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        shopper: Shopper = kwargs["obj"]
        context["held"] = [
            {
                "name": name,
                "count": rows.count(),
                "address": list_address(rows.model, shopper__id__exact=shopper.pk),
            }
            for name, rows in (
                ("Events", Event.stored.filter(shopper=shopper)),
                ("Sessions", Session.objects.filter(shopper=shopper)),
                ("Consent changes", ConsentChange.objects.filter(shopper=shopper)),
            )
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Shopper")
    def shopper(self, shopper: Shopper) -> str:
        return str(shopper)

    @display(description="Granted", label="success")
    def granted(self, shopper: Shopper) -> list[str]:
        consents = shopper.consents.all()
        return [Purpose(consent.purpose).label for consent in consents if consent.granted]

    @display(description="Identities")
    def identity_list(self, shopper: Shopper) -> str:
        identities = [identity.value for identity in shopper.identities.all()]
        more = f" and {len(identities) - 3} more" if len(identities) > 3 else ""
        return ", ".join(identities[:3]) + more or NO_VALUE

    @display(description="Merged into")
    def merged(self, shopper: Shopper) -> SafeString | str:
        return link_to(shopper.merged_into)


class OfShopperAdmin(ReadOnlyAdmin[Any], LongListAdmin[Any]):
    """A list of rows that each belong to a shopper, found by the shopper's ids."""

    personal = True
    list_select_related: ClassVar[tuple[str, ...]] = ("shopper",)
    search_fields = ("shopper__external_id",)  # searched by `get_search_results`
    search_help_text = SHOPPER_SEARCH
    ordering = ("-id",)
    sortable_by = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        return (queryset.filter(self.matches(text)) if text else queryset), False

    def matches(self, text: str) -> Q:
        """Ids rather than joins, so that the indexes of the searched table are used."""
        return Q(shopper__in=find_shopper_ids(text))


@admin.register(Consent)
class ConsentAdmin(OfShopperAdmin):
    """What shoppers allow now. `profiles.consent` alone changes it, and writes the history."""

    list_display = ("shopper", "purpose", "granted", "source", "changed_at")
    list_filter = (
        ("purpose", ChoicesDropdownFilter),
        ("granted", BooleanRadioFilter),
        ("changed_at", DayRangeFilter),
    )
    list_filter_submit = True


@admin.register(ConsentChange)
class ConsentChangeAdmin(OfShopperAdmin):
    """Every grant and withdrawal there was."""

    list_display = (
        "changed_at",
        "shopper",
        "purpose",
        "granted",
        "source",
        "text_version",
        "set_by",
    )
    list_filter = ConsentAdmin.list_filter
    list_filter_submit = True


@admin.register(Session)
class SessionAdmin(OfShopperAdmin):
    list_display = ("external_id", "shopper", "started_at", "last_event_at", "length")
    list_filter = (("started_at", DayRangeFilter),)
    list_filter_submit = True

    @display(description="Length")
    def length(self, session: Session) -> str:
        minutes = (session.last_event_at - session.started_at).total_seconds() / 60
        return f"{minutes:,.0f} min"


@admin.register(Event)
class EventAdmin(OfShopperAdmin):
    """A ledger: staff may read what shoppers did, never write it. Latest arrival first."""

    list_display = (
        *("received_at", "kind_of_event", "shopper", "about", "detail"),
        *("occurred_at", "answers"),
    )
    list_select_related = ("shopper", "item")
    list_filter = (("kind", ChoicesDropdownFilter), ("occurred_at", DayRangeFilter))
    list_filter_submit = True
    search_help_text = "A shopper's id, or an item's external id"
    fields = (
        ("kind", "occurred_at", "received_at"),
        ("shopper", "session"),
        ("item", "quantity"),
        ("value", "currency", "rating", "seconds"),
        ("query", "text"),
        ("decision_id", "context"),
    )

    def matches(self, text: str) -> Q:
        return super().matches(text) | Q(item__in=find_item_ids(text))

    @display(description="Kind", label=EVENT_LABELS)
    def kind_of_event(self, event: Event) -> str:
        return event.get_kind_display()

    @display(description="About")
    def about(self, event: Event) -> SafeString | str:
        if event.item is not None:
            return link_to(event.item)
        return f"“{event.query}”" if event.query else NO_VALUE

    @display(description="Detail")
    def detail(self, event: Event) -> str:
        parts = [
            f"{event.quantity} pieces" if event.quantity > 1 else "",
            f"{event.value:,.2f} {event.currency}" if event.value is not None else "",
            f"{event.rating:g} stars" if event.rating is not None else "",
            f"{event.seconds:,.0f} s" if event.seconds is not None else "",
        ]
        return ", ".join(part for part in parts if part) or NO_VALUE

    @display(description="Answers", label="info")
    def answers(self, event: Event) -> str:
        return "a slate" if event.decision_id else ""


@admin.register(EventImport)
class EventImportAdmin(ReadOnlyAdmin[EventImport], LongListAdmin[EventImport]):
    """Historical logs that were loaded, and on what consent basis."""

    list_display = (
        *("file_name", "purpose_list", "consent_source", "rows", "stored_events", "repeated"),
        *("failed", "started_at", "finished_at"),
    )
    list_filter = (("started_at", DayRangeFilter),)
    list_filter_submit = True

    @display(description="Purposes", label="success")
    def purpose_list(self, event_import: EventImport) -> list[str]:
        return [Purpose(purpose).label for purpose in event_import.purposes]
