"""README and docs/ say what the code does: settings, addresses, vocabularies, maps and links."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import pytest
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver

from catalog.embedding import EMBEDDERS
from catalog.search.values import Fallback as SearchFallback
from config.celery import app as celery_app
from config.urls import api
from profiles.contract import EventInput, _Event
from profiles.models import EventKind, Purpose
from profiles.signals import SignalKind
from recommendations.fallbacks import Fallback
from recommendations.pipeline.explanation import WORDS
from tenants.models import Scope

ROOT = Path(__file__).resolve().parent.parent
APPS = ("tenants", "catalog", "profiles", "recommendations", "demo", "config")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    + [path for app in APPS for path in (ROOT / app).rglob("*.md")]
)
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

READERS = {"env", "os.environ", "environ"}
"""What the code calls the environment."""


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    rest = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(level)}}} ", rest, maxsplit=1)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row whose first cell names something in code."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def codes(cell: str) -> set[str]:
    return set(re.findall(r"`(.+?)`", cell))


def named(text: str) -> set[str]:
    """Everything that the first cells of the tables name."""
    return {name for row in rows(text) for name in codes(row[0])}


def sources() -> Iterator[Path]:
    yield ROOT / "manage.py"
    for app in APPS:
        yield from sorted((ROOT / app).rglob("*.py"))


def variables_read(source: str) -> set[str]:
    """The environment variables that a module names where it reads or sets the environment."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        argument: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            reads = ast.unparse(node.func.value) in READERS or node.func.attr == "getenv"
            argument = node.args[0] if reads else None
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in READERS:
            argument = node.slice
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            found.add(argument.value)
    return found


def addresses(
    patterns: Sequence[URLPattern | URLResolver], start: str
) -> Iterator[tuple[str, str]]:
    """Each method and path of the API, with the scope that its view asks for."""
    for pattern in patterns:
        path = start + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, path)
            continue
        view = pattern.callback.view_class  # type: ignore[attr-defined]  # a view made of a class
        for method, scope in view.required_scopes.items():
            yield f"{method} {path}", scope


def test_every_environment_variable_is_documented_and_no_other() -> None:
    made = re.findall(r"^(\w+) \?=", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    read = set(made).union(
        *(variables_read(path.read_text(encoding="utf-8")) for path in sources())
    )
    assert {"SECRET_KEY", "PG_BIN_DIR", "PORT"} <= read
    assert named(SETTINGS) == read


def test_every_embedder_is_documented() -> None:
    [row] = [row for row in rows(SETTINGS) if row[0] == "`EMBEDDER`"]
    assert set(EMBEDDERS) <= codes(row[2])


def test_every_address_of_the_api_is_documented_with_its_scope_and_no_other() -> None:
    documented = {
        row[0].strip("`"): row[1].strip("`") for row in rows(section(API, "## Addresses"))
    }
    assert documented == {address: str(scope) for address, scope in addresses(api, "/api/v1/")}


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("### Event kinds", set(EventKind.values)),
        ("### Signal kinds", {str(kind) for kind in SignalKind}),
        ("### Fallbacks", {str(layer) for layer in (*Fallback, *SearchFallback)}),
        ("### Purposes", set(Purpose.values)),
        ("## Scopes", set(Scope.values)),
    ],
)
def test_every_word_of_a_vocabulary_is_documented_and_no_other(
    heading: str, names: set[str]
) -> None:
    assert named(section(API, heading)) == names


def test_what_an_event_needs_and_may_say_is_documented_kind_by_kind() -> None:
    shared = set(_Event.model_fields)
    contract = {}
    for model in get_args(get_args(EventInput)[0]):
        own = {n: f for n, f in model.model_fields.items() if n not in shared | {"kind"}}
        needs = {name for name, field in own.items() if field.is_required()}
        for kind in get_args(model.model_fields["kind"].annotation):
            contract[kind] = needs, own.keys() - needs
    documented = {
        row[0].strip("`"): (codes(row[1]), codes(row[2]))
        for row in rows(section(API, "### Event kinds"))
    }
    assert documented == contract
    events = section(API, "## Events").split("### Event kinds")[0]
    assert named(events) == shared


def test_every_reason_is_documented_as_it_is_worded() -> None:
    table = {row[0].strip("`"): row[1:] for row in rows(section(API, "### Signal kinds"))}
    columns = {"neighbors": 0, "content": 1, "buy_again": 2, "revisit": 2}
    worded = {
        (kind, columns.get(generator, 0)): words.format(title="X", name="X")
        for generator, sentences in WORDS.items()
        for kind, words in sentences.items()
    }
    assert {place: table[place[0]][place[1]] for place in worded} == worded


@pytest.mark.parametrize("app", APPS)
def test_the_map_of_an_app_shows_every_module_and_no_other(app: str) -> None:
    text = (ROOT / app / "README.md").read_text(encoding="utf-8")
    shown = {name.strip("/") for name in named(section(text, "## Map"))}
    shown |= set(re.findall(r"^\| \[`(\w+)/`\]", text, flags=re.MULTILINE))
    folders = [
        path for path in (ROOT / app).iterdir() if path.is_dir() and path.name[0] not in "._"
    ]
    present = {path.stem for path in (ROOT / app).glob("*.py")} - {"__init__", "apps"}
    present |= {path.name for path in folders} - {"management", "migrations", "static"}
    assert {name.partition("/")[0] for name in shown} == present
    inside = {name for name in shown if "/" in name}
    assert all((ROOT / app / f"{name}.py").is_file() for name in inside)


@pytest.mark.parametrize("app", APPS)
def test_every_command_of_an_app_is_in_its_readme(app: str) -> None:
    text = (ROOT / app / "README.md").read_text(encoding="utf-8")
    commands = {name for name, owner in get_commands().items() if owner == app}
    assert all(re.search(rf"`{name}\b", text) for name in commands), commands


def test_every_scheduled_task_is_documented_and_no_other() -> None:
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    scheduled = {entry["args"][0] for entry in celery_app.conf.beat_schedule.values()}
    assert named(section(text, "## What runs when")) == scheduled


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    missing = [t for t in targets if "://" not in t and not (path.parent / t).exists()]
    assert not missing


def test_the_readme_names_only_targets_that_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for path in DOCUMENTS:
        asked = re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(asked) <= targets, path
