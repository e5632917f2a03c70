"""`hpo predict`: a champion's answer for each row of a file of any size, which is read and written part by part."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo.errors import UsageError
from hpo.registry.answering import champion_files, load
from hpo.spelling import did_you_mean
from train_fn.data.streaming import rows_of
from train_fn.errors import DataError

ROWS_AT_ONCE = 256
NUMBERS = ("regression", "ranking")  # tasks whose answer is a number, which has no probability


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What of a table a model is asked, by what was said of the model when it was logged."""

    cells: Any  # as they stand in the file: written beside the answers
    asked: Any  # as the model wants them


def predict(model: str, file: Path, out: Path, text: str | None, advance: Callable[[int, float], None]) -> int:
    """Write what was asked, the label and, of classes, its score for each row of a file; how many rows there were.

    `advance` is told how many rows were added, and which share of the file is done.
    """
    if not out.parent.is_dir():
        raise UsageError(f"{out} cannot be written: there is no folder {out.parent}; make it, or choose another --out")
    parts = _parts(file)
    first = next(parts, None)
    if first is None:
        raise UsageError(f"{file} must have rows to be answered, got none; add some below the header")
    temporary = out.with_name(out.name + ".tmp")
    count = 0
    with champion_files(model) as (folder, about):
        ask(first[0], about, file, text)  # its faults are told before the model is loaded, which takes seconds
        loaded = load(folder)
        try:
            with temporary.open("w", encoding="utf-8", newline="") as target:
                writer = csv.writer(target)
                for table, share in _chained(first, parts):
                    asking = ask(table, about, file, text, count)
                    answers = answered(loaded, asking.asked, about)
                    if count == 0:
                        writer.writerow((*asking.cells, *answers))
                    both = zip(asking.cells.itertuples(index=False), answers.itertuples(index=False), strict=True)
                    writer.writerows((*row, *answer) for row, answer in both)
                    count += len(answers)
                    advance(len(answers), share)
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    return count


def ask(table: Any, about: dict[str, Any], file: Path, text: str | None = None, before: int = 0) -> Asking:
    """`before`: rows of the file in front of these."""
    import pandas as pd

    if "columns" in about:
        cells = _columns(file, table, about["columns"])
        return Asking(cells=cells, asked=_with_numbers(cells, about["columns"]))
    if "image_column" in about:
        paths = _texts(file, table, text or about["image_column"])
        return Asking(cells=pd.DataFrame({"image": paths}), asked=_images(file, paths, before))
    texts = _texts(file, table, text or about.get("text_column", "text"))
    return Asking(cells=pd.DataFrame({"text": texts}), asked=texts)


def answered(loaded: Any, asked: Any, about: dict[str, Any]) -> Any:
    """A table with `label` and, of classes, `score`; of several labels both are joined as those of the data are."""
    import pandas as pd

    answers = loaded.predict(asked)
    if about.get("data_task") == "multi_label":
        return _several(answers, json.loads(about["config"])["data"]["label_separator"])
    if "image_column" in about:  # MLflow gives label and score as one dict
        answers = pd.DataFrame(answers[0].tolist())
    if "score" in answers and about.get("data_task") in NUMBERS:  # a pipeline calls its only output LABEL_0
        answers = pd.DataFrame({"label": answers["score"]})
    return answers.round(6)


def _several(answers: Any, separator: str) -> Any:
    """Of each row the labels that are likelier than not, the likeliest first; a row may have none."""
    import pandas as pd

    rows = [[one for one in row if one["score"] > 0.5] for row in answers.itertuples(index=False)]
    return pd.DataFrame(
        {
            "label": [separator.join(one["label"] for one in row) for row in rows],
            "score": [separator.join(f"{one['score']:.6g}" for one in row) for row in rows],
        }
    )


def _parts(file: Path) -> Iterator[tuple[Any, float]]:
    try:
        yield from rows_of("FILE", str(file), ROWS_AT_ONCE)
    except DataError as error:
        raise UsageError(str(error)) from None


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _texts(file: Path, table: Any, column: str) -> list[str]:
    if column not in table.columns:
        raise UsageError(
            f"{file} has no column {column!r}{did_you_mean(column, map(str, table.columns))}; name it with --text"
        )
    return [str(text) for text in table[column]]


def _images(file: Path, paths: list[str], before: int) -> list[str]:
    """From the folder of their list on, as in training."""
    found = [file.absolute().parent / path for path in paths]
    for row, path in enumerate(found, start=before + 1):
        if not path.is_file():
            raise UsageError(f"{file}: images must be there, got none at {path} in data row {row:,}; correct the path")
    return [str(path) for path in found]


def _columns(file: Path, table: Any, kinds: dict[str, str]) -> Any:
    """The columns that the model was trained on, as the file has them."""
    for name in kinds:
        if name not in table.columns:
            raise UsageError(f"{file} has no column {name!r}{did_you_mean(name, map(str, table.columns))}")
    return table[[name for name in table.columns if name in kinds]]


def _with_numbers(cells: Any, kinds: dict[str, str]) -> Any:
    """A file of text holds words alone; what is no number counts as missing."""
    import pandas as pd

    numbers = [name for name in cells if kinds[name] == "number"]
    return cells.assign(**{name: pd.to_numeric(cells[name], errors="coerce").astype(float) for name in numbers})
