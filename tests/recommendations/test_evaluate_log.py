"""Any event log in, one line of measured quality out."""

import gzip
import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from recommendations.training.log_evaluation import leave_last_out, split_at
from recommendations.training.log_files import Columns, UnreadableLogError, read_events
from recommendations.training.sequences import Sequences, in_order

DAY = 86_400


def evaluated(path: Path, *options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("evaluate_log", str(path), *options, stdout=out)
    result: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return result


@pytest.fixture
def courses(tmp_path: Path) -> Path:
    """150 learners who each take ten lessons in a row, one a day."""
    random = np.random.default_rng(5)
    lines = ["learner,lesson,started"]
    for learner in range(150):
        first = int(random.integers(0, 50))
        lines += [f"u{learner},lesson-{first + n},{(100 + n) * DAY}" for n in range(10)]
    path = tmp_path / "courses.csv"
    path.write_text("\n".join(lines))
    return path


COLUMNS = ("--user", "learner", "--item", "lesson", "--time", "started")


def test_the_next_lesson_is_foreseen_and_compared_with_popularity(courses: Path) -> None:
    result = evaluated(courses, *COLUMNS, "--compare")
    assert result["asked"] == 150
    assert result["recall_10"] > 0.95
    assert result["ndcg_10"] > 2 * result["compared"]["popularity"]["ndcg_10"]
    assert result["ndcg_10"] > result["compared"]["implicit BM25"]["ndcg_10"]
    assert 0 < result["compared"]["EASE"]["ndcg_10"] <= 1
    assert {"recall_20", "ndcg_20", "coverage_10", "novelty", "popularity_bias"} < set(result)
    assert result["train_cpu_s"] > 0
    assert result["peak_memory_mb"] > 0
    again = evaluated(courses, *COLUMNS, "--compare")
    assert {**again, "train_cpu_s": 0, "peak_memory_mb": 0, "compared": 0} == {
        **result,
        "train_cpu_s": 0,
        "peak_memory_mb": 0,
        "compared": 0,
    }


def test_the_order_of_the_rows_and_the_packing_change_nothing(courses: Path) -> None:
    header, *lines = courses.read_text().splitlines()
    np.random.default_rng(1).shuffle(lines)
    packed = courses.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress("\n".join([header, *lines]).encode()))
    first, second = evaluated(courses, *COLUMNS), evaluated(packed, *COLUMNS)
    for name in ("recall_10", "ndcg_20", "coverage_20", "settings"):
        assert first[name] == second[name]


def test_shoppers_who_buy_again_are_foreseen_where_seen_items_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "again.inter"
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    lines += [
        f"{user}\t{user % 50 + 100 * (turn % 2)}\t1.0\t{turn * DAY}.0"
        for user in range(200)
        for turn in range(8)
    ]
    path.write_text("\n".join(lines))
    kept = evaluated(path, "--keep-seen", "--split", "date", "--days", "3")
    assert kept["asked"] == 200
    assert kept["recall_10"] > 0.99
    with pytest.raises(CommandError, match="nothing to ask"):
        evaluated(path, "--mask-seen", "--split", "date", "--days", "3")
    assert evaluated(path, "--limit-users", "20")["asked"] == 20


