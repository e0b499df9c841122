"""Each benchmark is a command: it starts without Django set up, and says what it takes."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
SCRIPTS = sorted(
    path
    for path in BENCH.glob("*.py")
    if "argparse" in path.read_text(encoding="utf-8") and path.stem != "__main__"
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_says_how_it_is_called(script: Path) -> None:
    done = subprocess.run(
        [sys.executable, script, "--help"],
        cwd=BENCH.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout[:6]) == (0, "usage:"), done.stderr[-2_000:]
