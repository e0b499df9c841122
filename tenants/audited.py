"""What every page of the admin writes into the audit trail: changes, and looks at a person's data.

Mixed into `tenants.pages.ModelAdmin` once, so that a new page audits without a word of its own.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse

from tenants.audit import HIDDEN, About, Verb, about_row, record, recorded_here, shown

MOST_IDS = 100
"""Of the rows that an action was run on: beyond it the entry says how many there were."""

OF_A_LIST = frozenset({"q", "p", "o", "all", "_facets", "_popup", "_to_field"})
"""Query parameters of a list that say nothing of whose rows are shown."""

NOTED = "_audit_noted"


class AuditedPages:
    """`personal`: each row tells of one shopper, so reading is recorded, and nothing of what the
    row says is written down. `personal_fields`: the fields of other rows of which that holds."""

    personal: ClassVar[bool] = False
    personal_fields: ClassVar[frozenset[str]] = frozenset()

    # -- Changes ----------------------------------------------------------------------------------

    def construct_change_message(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        add: bool = False,  # noqa: FBT001, FBT002  # Django's
    ) -> Any:
        message = super().construct_change_message(request, form, formsets, add)  # type: ignore[misc]  # of ModelAdmin
        before, after = self._changes(form, formsets, add=add)
        setattr(request, NOTED, (before, after))
        return message

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        entry = super().log_addition(request, obj, message)  # type: ignore[misc]  # of ModelAdmin
        _, after = self._noted(request, message)
        record(Verb.ADDED, self._about(obj), after=after)
        return entry

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        entry = super().log_change(request, obj, message)  # type: ignore[misc]  # of ModelAdmin
        before, after = self._noted(request, message)
        record(Verb.CHANGED, self._about(obj), before=before, after=after)
        return entry

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> Any:
        rows = list(queryset)
        entries = super().log_deletions(request, rows)  # type: ignore[misc]  # of ModelAdmin
        for row in rows:
            fields = [field.name for field in row._meta.concrete_fields]  # noqa: SLF001  # documented
            before = self._shown(model_to_dict(row, fields))
            record(Verb.DELETED, self._about(row), before=before)
        return entries

    # -- Looks ------------------------------------------------------------------------------------

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        response = super().change_view(request, object_id, *args, **kwargs)  # type: ignore[misc]
        if self.personal and request.method == "GET" and response.status_code == 200:
            record(Verb.VIEWED, self._about_id(object_id))
        return response

    def history_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        response = super().history_view(request, object_id, *args, **kwargs)  # type: ignore[misc]
        if self.personal and response.status_code == 200:
            record(Verb.VIEWED, self._about_id(object_id), after={"page": "history"})
        return response

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """What completes a name in a field of another page is looked at, too."""
        match = request.resolver_match
        if self.personal and match is not None and match.url_name == "autocomplete":
            record(Verb.LISTED, self._about_id(""), after={"searched": HIDDEN})
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return rows

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().changelist_view(request, *args, **kwargs)  # type: ignore[misc]
        if self.personal and request.method == "GET" and response.status_code == 200:
            shown_rows = getattr(response, "context_data", None) or {}
            rows = len(shown_rows["cl"].result_list) if "cl" in shown_rows else 0
            record(Verb.LISTED, self._about_id(""), after={"rows": rows, **how_narrowed(request)})
        return response

    # -- Actions ----------------------------------------------------------------------------------

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Django's actions on chosen rows, each recorded unless it records what it does itself."""
        actions: Mapping[str, Any] = super().get_actions(request)  # type: ignore[misc]
        return {
            name: (_recorded_action(run, name, description), name, description)
            for name, (run, _, description) in actions.items()
        }

    # -- What is written down ---------------------------------------------------------------------

    def _about(self, row: Model) -> About:
        return about_row(row, personal=self.personal)

    def _about_id(self, object_id: str) -> About:
        meta = self.model._meta  # type: ignore[attr-defined]  # noqa: SLF001
        name = f"{meta.verbose_name} {object_id}" if object_id else str(meta.verbose_name_plural)
        return About(meta.label_lower, object_id, name)

    def _shown(self, values: Mapping[str, Any]) -> dict[str, Any]:
        hidden = frozenset(values) if self.personal else self.personal_fields
        return shown(values, hidden=hidden)

    def _changes(
        self, form: Any, formsets: Any, *, add: bool
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The changed fields as they were and as they are, of a new row all; rows of other tables
        under the page by their model and id."""
        changed = list(form.cleaned_data if add else form.changed_data)
        before = self._shown({name: form.initial.get(name) for name in changed})
        after = self._shown({name: form.cleaned_data.get(name) for name in changed})
        for formset in formsets or ():
            for row, fields in formset.changed_objects:
                name = _name_of(row)
                initial: dict[str, Any] = next(
                    (each.initial for each in formset.initial_forms if each.instance == row), {}
                )
                before[name] = self._shown({field: initial.get(field) for field in fields})
                after[name] = self._shown({field: getattr(row, field, None) for field in fields})
            for row in formset.new_objects:
                after[_name_of(row)] = "added"
            for row in formset.deleted_objects:
                before[_name_of(row)] = "deleted"
        return before, after

    def _noted(self, request: HttpRequest, message: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the form changed; where no form did, the words of who changed it."""
        noted: tuple[dict[str, Any], dict[str, Any]] | None = getattr(request, NOTED, None)
        if noted is not None and not isinstance(message, str):
            setattr(request, NOTED, None)
            return noted
        return {}, {"note": message} if isinstance(message, str) and message else {}


def recorded_view(run: Callable[..., Any], description: str) -> Callable[..., Any]:
    """A button's view, of which each POST is recorded unless it records what it does itself."""

    @functools.wraps(run)
    def view(admin: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST":
            return run(admin, request, *args, **kwargs)
        with transaction.atomic():
            before = recorded_here()
            response = run(admin, request, *args, **kwargs)
            if recorded_here() == before and response is not None and response.status_code < 400:
                about = admin._about_id(str(kwargs.get("object_id", "")))  # noqa: SLF001  # a page of ours
                record(Verb.RAN, about, after={"action": description})
        return response

    return view


def _recorded_action(run: Callable[..., Any], name: str, description: str) -> Callable[..., Any]:
    @functools.wraps(run)
    def action(admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        if name == "delete_selected":  # asks first, and then logs each deletion
            answer: HttpResponse | None = run(admin, request, rows)
            return answer
        with transaction.atomic():
            before = recorded_here()
            ids = [str(pk) for pk in rows.values_list("pk", flat=True)[: MOST_IDS + 1]]
            answer = run(admin, request, rows)
            if recorded_here() == before:
                chosen: dict[str, Any] = {"action": str(description)}
                if len(ids) > MOST_IDS:
                    chosen["rows"] = f"more than {MOST_IDS}"
                else:
                    chosen["ids"] = ids
                record(Verb.RAN, admin._about_id(""), after=chosen)  # noqa: SLF001  # a page of ours
        return answer

    return action


def _name_of(row: Model) -> str:
    return f"{row._meta.verbose_name} {row.pk}"  # noqa: SLF001  # documented


def how_narrowed(request: HttpRequest) -> dict[str, Any]:
    """How a list was narrowed. What was searched for stays out: it may be a person's address."""
    asked: dict[str, Any] = {"searched": HIDDEN} if request.GET.get("q") else {}
    filters = {
        name: value if str(value).isdecimal() else HIDDEN
        for name, value in request.GET.items()
        if name not in OF_A_LIST and value
    }
    return {**asked, **({"filters": filters} if filters else {})}
