"""A study on a table, from its file to answers: promotion on the sealed rows, and a model that any process can ask."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from hpo.driver import start
from hpo.errors import UsageError
from hpo.registry import predicting, promotion
from hpo.registry.export import export
from hpo.study import Study
from train_fn.checkpoint import verify

STUDY: dict[str, Any] = {
    "study": "weather",
    "trainable": "train_fn.tabular:epochs",
    "objective": {"maximize": "f1_macro"},
    "config": {"data": {"file": "rows.csv", "cache": "cache"}, "max_iter": 20, "eval_rounds": 5},
    "search_space": {"learning_rate": {"log_uniform": [0.05, 0.5]}},
    "search": {"searcher": "random", "scheduler": {"asha": {"first_rung": 5}}, "trials": 3},
    "registry": {"model": "weather"},
}


def write_rows() -> None:
    """Rain falls where it is damp, and on the hill where it is not: no line parts the two."""
    chance = random.Random(0)
    with Path("rows.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["damp", "place", "label"])
        for _ in range(400):
            damp, place = round(chance.random(), 6), chance.choice(["sea", "hill", "town"])
            rows.writerow([damp, place, "rain" if (damp > 0.5) != (place == "hill") else "sun"])


@pytest.fixture
def promoted(folder: Path) -> promotion.Promotion:
    write_rows()
    start(Study.model_validate(STUDY), text="", in_process=True)
    return promotion.promote("weather")


def predicted(text: str) -> list[dict[str, str]]:
    Path("new.csv").write_text(text)
    predicting.predict("weather", Path("new.csv"), Path("out.csv"), None, advance=lambda rows, share: None)
    with Path("out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_trees_are_promoted_and_answer_files(promoted: promotion.Promotion) -> None:
    assert promoted.rows == 60 and promoted.test["f1_macro"] > 0.9
    assert 0.4 < promoted.baseline["f1_macro"] < promoted.test["f1_macro"]

    found = predicted("id,place,damp\n1,hill,0.1\n2,town,0.1\n3,sea,0.9\n")
    assert [row["label"] for row in found] == ["rain", "sun", "rain"]
    assert list(found[0]) == ["place", "damp", "label", "score"] and float(found[0]["score"]) > 0.5
    [nothing] = predicted("damp,place\n,\n")  # a model of trees answers without any of its columns
    assert nothing["damp"] == "" and nothing["label"] in ("rain", "sun")

    with pytest.raises(UsageError, match="new.csv must have rows to be answered, got none"):
        predicted("damp,place\n")
    assert not [*Path().rglob("*.pkl")], "nothing that could run code when it is loaded"


def test_a_column_that_is_missing_is_told_before_the_model_is_loaded(
    promoted: promotion.Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "load", lambda folder: pytest.fail("it was loaded"))
    with pytest.raises(UsageError, match="new.csv has no column 'damp'; did you mean dmap?"):
        predicted("dmap,place\n0.1,sea\n")


def test_a_file_is_answered_part_by_part(promoted: promotion.Promotion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicting, "ROWS_AT_ONCE", 3)
    text = "place,damp\n" + "".join(f"sea,{row / 10}\n" for row in range(10))
    whole = predicted(text)
    told: list[tuple[int, float]] = []
    predicting.predict("weather", Path("new.csv"), Path("out.csv"), None, lambda *of: told.append(of))
    assert [rows for rows, _ in told] == [3, 3, 3, 1] and told[-1][1] == 1.0
    assert [row["damp"] for row in whole] == [f"{row / 10}" for row in range(10)] and len({*whole[0]}) == 4

    Path("bad.csv").write_text(text + 'hill,0.1,"one too many"\n')
    with pytest.raises(UsageError, match="bad.csv: line 12 must have 2 fields"):
        predicting.predict("weather", Path("bad.csv"), Path("none.csv"), None, lambda *of: None)
    assert not [*Path().glob("none.csv*")], "nothing is half written"


def test_the_model_says_where_it_comes_from_and_is_exported_with_its_card(promoted: promotion.Promotion) -> None:
    import mlflow

    model = mlflow.pyfunc.load_model("models:/weather@champion").metadata
    assert model.signature.inputs.input_names() == ["damp", "place"]
    assert model.metadata["labels"] == ["rain", "sun"] and model.metadata["data_fingerprint"]
    assert json.loads(model.metadata["config"])["max_iter"] == 20

    export("weather", Path("out"))
    verify(Path("out"))
    assert {path.name for path in Path("out").iterdir()} == {
        "README.md", "hpo.json", "model.skops", "requirements.txt", "manifest.json",
    }  # fmt: skip
    assert "scikit-learn==" in Path("out/requirements.txt").read_text()
    card = Path("out/README.md").read_text()
    for said in (
        "into one of 2 classes",
        "60 sealed test rows",
        "| rain | ",
        "a tuned linear model",
        "## Limits",
        "fingerprint",
    ):
        assert said in card
    assert json.loads(Path("out/hpo.json").read_text())["promotion"]["version"] == promoted.version
    with pytest.raises(UsageError, match="must be a new or an empty folder"):
        export("weather", Path("out"))
