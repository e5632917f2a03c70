"""Every count of a file that was spoiled on purpose, and whose faults are known."""

from pathlib import Path
from typing import Any

import pytest

from train_fn.data import CleaningConfig, Prepared, TextDataConfig, prepare

FILE = Path("../shared/data/dirty/chatbot_ko_dirty.csv")
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason=f"needs {FILE}, which is absent here")


def prepared(folder: Path, **fields: Any) -> Prepared:
    return prepare(TextDataConfig(file=str(FILE), cache=str(folder), near_duplicates="ignore", **fields))


def found(prepared: Prepared) -> dict[str, dict[str, Any]]:
    lines = prepared.report["findings"]
    assert len({line["what"] for line in lines}) == len(lines)
    return {line["what"]: line for line in lines}


def test_its_byte_order_mark_is_told(tmp_path: Path) -> None:
    assert prepared(tmp_path).report["encoding"] == {str(FILE): {"encoding": "utf-8", "byte_order_mark": True}}


def test_its_characters_are_counted(tmp_path: Path) -> None:
    assert prepared(tmp_path).report["texts"] == {
        str(FILE): {
            "longest": 20_000,
            "10,000 characters or more": 5,
            "emoji": 50,
            "only emoji": 5,
            "joined emoji (ZWJ)": 11,
            "decomposed letters (not NFC)": 50,
            "comma": 30,
            "double quote": 30,
            "line break": 30,
            "CRLF line break": 5,
            "comma, quote and line break": 10,
        }
    }


def test_each_fault_is_counted_in_its_place(tmp_path: Path) -> None:
    faults = {what: (line["rows"], line["done"], line["examples"]) for what, line in found(prepared(tmp_path)).items()}
    assert faults == {
        "text not in NFC": (50, "rewritten", [15, 25, 59]),
        "blanks around a label": (45, "stripped", [41, 65, 117]),
        "label missing": (60, "dropped", [33, 67, 91]),
        "text missing": (50, "dropped", [18, 22, 71]),
        "repeats another row": (60, "dropped", [168, 175, 184]),
        "same input under several labels": (59, "dropped", [2, 4, 27]),
        "label on one row only": (1, "dropped", [303]),
    }


def test_kinds_of_a_fault_are_counted_apart(tmp_path: Path) -> None:
    details = {what: line["details"] for what, line in found(prepared(tmp_path)).items() if "details" in line}
    assert details == {
        "label missing": {"empty": 48, "blank": 12},
        "text missing": {"empty": 30, "blank": 20},
        "repeats another row": {
            "rows": 115,
            "surplus": 60,  # 20 of them twins that differ in the way their Hangul is written
            "groups": {"2": 50, "3": 5},
            "as written": {"rows": 75, "surplus": 40, "groups": {"2": 30, "3": 5}},
        },
        "same input under several labels": {"inputs": 28, "labels": {"2": 25, "3": 3}},
        "label on one row only": {"labels": ["other"]},
    }


@pytest.mark.parametrize(
    ("kept", "rows"),
    [
        (("duplicates", "conflicts", "single_labels"), 1390),
        (("conflicts", "single_labels"), 1330),
        (("single_labels",), 1271),
        ((), 1270),
    ],
)
def test_each_step_leaves_the_rows_it_should(tmp_path: Path, kept: tuple[str, ...], rows: int) -> None:
    from train_fn.data.cleaning import clean
    from train_fn.data.files import read_file
    from train_fn.data.select import select

    config = TextDataConfig(file=str(FILE), cleaning=CleaningConfig(**dict.fromkeys(kept, "keep")))  # type: ignore[arg-type]
    table = select(read_file("file", str(FILE)).frame, config, str(FILE))
    assert len(table) == 1500
    cleaned, _ = clean(table, config, str(FILE), training=True)
    assert len(cleaned) == rows
    if not kept:
        assert cleaned["label"].value_counts().to_dict() == {"daily": 584, "breakup": 361, "love": 325}
        assert not cleaned["text"].duplicated().any()


def test_twins_are_twins_only_once_they_are_composed(tmp_path: Path) -> None:
    lines = found(prepared(tmp_path, cleaning=CleaningConfig(unicode="keep")))
    assert "text not in NFC" not in lines
    assert lines["repeats another row"]["rows"] == 40


def test_scores_that_are_no_number_are_dropped(tmp_path: Path) -> None:
    score = found(prepared(tmp_path, label="score", task="regression"))
    assert score["label missing"]["rows"] == 40
    assert score["label missing"]["details"] == {"empty": 20, "no number": 20}
    assert score["label infinite"]["rows"] == 20
    assert score["label infinite"]["details"] == {"inf": 10, "-inf": 10}


def test_what_is_left_is_split(tmp_path: Path) -> None:
    whole = prepared(tmp_path)
    assert sum(whole.rows.values()) == 1270
    assert whole.labels == ("breakup", "daily", "love")
