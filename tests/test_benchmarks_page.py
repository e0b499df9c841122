"""docs/benchmarks.md: every benchmark has a target, a script that says how, and a section."""

from pathlib import Path

import pytest

from bench.__main__ import Bench, every_bench, render

ROOT = Path(__file__).resolve().parent.parent
BENCHES = every_bench((ROOT / "Makefile").read_text())


def test_every_target_of_a_benchmark_is_found() -> None:
    targets = [
        line.split(":")[0]
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith("bench-")
    ]
    assert [f"bench-{bench.name}" for bench in BENCHES] == targets


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.name)
def test_a_benchmark_says_how_it_measures_and_how_to_run_it(bench: Bench) -> None:
    assert f"`make bench-{bench.name}`" in bench.script.read_text().partition("\n\n")[0]
    assert bench.protocol()


def test_a_result_becomes_tables_that_a_person_can_read() -> None:
    result = {
        "bench": "quality", "share": 0.37912, "events": 541_909, "complete": True,
        "baselines": {"EASE": {"all": 0.25, "new": 0.1}, "popularity": {"all": 0.1}},
        "by_size": {"20000": [1.25, 2]},
    }  # fmt: skip
    kept = {"date": "2026-11-21", "machine": "2 cores", "result": result}
    page = "\n".join(render(BENCHES[0], kept))
    assert "| share | 0.3791 |\n| events | 541,909 |\n| complete | yes |" in page
    assert "| EASE | 0.25 | 0.1 |\n| popularity | 0.1 |  |" in page
    assert "| 20000 | 1.25 / 2 |" in page
    assert "| bench |" not in page
