"""A study cannot read the sealed test split: it is tried, in each way that a trainable has."""

import json
import textwrap
from pathlib import Path

import pytest

from hpo.driver import start
from hpo.errors import StudyFailed
from hpo.results import read
from hpo.study_file import load_study

SPY = """
    from dataclasses import dataclass
    from pathlib import Path

    import pandas as pd

    from train_fn import data
    from train_fn.data import TextDataConfig
    from train_fn.report import Report


    @dataclass(frozen=True, kw_only=True)
    class SpyConfig:
        data: TextDataConfig
        way: str


    def prepare(config):
        return data.prepare(config.data)


    def epochs(config: SpyConfig, resume_from: Path | None = None):
        if config.way == "open":
            found = data.open_test(config.data).texts
        elif config.way == "load":
            splits = data.load(config.data)
            found = [*splits.train.texts, *splits.valid.texts]
        else:
            folder = data.prepare(config.data).folder
            tables = [pd.read_parquet(path) for path in folder.glob("*.parquet")]
            found = [text for table in tables for text in table["text"]]
        Path("seen.txt").write_text("\\n".join(found))
        yield Report(epoch=1, metrics={"score": 1.0})
"""


@pytest.fixture
def study(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(folder))
    Path("spy.py").write_text(textwrap.dedent(SPY))
    rows = [f"text {number} of {label},{label}" for label in ("a", "b") for number in range(50)]
    Path("rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n")

    def build(way: str):
        config = {"data": {"file": "rows.csv", "cache": str(folder / "cache")}, "way": way}
        spec = {
            "study": f"spy-{way}",
            "trainable": "spy:epochs",
            "objective": {"maximize": "score"},
            "config": config,
            "search": {"searcher": "random", "scheduler": "fifo", "trials": 1},
        }
        Path("study.yaml").write_text(json.dumps(spec))
        return load_study(Path("study.yaml"))

    return build


def sealed_texts() -> set[str]:
    """What the test split holds, asked outside of the search."""
    from train_fn import data
    from train_fn.data import TextDataConfig

    return set(data.open_test(TextDataConfig(file="rows.csv", cache=str(Path.cwd() / "cache"))).texts)


@pytest.mark.parametrize("way", ["load", "all tables of the folder"])
def test_what_a_trial_is_given_holds_no_test_row(study, way: str) -> None:
    start(study(way.split()[0]), "", in_process=True)
    assert len(sealed_texts()) == 15 and not sealed_texts() & set(Path("seen.txt").read_text().splitlines())


def test_a_trial_that_opens_the_test_split_fails_and_says_why(study) -> None:
    with pytest.raises(StudyFailed):
        start(study("open"), "", in_process=True)
    [trial] = read("spy-open").history.trials
    assert "the test split must stay sealed during the search, got an attempt to open it" in trial.reason
    assert not Path("seen.txt").exists()
