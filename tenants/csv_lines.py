"""CSV for people: line by line, and with nothing in it that a spreadsheet would run."""

import csv
from collections.abc import Iterable, Iterator, Sequence

RUNNABLE = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins like this for a formula, and the cell is a stranger's
(https://owasp.org/www-community/attacks/CSV_Injection)."""


class Line:
    """What `csv.writer` writes to: the last line, to be handed on."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A CSV file's lines, header first, each as its row is asked for."""
    line = Line()
    writer = csv.writer(line)
    writer.writerow(header)
    yield line.text
    for row in rows:
        writer.writerow(inert(row))
        yield line.text


def inert(cells: Sequence[object]) -> list[str]:
    """The cells as texts that no spreadsheet runs."""
    texts = [str(cell) for cell in cells]
    return [f"'{text}" if text.startswith(RUNNABLE) else text for text in texts]
