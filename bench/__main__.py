"""Run benchmarks and write what they measured into docs/benchmarks.md: `make bench`.

`python -m bench` runs every `bench-…` target of the Makefile, `python -m bench serving search` runs
two. The last result of each is kept beside the services of the benchmarks, so that the page is
whole after a run of one.
"""

import argparse
import ast
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "var" / "bench" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
TARGET = re.compile(r"^bench-([a-z-]+):.*?## (.*)$", re.MULTILINE)
SCRIPT = re.compile(r"^bench-([a-z-]+):.*\n(?:\t.*\n)*?\t.*python bench/(\w+)\.py", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark: its target's name, what the Makefile says of it, and its script."""

    name: str
    about: str
    script: Path

    def protocol(self) -> str:
        """How it measures: the docstring of its script without the first line."""
        text = ast.get_docstring(ast.parse(self.script.read_text())) or ""
        return text.partition("\n\n")[2]


def every_bench(makefile: str) -> list[Bench]:
    """The benchmarks of a Makefile's text, in its order."""
    scripts = dict(SCRIPT.findall(makefile))
    return [
        Bench(name, about, ROOT / "bench" / f"{scripts[name]}.py")
        for name, about in TARGET.findall(makefile)
    ]


def run(bench: Bench) -> dict[str, Any]:
    """The JSON that the benchmark printed last.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    command = ["make", "--no-print-directory", f"bench-{bench.name}"]
    last = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    result: dict[str, Any] = json.loads(last)
    return result


def render(bench: Bench, kept: Mapping[str, Any]) -> Iterator[str]:
    """The benchmark's section of the page, as Markdown."""
    result = {key: value for key, value in kept["result"].items() if key != "bench"}
    yield f"## {bench.name}\n\n{bench.about}\n\n{bench.protocol()}\n"
    yield f"`make bench-{bench.name}`, {kept['date']}, {kept['machine']}:\n"
    plain = {key: value for key, value in result.items() if not isinstance(value, dict)}
    if plain:
        yield "| measure | value |\n| --- | --- |"
        yield "\n".join(f"| {words(key)} | {cell(value)} |" for key, value in plain.items()) + "\n"
    for key, value in result.items():
        if isinstance(value, dict) and value:
            yield from table(key, value)


def table(title: str, rows: Mapping[str, Any]) -> Iterator[str]:
    """One table of a dictionary: its keys down, the keys of its values across."""
    if all(isinstance(row, dict) for row in rows.values()):
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        cells = {name: [row.get(column, "") for column in columns] for name, row in rows.items()}
    else:
        columns = ["value"]
        cells = {name: [row] for name, row in rows.items()}
    across = " | ".join(map(words, columns))
    yield f"| {words(title)} | {across} |\n| --- |{' --- |' * len(columns)}"
    yield (
        "\n".join(
            f"| {name} | {' | '.join(cell(value) for value in row)} |"
            for name, row in cells.items()
        )
        + "\n"
    )


def words(key: str) -> str:
    return key.replace("_", " ")


def cell(value: Any) -> str:
    """A value as a reader wants it: figures without noise, lists and tables in a line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " / ".join(cell(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {cell(each)}" for key, each in value.items())
    return str(value)


def machine() -> str:
    """What it ran on, as far as a ratio's reader may want to know."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


def main() -> None:
    benches = every_bench((ROOT / "Makefile").read_text())
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join(each.name for each in benches)
    )
    names = parser.parse_args().names
    if unknown := set(names) - {each.name for each in benches}:
        parser.error(f"There is no benchmark {', '.join(sorted(unknown))}.")
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed = []
    for bench in benches:
        if names and bench.name not in names:
            continue
        print(f"\n== {bench.name}: {bench.about}", flush=True)
        try:
            result = run(bench)
        except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
            print(f"{bench.name}: {error}", file=sys.stderr)
            failed.append(bench.name)
            continue
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        kept = {"date": today, "machine": machine(), "result": result}
        (RESULTS / f"{bench.name}.json").write_text(json.dumps(kept, indent=1))
    write_page(benches)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


def write_page(benches: list[Bench]) -> None:
    """Write docs/benchmarks.md from the kept results."""
    parts = [
        "# Benchmarks\n\nWritten by `make bench`; a section each. A figure of time is a ratio to a "
        "baseline of the same run,\nbecause machines are noisy: compare within a table, never "
        "across runs.\n"
    ]
    for bench in benches:
        path = RESULTS / f"{bench.name}.json"
        if path.exists():
            parts.extend(render(bench, json.loads(path.read_text())))
    PAGE.write_text("\n".join(parts))
    print(f"Written: {PAGE.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
