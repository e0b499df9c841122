"""The admin of what can be recommended: items and offers, and the feeds they come from."""

from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeNumericFilter

import catalog.quality_admin  # registers itself
import catalog.synonym_admin  # noqa: F401  # registers itself
from catalog.error_report import error_report
from catalog.feed_upload import FeedUploadForm
from catalog.feeds.rows import FeedErrorCode
from catalog.item_filters import AvailabilityFilter, DepartmentFilter, EmbeddingFilter
from catalog.item_form import ItemForm, OfferForm
from catalog.item_search import find_items
from catalog.models import FeedImport, FeedRowError, Item, Offer
from catalog.pictures import first_picture
from catalog.tasks import run_feed_import
from catalog.uploads import accept_feed
from tenants.audit import Verb, record
from tenants.pages import (
    NO_VALUE,
    LongListAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    StackedInline,
    action,
    change_address,
    display,
    link,
    list_address,
)
from tenants.tasks import current_schema

EMBEDDING_LABELS = {"up to date": "success", "waiting": "warning"}
STATE_LABELS = {"available": "success", "sold out": "warning", "archived": "danger"}


def in_words(amount: Decimal, currency: str) -> str:
    """A price as people write it, with more than two decimal places only where they say more."""
    cents = round(amount, 2)
    return f"{cents if cents == amount else amount.normalize():,} {currency}"


class OfferInline(StackedInline[Offer, Item]):
    model = Offer
    form = OfferForm
    can_delete = False
    hide_title = True
    readonly_fields = ("refreshed_at",)
    fields = (("price", "sale_price", "currency"), ("cost", "stock", "refreshed_at"))


@admin.register(Item)
class ItemAdmin(LongListAdmin[Item]):
    """Items are archived, not deleted: with an item would go every event about it."""

    form = ItemForm
    inlines = (OfferInline,)
    list_display = ("picture_and_title", "kind", "category", "price", "stock", "state", "embedded")
    list_select_related = ("offer", "embedding")
    list_filter = (
        DepartmentFilter,
        AvailabilityFilter,
        ("kind", ChoicesDropdownFilter),
        ("offer__price", RangeNumericFilter),
        EmbeddingFilter,
    )
    list_filter_submit = True
    search_fields = ("external_id", "title")  # searched by `get_search_results`
    search_help_text = "Start of the external id, or words of the title"
    ordering = ("-id",)
    actions = ("archive_items", "bring_items_back")
    readonly_fields = ("picture", "archived_at", "created_at", "updated_at", "embedding_in_words")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "picture",
                    ("external_id", "kind"),
                    "title",
                    "description",
                    ("brand", "group_id", "language"),
                    "category_path",
                    "available",
                )
            },
        ),
        ("Page and pictures", {"classes": ["tab"], "fields": ("address", "images")}),
        ("Attributes", {"classes": ["tab"], "fields": ("attributes",)}),
        (
            "Record",
            {
                "classes": ["tab"],
                "fields": ("created_at", "updated_at", "archived_at", "embedding_in_words"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Item]:
        # A vector is 512 numbers that no page shows.
        return super().get_queryset(request).defer("embedding__vector")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Item], search_term: str
    ) -> tuple[QuerySet[Item], bool]:
        return find_items(queryset, search_term.strip()), False

    def has_delete_permission(self, request: HttpRequest, obj: Item | None = None) -> bool:
        return False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        for offer in formset.save(commit=False):
            offer.refreshed_at = timezone.now()
            offer.save()

    @admin.action(description="Archive the selected items", permissions=["change"])
    def archive_items(self, request: HttpRequest, queryset: QuerySet[Item]) -> None:
        now = timezone.now()
        archived = queryset.filter(archived_at=None).update(archived_at=now, updated_at=now)
        messages.success(request, f"Archived {archived:,} items: they are no longer recommended.")

    @admin.action(description="Bring the selected items back", permissions=["change"])
    def bring_items_back(self, request: HttpRequest, queryset: QuerySet[Item]) -> None:
        back = queryset.exclude(archived_at=None).update(
            archived_at=None, updated_at=timezone.now()
        )
        messages.success(request, f"Brought {back:,} items back.")

    @display(description="Item", header=True, ordering="title")
    def picture_and_title(self, item: Item) -> list[Any]:
        picture = {
            "path": first_picture(item.images),
            "squared": True,
            "width": 40,
            "height": 40,
        }
        return [item.title, item.external_id, item.title[:2], picture]

    @display(description="Category")
    def category(self, item: Item) -> str:
        return " › ".join(item.category_path) or NO_VALUE

    @display(description="Price", ordering="offer__price")
    def price(self, item: Item) -> SafeString | str:
        offer: Offer | None = getattr(item, "offer", None)
        if offer is None:
            return NO_VALUE
        if offer.sale_price is None:
            return in_words(offer.price, offer.currency)
        return format_html(
            '{} <s class="text-font-subtle-light dark:text-font-subtle-dark">{}</s>',
            in_words(offer.sale_price, offer.currency),
            in_words(offer.price, ""),
        )

    @display(description="Stock", ordering="offer__stock")
    def stock(self, item: Item) -> str:
        offer: Offer | None = getattr(item, "offer", None)
        return NO_VALUE if offer is None or offer.stock is None else f"{offer.stock:,}"

    @display(description="State", label=STATE_LABELS)
    def state(self, item: Item) -> str:
        offer: Offer | None = getattr(item, "offer", None)
        if item.archived_at:
            return "archived"
        if not item.available:
            return "not available"
        return "sold out" if offer and offer.stock == 0 else "available"

    @display(description="Embedding", label=EMBEDDING_LABELS)
    def embedded(self, item: Item) -> str:
        embedding = getattr(item, "embedding", None)
        current = embedding is not None and embedding.updated_at >= item.updated_at
        return "up to date" if current else "waiting"

    @display(description="Embedding")
    def embedding_in_words(self, item: Item) -> str:
        embedding = getattr(item, "embedding", None)
        if embedding is None:
            return "Not embedded yet: a task embeds new and changed items within a minute."
        return (
            f"{self.embedded(item)}, by {embedding.model_version}, {embedding.updated_at:%F %H:%M}"
        )

    @display(description="Picture")
    def picture(self, item: Item) -> SafeString | str:
        address = first_picture(item.images)
        if not address:
            return NO_VALUE
        return format_html('<img class="attune-picture" src="{}" alt="{}">', address, item.title)


