"""What a person reads in MLflow beside the numbers: descriptions in Markdown, and tags of the study's own run."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from hpo.account import Account
from hpo.confirmation import winner as chosen
from hpo.front import said
from hpo.history import History
from hpo.redaction import redact
from hpo.study import Study
from hpo.wording import count, short

NOTE = "mlflow.note.content"  # where MLflow's pages show a description
FINGERPRINT = "hpo.data_fingerprint"
MOST_ROWS = 40  # parameters in a description: MLflow takes 8,000 characters
LONGEST_NOTE = 8_000
VIEW = "hpo"  # name of the view
MOST_COMPARED = 10  # trials behind the link to their comparison

CONTEXTS = {"train": "training", "valid": "validation", "test": "test", "unlabelled": "unlabelled"}  # MLflow's words


def of_experiment(study: Study, experiment: str) -> dict[str, str]:
    """Tags of an experiment: its description, and a view of its table. The kind says that it is none of chats."""
    metric = study.objective.metric
    words = f"""\
Studies named **{study.study}**: one run per study, and below it one per trial (the + unfolds them).
[Trials, best first]({link_to_view(experiment)})

- Best first: sort by `best/{metric}`. `{metric}` itself is the last report's, which need not be the best.
- Compare trials: tick some, *Compare*: parallel coordinates, scatter, curves. Parameters are those searched alone.
- Stopped trials are `KILLED` in MLflow; `hpo.state` and `hpo.reason` say what became of each, and why.
- The report on a study is the artifact `report.html` of its run.
"""
    return {
        NOTE: words,
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": view(study),
    }


def view(study: Study) -> str:
    """What MLflow's page shows under a link with this key: value, state, cost and reason, then what was searched."""
    best = f"metrics.`best/{study.objective.metric}`"
    columns = [best, "tags.`hpo.state`", "metrics.`epoch`", "metrics.`cost/seconds`"]
    columns += [f"params.`{name}`" for name in list(study.space)[:MOST_ROWS]] + ["tags.`hpo.reason`"]
    shown = {
        "searchFilter": "tags.`hpo.trial` LIKE '%'",
        "orderByKey": best,
        "orderByAsc": study.objective.sign < 0,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
    }
    return json.dumps(shown)


def link_to_view(experiment: str) -> str:
    return f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW}"


def link_to_comparison(experiment: str, runs: list[str]) -> str:
    chosen, of = quote(json.dumps(runs)), quote(json.dumps([experiment]))
    return f"#/compare-runs?runs={chosen}&experiments={of}"


def of_new_study(study: Study, record: dict[str, Any]) -> dict[str, str]:
    """Tags of the study's own run that never change."""
    environment = record.get("environment", {})
    return {
        "hpo.searcher": study.search.searcher_name,
        "hpo.scheduler": json.dumps(study.search.scheduler),
        "hpo.objective": json.dumps(
            [one.model_dump(exclude_none=True) for one in study.objectives]
            or study.objective.model_dump(exclude_none=True)
        ),
        "hpo.trials": str(study.search.trials),
        "hpo.budget": json.dumps(study.budget.model_dump(exclude_none=True)),
        FINGERPRINT: record.get("data", {}).get("fingerprint", ""),
        "mlflow.source.name": study.trainable,
        "mlflow.source.git.commit": environment.get("git_commit", ""),
        **{f"hpo.version.{name}": environment[name] for name in ("python", "hpo", "torch") if name in environment},
    }


