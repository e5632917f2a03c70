"""A study on images, from their folder to answers: promotion on the sealed images, and a model that reads files."""

import csv
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from hpo.driver import start
from hpo.errors import UsageError
from hpo.registry import predicting, promotion
from hpo.study import Study

STUDY: dict[str, Any] = {
    "study": "skies",
    "trainable": "train_fn.images:epochs",
    "objective": {"maximize": "accuracy"},
    "config": {"data": {"folder": "skies", "cache": "cache"}, "max_epochs": 6, "precision": "fp32"},
    "search_space": {"learning_rate": {"log_uniform": [2e-3, 5e-3]}},
    "search": {"searcher": "random", "scheduler": "fifo", "trials": 2},
    "registry": {"model": "skies"},
}


@pytest.fixture
def promoted(folder: Path) -> promotion.Promotion:
    """Days are bright and nights are dark."""
    random = numpy.random.default_rng(0)
    for index in range(90):
        label = ("day", "night")[index % 2]
        image = random.integers(0, 120, (12, 12, 3)) + (120 if label == "day" else 0)
        Path("skies", label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.astype(numpy.uint8)).save(Path("skies", label, f"{index}.png"))
    start(Study.model_validate(STUDY), text="", in_process=True)
    return promotion.promote("skies")


def test_a_model_of_images_is_promoted_and_answers_lists_of_files(promoted: promotion.Promotion) -> None:
    assert promoted.rows == 14 and promoted.test["accuracy"] > 0.9 and promoted.baseline["accuracy"] > 0.9

    Path("skies", "new.csv").write_text("image\nday/0.png\nnight/1.png\n")
    predicting.predict("skies", Path("skies/new.csv"), Path("out.csv"), None, advance=lambda rows, share: None)
    with Path("out.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["image"], row["label"]) for row in found] == [("day/0.png", "day"), ("night/1.png", "night")]
    assert all(float(row["score"]) > 0.5 for row in found)

    Path("skies", "new.csv").write_text("image\nday/0.png\nday/404.png\n")
    with pytest.raises(UsageError, match="images must be there, got none at .*404.png in data row 2"):
        predicting.predict("skies", Path("skies/new.csv"), Path("out.csv"), None, advance=lambda rows, share: None)
    assert not [*Path().rglob("*.pkl")], "nothing that could run code when it is loaded"


def test_a_model_of_images_with_several_labels_tells_each_that_is_likelier_than_not(folder: Path) -> None:
    random, rows = numpy.random.default_rng(0), ["image,label"]
    Path("skies").mkdir()
    for index in range(120):
        labels = [label for label, bit in (("bright", 1), ("warm", 2)) if index & bit]
        image = random.integers(0, 60, (12, 12, 3)) + 90 * ("bright" in labels)
        image[:, :, 0] += 90 * ("warm" in labels)
        Image.fromarray(image.astype(numpy.uint8)).save(f"skies/{index}.png")
        rows.append(f"{index}.png,{'|'.join(labels)}")
    Path("skies/all.csv").write_text("\n".join(rows) + "\n")
    of_several = {"file": "skies/all.csv", "task": "multi_label", "label_separator": "|", "cache": "cache"}
    study = STUDY | {"objective": {"maximize": "f1_micro"}} | {"config": {**STUDY["config"], "data": of_several}}
    start(Study.model_validate(study), text="", in_process=True)
    assert promotion.promote("skies").test["f1_micro"] > 0.9
    predicting.predict("skies", Path("skies/all.csv"), Path("out.csv"), None, advance=lambda rows, share: None)
    with Path("out.csv").open(newline="") as file:
        found = [set(filter(None, row["label"].split("|"))) for row in csv.DictReader(file)]
    right = sum(
        one == set(filter(None, row.partition(",")[2].split("|"))) for one, row in zip(found, rows[1:], strict=True)
    )
    assert right > 0.9 * len(found)