class RowErrorInline(ReadOnlyInline[FeedRowError, FeedImport]):
    model = FeedRowError
    fields = ("row", "external_id", "field", "code", "message")
    readonly_fields = fields


@admin.register(FeedImport)
class FeedImportAdmin(LongListAdmin[FeedImport]):
    """Uploading a feed is adding an import; afterwards it is a record."""

    list_display = (
        *("file_name", "content", "format", "state", "rows", "created", "updated", "archived"),
        *("bad_rows", "started_at", "duration"),
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("content", ChoicesDropdownFilter),
        ("format", ChoicesDropdownFilter),
    )
    search_fields = ("file_name",)
    ordering = ("-id",)
    inlines = (RowErrorInline,)
    change_form_before_template = "admin/catalog/feedimport/progress.html"
    actions_detail = ("download_errors", "run_again")
    add_fieldsets = (
        (None, {"fields": ("file", ("content", "format"), "full")}),
        (
            "What its rows leave unsaid",
            {"fields": (("currency", "language", "kind"), ("highest_rating", "link_kind"))},
        ),
        (
            "How it is written",
            {"fields": ("columns", ("decimal_comma", "price_required", "encoding"))},
        ),
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("content", "format", "full"),
                    ("started_at", "finished_at"),
                    "columns",
                    "options",
                )
            },
        ),
    )

    def get_form(
        self, request: HttpRequest, obj: FeedImport | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs.update(form=FeedUploadForm, fields=FeedUploadForm.Meta.fields)
        return super().get_form(request, obj, *args, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context.update(show_save_and_add_another=False, show_save_and_continue=False)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        actions = super().get_actions_detail(request, object_id)  # type: ignore[misc]  # unfold's
        feed_import = self.get_object(request, str(object_id))
        useful = {
            "download_errors": feed_import is not None and feed_import.failed > 0,
            "run_again": feed_import is not None and may_run_again(feed_import),
        }
        return [a for a in actions if any(a.action_name.endswith(n) and useful[n] for n in useful)]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        tenant = request.tenant  # type: ignore[attr-defined]  # set by TenantMiddleware
        return {"currency": tenant.currency, "language": tenant.language}

    def get_inlines(self, request: HttpRequest, obj: FeedImport | None = None) -> Any:
        return self.inlines if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: FeedImport | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: FeedImport | None = None) -> bool:
        return False

    def has_run_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.has_add_permission(request)

    def save_model(self, request: HttpRequest, obj: FeedImport, form: Any, change: Any) -> None:
        accepted = accept_feed(
            form.cleaned_data["file"],
            format=obj.format,
            content=obj.content,
            columns=obj.columns,
            options=obj.options,
            full=obj.full,
        )
        obj.pk, obj.file_name = accepted.pk, accepted.file_name

    def response_add(
        self, request: HttpRequest, obj: FeedImport, post_url_continue: str | None = None
    ) -> HttpResponse:
        messages.success(request, f"“{obj.file_name}” is uploaded; its import has begun.")
        return HttpResponseRedirect(change_address(obj))

    @action(description="Download errors as CSV", url_path="errors", permissions=["view"])
    def download_errors(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        feed_import = self.get_object(request, object_id)
        if feed_import is None:
            raise Http404
        record(Verb.EXPORTED, feed_import, after={"rows": feed_import.failed})
        return StreamingHttpResponse(
            error_report(feed_import.pk, schema=current_schema()),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="import-{feed_import.pk}-errors.csv"'
            },
        )

    @action(
        description="Run again",
        url_path="run-again",
        permissions=["run"],
        dialog={
            "title": "Run this import again?",
            "description": "Items that have not changed since stay as they are.",
            "form_class": None,
            "form_submit_text": "Run again",
        },
    )
    def run_again(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        feed_import = self.get_object(request, object_id)
        if feed_import is None:
            raise Http404
        if not may_run_again(feed_import):
            messages.error(request, "Only a failed import of an uploaded file can be run again.")
        else:
            run_feed_import.delay_on_commit(current_schema(), feed_import.pk)
            messages.success(request, "The import begins again.")
        return HttpResponse(headers={"HX-Redirect": change_address(feed_import)})

    @display(
        description="Status",
        ordering="status",
        label={"Done": "success", "Failed": "danger", "Running": "info", "Waiting": "warning"},
    )
    def state(self, feed_import: FeedImport) -> str:
        return feed_import.get_status_display()

    @display(description="Bad rows", ordering="failed")
    def bad_rows(self, feed_import: FeedImport) -> SafeString | str:
        if not feed_import.failed:
            return "0"
        errors = list_address(FeedRowError, feed_import__id__exact=feed_import.pk)
        return link(errors, f"{feed_import.failed:,}")

    @display(description="Took")
    def duration(self, feed_import: FeedImport) -> str:
        if feed_import.started_at is None or feed_import.finished_at is None:
            return NO_VALUE
        return f"{(feed_import.finished_at - feed_import.started_at).total_seconds():.1f} s"


def may_run_again(feed_import: FeedImport) -> bool:
    return feed_import.status == FeedImport.Status.FAILED and bool(feed_import.file)


class ErrorCodeFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    title = "code"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code.value, code.value.replace("_", " ")) for code in FeedErrorCode]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[FeedRowError]
    ) -> QuerySet[FeedRowError]:
        return queryset.filter(code=self.value()) if self.value() else queryset


@admin.register(FeedRowError)
class FeedRowErrorAdmin(ReadOnlyAdmin[FeedRowError], LongListAdmin[FeedRowError]):
    """Rows that were not imported, of all feeds."""

    list_display = ("row", "external_id", "field", "code", "message", "feed_import")
    list_select_related = ("feed_import",)
    list_filter = (ErrorCodeFilter,)
    search_fields = ("external_id__startswith",)
    search_help_text = "Start of the external id"
    ordering = ("-feed_import", "row", "id")
    sortable_by = ()