def of_study(study: Study, history: History, account: Account, experiment: str, runs: dict[int, str]) -> str:
    """The study in a few lines, and what was searched with the best value of each. `runs`: ids by number of trial."""
    objective, front = study.objective, history.front(study.aims) if study.objectives else []
    winner = None if study.objectives else chosen(history, objective)
    aims = " and ".join(f"{'maximize' if one.sign > 0 else 'minimize'} `{one.metric}`" for one in study.aims)
    lines = [
        f"**{study.study}**: {aims}; {len(history.ended)} of {count(study.search.trials, 'trial')} ended"
        + (f" ({history.finished})" if history.finished else ""),
        "",
    ]
    best = winner.best(objective) if winner else None
    if winner and best:
        lines += [f"Best: **{short(best.metrics[objective.metric])}** in [trial {winner.number:03d}]"
                  f"(#/experiments/{experiment}/runs/{runs[winner.number]}), "
                  f"report {best.step}", ""]  # fmt: skip
    if front:
        lines += [f"Pareto front of {count(len(front), 'trial')}:", ""]
        lines += [f"- [trial {trial.number:03d}](#/experiments/{experiment}/runs/{runs[trial.number]}): "
                  f"{said(trial, study.aims)}" for trial in front[:MOST_COMPARED] if trial.number in runs]  # fmt: skip
        lines.append("")
    cost = f"Cost: {count(account.epochs, 'epoch')}, {account.seconds / 3600:.3g} hours"
    cost += f", {account.gpu_seconds / 3600:.3g} GPU hours" if account.gpu_seconds else ""
    price = study.budget.price_per_gpu_hour
    lines += [cost + (f", {price * account.gpu_seconds / 3600:.2f} in money" if price else ""), ""]
    ranked = sorted((trial for trial in history.ended if trial.value(objective) is not None and trial.number in runs),
                    key=lambda trial: -objective.sign * (trial.value(objective) or 0.0))  # fmt: skip
    ranked = [trial for trial in front if trial.number in runs] or ranked
    best_ones = [runs[trial.number] for trial in ranked[:MOST_COMPARED]]
    lines += [f"[Trials, best first]({link_to_view(experiment)})"
              + (f" | [the best {len(best_ones)} compared]({link_to_comparison(experiment, best_ones)})"
                 if len(best_ones) > 1 else ""), ""]  # fmt: skip
    lines += ["| searched | range | best |", "| --- | --- | --- |"]
    lines += [
        f"| `{name}` | {_cell(study.search_space[name])} | {_cell(winner.params.get(name, '')) if winner else ''} |"
        for name in list(study.space)[:MOST_ROWS]
    ]
    lines += ["", "Under *Artifacts*: `report.html` (at the end), `study.yaml`, `environment.json`, `data.json`."]
    return redact("\n".join(lines))[:LONGEST_NOTE]


def _cell(value: Any) -> str:
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_none=True, exclude_unset=True)
    text = json.dumps(value, default=str) if isinstance(value, (dict, list)) else short(value)
    return f"`{text.replace('|', '/').replace('`', '')[:120]}`" if text else ""


def tables(evaluation: dict[str, Any]) -> dict[str, str]:
    """Artifacts that MLflow draws as tables: the scores of each class, and who was taken for whom."""
    classes, found = evaluation.get("classes", {}), {}
    if classes:
        names = list(next(iter(classes.values())))
        found["classes.csv"] = _csv(
            [["class", *names], *([label, *scores.values()] for label, scores in classes.items())]
        )
    if matrix := evaluation.get("confusion"):
        head = ["true class / predicted", *classes]
        found["confusion.csv"] = _csv([head, *([label, *row] for label, row in zip(classes, matrix, strict=False))])
    return found


def answers(evaluation: dict[str, Any]) -> dict[str, str]:
    """Artifacts of the winner alone: its answers on validation, and the surest mistakes with their text."""
    found = {}
    if told := evaluation.get("predictions"):
        found["predictions.csv"] = _csv([[*told], *map(list, zip(*told.values(), strict=False))], "{:.6g}")
    if wrong := evaluation.get("wrong"):
        found["wrong.csv"] = _csv([[*wrong[0]], *([*row.values()] for row in wrong)])
    if bins := evaluation.get("calibration"):
        found["calibration.csv"] = _csv([[*bins[0]], *([*row.values()] for row in bins)])
    return found


def _csv(rows: list[list[Any]], number: str = "{:.4g}") -> str:
    text = io.StringIO()
    csv.writer(text).writerows(
        [number.format(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in rows
    )
    return text.getvalue()


def costs(account: Account) -> dict[str, float]:
    """So far, as metrics of the study's own run."""
    found = {"cost/epochs": account.epochs, "cost/hours": account.seconds / 3600}
    return found | ({"cost/gpu_hours": account.gpu_seconds / 3600} if account.gpu_seconds else {})


def data_sets(data: dict[str, Any], study: Study) -> Iterator[Any]:
    """Each split with a digest of all its rows; MLflow's own stops at 10,000 rows and leaves out columns of lists."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    origin = json.dumps(study.config.get("data", {}))
    for split, digest in data.get("fingerprints", {}).items():
        profile = {"num_rows": data["rows"][split], "classes": data["classes"].get(split, {})}
        found = Dataset(
            name=f"{study.study}-{split}", digest=digest, source_type="hpo", source=origin, profile=json.dumps(profile)
        )
        yield DatasetInput(found, [InputTag("mlflow.data.context", CONTEXTS.get(split, split))])