def test_rows_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [f"{user};{item};2024-01-{item + 1:02} 10:00" for user in "abcde" for item in range(9)]
    path.write_text(
        "\n".join(["User ID;Product ID;Date", *rows, "x;1", ";1;2024-01-01", "y;2;soon"])
    )
    events = read_events(path, Columns())
    assert (len(events.user), events.left_out, events.dated) == (45, 3, True)
    assert events.users == list("abcde")
    assert int(events.at.min()) == 1_704_103_200
    result = evaluated(path, "--min-user-events", "2", "--min-item-events", "2")
    assert (result["rows_left_out"], result["asked"]) == (3, 5)


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("", Columns(), "is empty"),
        ("one\n1\n", Columns(), "delimiter"),
        ("a,b,c\n1,2,3\n", Columns(), "No column for user and item and time"),
        ("user,item,time\n", Columns(), "No row could be read"),
        ("user,item,time\n1,2,x\n", Columns(), "1 have no user"),
        ("user,item,time\n1,2,3\n", Columns(user="buyer"), "no column 'buyer'"),
        ("1,2,3\n", Columns(user="1", item="2", time="9"), "no column 9"),
    ],
)
def test_a_file_that_is_no_log_is_refused_in_words(
    tmp_path: Path, content: str, columns: Columns, message: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(content)
    with pytest.raises(UnreadableLogError, match=message):
        read_events(path, columns)


def test_a_missing_broken_or_binary_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no file"):
        evaluated(tmp_path / "none.csv")
    packed = gzip.compress(b"user,item,time\n" + b"1,2,3\n" * 5_000)
    for content in (packed[: len(packed) // 2], b"\x00\xff\xfe\xfd" * 100):
        path = tmp_path / "log.csv.gz"
        path.write_bytes(content)
        with pytest.raises(CommandError, match=r"breaks off|not a text|delimiter|No column"):
            evaluated(path)
    path.write_bytes(packed)
    with pytest.raises(CommandError, match="date as"):
        evaluated(path, "--split", "date", "--date", "tomorrow")
    with pytest.raises(CommandError, match="No column"):
        evaluated(path, "--delimiter", "::")


def test_numbered_columns_mean_no_header_and_an_order_has_no_dates(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("\n".join(f"{user} {item} {item}" for user in range(9) for item in range(5)))
    numbered = ("--user", "1", "--item", "2", "--order", "3")
    assert evaluated(path, *numbered)["events"] == 45
    with pytest.raises(CommandError, match="no dates"):
        evaluated(path, *numbered, "--split", "date")


def sequences_of(events: list[tuple[int, int, int]]) -> Sequences:
    columns = np.array(events, dtype=np.int64).T
    return in_order(columns[0], columns[1], columns[2], shoppers=4, items=5, seed=1)


def test_nothing_after_what_is_foreseen_is_known() -> None:
    sequences = sequences_of(
        [(0, 1, 1), (0, 2, 2), (0, 1, 3), (1, 3, 1), (2, 4, 1), (2, 4, 2), (3, 0, 1), (3, 1, 2)]
    )
    masked = leave_last_out(sequences, masked=True)
    # 0 met 2 last for the first time, 1 has one event, 2 only ever had 4.
    assert masked.asked.tolist() == [0, 3]
    assert masked.taken.indices.tolist() == [2, 1]
    assert masked.train.item.tolist() == [1, 3, 4, 4, 0]
    kept = leave_last_out(sequences, masked=False)
    assert kept.asked.tolist() == [0, 2, 3]
    assert kept.taken.indices.tolist() == [1, 4, 1]


def test_a_split_by_date_asks_who_is_known_from_before_it() -> None:
    sequences = sequences_of([(0, 1, 1), (0, 2, 9), (0, 1, 9), (1, 3, 9), (2, 4, 1), (2, 4, 9)])
    masked = split_at(sequences, 5, masked=True)
    assert (masked.asked.tolist(), masked.taken.indices.tolist()) == ([0], [2])
    kept = split_at(sequences, 5, masked=False)
    assert kept.asked.tolist() == [0, 2]
    assert kept.taken.toarray().tolist() == [[0, 1, 1, 0, 0], [0, 0, 0, 0, 1]]
    assert kept.train.item.tolist() == masked.train.item.tolist() == [1, 4]


def test_columns_are_named_where_a_file_has_no_header_and_fields_may_be_parted_by_two_colons(
    courses: Path, tmp_path: Path
) -> None:
    rows = [line.split(",") for line in courses.read_text().splitlines()[1:]]
    path = tmp_path / "ratings.dat.gz"
    path.write_bytes(gzip.compress("\n".join(f"{u}::{i}::5::{at}" for u, i, at in rows).encode()))
    told = evaluated(courses, *COLUMNS)
    found = evaluated(path, "--columns", "user,item,rating,time")
    del told["file"], found["file"]
    for cost in ("train_cpu_s", "peak_memory_mb"):
        del told[cost], found[cost]
    assert found == told
    with pytest.raises(CommandError, match="once"):
        evaluated(path, "--columns", "user,rating,time")
    with pytest.raises(CommandError, match="without a header"):
        evaluated(path, "--columns", "user,item,time", "--user", "1")
