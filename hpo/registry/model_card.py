"""A model card (Mitchell et al. 2019, arXiv:1810.03993): what a model is for, how good it is, and how sure that is."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hpo.registry.peer import LINEAR
from hpo.wording import count

TASKS = {
    "classification": "puts each row into one of {count} classes",
    "multi_label": "gives each row none, one or several of {count} labels",
    "regression": "predicts a number for each row",
    "ranking": "scores texts for their query: the higher, the more relevant",
}


def model_card(record: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Markdown. `record`: of the promotion; `about`: what was said when the model was logged."""
    return "\n".join(["---", "library_name: " + _library(about), "---", "", *_lines(record, about)]) + "\n"


def _lines(record: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[str]:
    labels, config = about.get("labels", []), json.loads(about["config"])
    task = TASKS.get(str(about.get("data_task")), "answers each row").format(count=len(labels))
    yield f"# {record['model']}, version {record['version']}"
    yield ""
    yield f"This model {task}. It is trial {record['trial']} of the study `{record['study']}` and was made champion on"
    yield f"{record['at']} by {record['by']}."
    if record["forced"] is not None:
        yield f"It did not pass every gate and was let through because: {record['forced']}"
    yield from _data(about, config)
    yield from _scores(record)
    yield from _limits(record, about)
    yield from _use(record, about)
    yield from ["", "## What made it", "", "```json", json.dumps(config, indent=1, ensure_ascii=False), "```"]


def _data(about: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    yield from ["", "## Data", ""]
    for split, rows in about.get("rows", {}).items():
        fingerprint = about.get("data_fingerprints", {}).get(split)
        yield f"- {split}: {count(rows, 'row')}" + (f", fingerprint `{fingerprint}`" if fingerprint else "")
    yield f"- all splits: fingerprint `{about.get('data_fingerprint') or 'none was told'}`"
    if about.get("labels"):
        yield "- labels, by class id: " + ", ".join(f"{index} = {name}" for index, name in enumerate(about["labels"]))


def _scores(record: Mapping[str, Any]) -> Iterator[str]:
    yield from ["", "## Scores", ""]
    yield f"On validation, by which it was chosen: {record['metric']} {record['validation']:.4f}."
    if found := record["confirmed"]:
        yield f"Trained again on fresh seeds: {found['mean']:.4f}, between {found['low']:.4f} and {found['high']:.4f}."
    if not record["test"]:
        yield "There is no score on rows that no decision has seen."
        return
    yield f"On {record['rows']:,} sealed test rows, opened once and after all was chosen:"
    yield from ["", f"| metric | this model | {record.get('baseline_model', LINEAR)} |", "| --- | ---: | ---: |"]
    for name, value in record["test"].items():
        baseline = record["baseline"].get(name)
        yield f"| {name} | {value:.4f} | {'' if baseline is None else f'{baseline:.4f}'} |"
    if record.get("baseline_is_better"):
        yield from ["", f"By {record['metric']}, {record['baseline_model']} is better on these rows."]
    if record["scores_of_classes"]:
        yield from ["", "F1 of each class, with the range in which it would lie for other rows (96 in 100 times):"]
        yield from ["", "| class | rows | F1 | from | to |", "| --- | ---: | ---: | ---: | ---: |"]
        for one in record["scores_of_classes"]:
            yield (
                f"| {one['label']} | {one['rows']:,} | {one['candidate']:.3f} | {one['low']:.3f} | {one['high']:.3f} |"
            )
    if found := record["measured"]["difference"]:
        yield ""
        yield (
            f"Against the champion before (version {record['previous']}): {found['metric']} {found['gain']:+.4f}, "
            f"between {found['low']:+.4f} and {found['high']:+.4f} by a paired bootstrap of the sealed rows."
        )


def _limits(record: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[str]:
    yield from ["", "## Limits", ""]
    yield "- The scores hold for rows drawn like those above; on those of another origin they say little."
    if about.get("labels"):
        given = "any number of them" if about.get("data_task") == "multi_label" else "one of them"
        yield f"- It knows {count(len(about['labels']), 'label')}, and gives {given} to whatever it is asked."
    weak = [one for one in record["scores_of_classes"] if one["rows"] < 30]
    if weak:
        yield f"- Of {', '.join(one['label'] for one in weak)} there were fewer than 30 test rows."
    if record["measured"]["calibration_error"] is not None:
        error = record["measured"]["calibration_error"]
        yield f"- Its probabilities are off by {error:.3f} on the average (expected calibration error)."
    yield "- A model can remember what it was trained on: who may read it may read some of the data."


def _use(record: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[str]:
    yield from ["", "## How to run it", "", "Versions that it was made with: `requirements.txt`.", "", "```python"]
    if _library(about) == "transformers":
        kind = "image-classification" if "image_column" in about else "text-classification"
        yield "from transformers import pipeline"
        yield ""
        told = f", top_k={len(about['labels'])}" if about.get("data_task") == "multi_label" else ""
        yield f'pipeline("{kind}", model="THIS FOLDER"{told})(["..."])'
    else:
        yield "from train_fn.saved_estimator import load_estimator  # reads no pickle"
        yield ""
        yield 'load_estimator(Path("THIS FOLDER/model.skops")).predict(columns)'
    yield from ["```"]
    if record["measured"]["latency_ms"] is not None:
        yield ""
        measured = record["measured"]
        yield f"It takes {measured['latency_ms']:.1f} ms for one row and {measured['size_mb']:.3g} MB."


def _library(about: Mapping[str, Any]) -> str:
    return "transformers" if {"text_column", "image_column"} & about.keys() else "sklearn"
