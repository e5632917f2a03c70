"""A person's own file, through the command line: searched where it is right, one line before any training where not."""

import gzip
import json
from pathlib import Path

import pytest

from tests.test_main_job import hpo

DATA = Path(__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data, which is absent here")

STUDY = """\
study: own
trainable: train_fn.text:epochs
objective: {{maximize: f1_weighted}}
config:
  data: {data}
  model: tiny
  max_epochs: 1
search_space:
  learning_rate: {{log_uniform: [1.0e-3, 3.0e-3]}}
search: {{searcher: random, scheduler: fifo, trials: 1}}
"""
ROWS = [(f"{topic} number {number}", topic) for number in range(10) for topic in ("sun", "rain")]


def write_study(folder: Path, data: str) -> None:
    (folder / "own.yaml").write_text(STUDY.format(data=data))


def write_csv(path: Path, rows: list[tuple[str, str]], header: str = "text,label") -> None:
    path.write_text("\n".join([header, *(f"{text},{label}" for text, label in rows)]) + "\n", encoding="utf-8")


@needs_data
@pytest.mark.parametrize(("name", "classes"), [("chatbot_ko", 3), ("banking77_en", 77)])
def test_files_already_split_are_searched(folder: Path, name: str, classes: int) -> None:
    files = {split: str(DATA / name / f"{split}.csv") for split in ("train", "valid", "test")}
    write_study(folder, json.dumps({**files, "text": "text", "label": "label", "max_train_rows": 600}))
    checked = hpo(folder, "check", "own.yaml").stdout
    assert "600" in checked and (classes <= 12 or f"{classes - 11} more classes" in checked)
    hpo(folder, "run", "own.yaml", "--in-process")
    shown = json.loads(hpo(folder, "show", "own", "--json").stdout)
    assert [trial["state"] for trial in shown["trials"]] == ["COMPLETE"]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "jsonl", "parquet"])
def test_one_file_of_any_format_is_split_by_seed(folder: Path, suffix: str) -> None:
    import pandas as pd

    frame, path = pd.DataFrame(ROWS, columns=["text", "label"]), folder / f"a.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif suffix == "csv.gz":
        path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    write_study(folder, json.dumps({"file": path.name, "text": "text", "label": "label"}))
    checked = hpo(folder, "check", "own.yaml").stdout
    table = [line.replace("█", "").split() for line in checked.splitlines()]
    assert ["rows", "train", "valid", "test"] in table and ["all", "14", "3", "3"] in table
    assert ["rain", "7", "2", "1"] in table and ["sun", "7", "1", "2"] in table


@pytest.mark.parametrize(
    ("rows", "header", "data", "said"),
    [
        (ROWS, "text,label", '{"file": "a.csv", "text": "txt"}', "text"),
        (ROWS, "sentence,topic", '{"file": "a.csv"}', "sentence, topic"),
        ([(text, "sun") for text, _ in ROWS], "text,label", '{"file": "a.csv"}', "sun"),
        ([], "text,label", '{"file": "a.csv"}', "a.csv"),
        (
            [*ROWS, ("a lonely one", "fog")],
            "text,label",
            '{"file": "a.csv", "cleaning": {"single_labels": "refuse"}}',
            "a label that others have too",
        ),
        (
            [*ROWS, ("no label", "")],
            "text,label",
            '{"file": "a.csv", "cleaning": {"missing_labels": "refuse"}}',
            "label",
        ),
        (ROWS, "text,label", '{"file": "b.csv"}', "b.csv"),
        (ROWS, "text,label", '{"file": "a.csv", "source": "docstrings"}', "exactly one"),
        (ROWS, "text,label", '{"file": "a.csv", "valid_fraction": 1.5}', "`valid_fraction` must be in (0, 1), got 1.5"),
        (ROWS, "text,label", '{"file": "a.csv", "lable": "label"}', "did you mean label?"),
    ],
)
def test_faulty_data_is_one_line_before_anything_is_started(
    folder: Path, rows: list[tuple[str, str]], header: str, data: str, said: str
) -> None:
    write_csv(folder / "a.csv", rows, header)
    write_study(folder, data)
    done = hpo(folder, "run", "own.yaml", expect=2)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr
    assert not (folder / "studies").exists(), "nothing was started"


def test_the_text_of_a_person_never_leaves_its_columns(folder: Path) -> None:
    """Commas, quotes, newlines and Hangul in a text come back from `hpo predict` as they were."""
    import csv

    texts = ['a "quoted", text', "two\nlines", "내일 비가 올까?", "=1+1"]
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *ROWS, *[(text, "rain") for text in texts]])
    write_study(folder, '{"file": "a.csv"}')
    (folder / "own.yaml").write_text((folder / "own.yaml").read_text() + "registry: {model: weather}\n")
    hpo(folder, "run", "own.yaml", "--in-process")
    hpo(folder, "promote", "own")
    hpo(folder, "predict", "weather", "a.csv")
    with (folder / "a.csv.predictions.csv").open(newline="", encoding="utf-8") as file:
        answered = list(csv.DictReader(file))
    assert [row["text"] for row in answered] == [text for text, _ in ROWS] + texts
