"""Who may import whom, and behind which wall each third party stands."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

# A file may import from the places in its row (and from its own folder); anything else is named with file and line.
MAY_IMPORT = {
    "train_fn": {"train_fn"},
    "dashboards": {"dashboards"},
    "hpo/errors": set(),
    "hpo/event": set(),
    "hpo/spelling": set(),
    "hpo/objective": set(),
    "hpo/language": {"hpo/errors", "hpo/korean", "hpo/spelling"},
    "hpo/korean": set(),
    "hpo/help_page": {"hpo/language"},
    "hpo/pareto": set(),
    "hpo/front": {"hpo/history", "hpo/objective", "hpo/pareto"},
    "hpo/domains": set(),
    "hpo/constraints": set(),
    "hpo/space": {"hpo/constraints", "hpo/domains"},
    "hpo/ranges": {"hpo/domains", "hpo/space"},
    "hpo/segment": set(),
    "hpo/cluster": {"hpo/errors", "hpo/ranges"},
    "hpo/storage": {"hpo/errors", "train_fn"},
    "hpo/desk": {"hpo/segment", "hpo/storage", "train_fn"},
    "hpo/shelf": {"hpo/paths", "hpo/storage", "train_fn"},
    "hpo/environment": set(),
    "hpo/paths": {"hpo/errors"},
    "hpo/processes": set(),
    "hpo/secret_forms": set(),
    "hpo/redaction": {"hpo/secret_forms"},
    "hpo/text_file": {"hpo/errors"},
    "hpo/yaml_scalars": set(),
    "hpo/yaml_source": {"hpo/errors", "hpo/text_file", "hpo/yaml_scalars"},
    "hpo/value_faults": {"hpo/spelling", "hpo/yaml_scalars"},
    "hpo/ledger_file": {"hpo/disk_faults", "hpo/errors"},
    "hpo/ledger_server": {"hpo/errors"},
    "hpo/ledger": {"hpo/errors", "hpo/event", "hpo/ledger_file", "hpo/ledger_server", "hpo/redaction"},
    "hpo/study_lock": {"hpo/errors", "hpo/ledger_server", "hpo/paths"},
    "hpo/confirmation": {"hpo/history", "hpo/objective"},
    "hpo/noise_floor": {"hpo/history", "hpo/objective"},
    "hpo/confirming": {"hpo/history", "hpo/noise_floor", "hpo/study"},
    "hpo/history": {"hpo/domains", "hpo/errors", "hpo/event", "hpo/objective", "hpo/pareto"},
    "hpo/trainable": {"hpo/raised", "hpo/spelling", "hpo/value_faults", "train_fn"},
    "hpo/schedulers": {"hpo/domains", "hpo/errors", "hpo/event", "hpo/history", "hpo/objective", "hpo/space"},
    "hpo/simulator": {
        "hpo/domains",
        "hpo/event",
        "hpo/history",
        "hpo/objective",
        "hpo/schedulers",
        "hpo/searchers",
        "hpo/space",
    },
    "hpo/searchers": {
        "hpo/constraints",
        "hpo/domains",
        "hpo/history",
        "hpo/objective",
        "hpo/space",
        "hpo/trainable",
    },
    "hpo/settings": {"hpo/spelling"},
    "hpo/search": {
        "hpo/domains",
        "hpo/event",
        "hpo/objective",
        "hpo/ranges",
        "hpo/schedulers",
        "hpo/searchers",
        "hpo/settings",
        "hpo/space",
        "hpo/spelling",
    },
    "hpo/study": {
        "hpo/budget",
        "hpo/cluster",
        "hpo/constraints",
        "hpo/disk",
        "hpo/divergence",
        "hpo/domains",
        "hpo/errors",
        "hpo/objective",
        "hpo/paths",
        "hpo/ranges",
        "hpo/schedulers",
        "hpo/search",
        "hpo/searchers",
        "hpo/space",
        "hpo/trainable",
        "hpo/value_faults",
    },
    "hpo/space_lint": {"hpo/domains", "hpo/space", "hpo/study", "hpo/trainable"},
    "hpo/dead_knobs": {"hpo/domains", "hpo/space", "hpo/study", "hpo/trainable"},
    "hpo/study_checks": {
        "hpo/constraints",
        "hpo/domains",
        "hpo/errors",
        "hpo/history",
        "hpo/space",
        "hpo/space_lint",
        "hpo/spelling",
        "hpo/study",
        "hpo/trainable",
        "hpo/searchers",
        "hpo/warm_start",
        "hpo/wording",
        "hpo/yaml_source",
    },
    "hpo/study_file": {
        "hpo/paths",
        "hpo/redaction",
        "hpo/spelling",
        "hpo/study",
        "hpo/study_checks",
        "hpo/trainable",
        "hpo/value_faults",
        "hpo/yaml_source",
    },
    "hpo/plain_report": {"train_fn"},
    "hpo/evaluations": {"hpo/redaction"},
    "hpo/raised": {"hpo/redaction", "train_fn"},
    "hpo/worker": {
        "hpo/desk",
        "hpo/disk_faults",
        "hpo/evaluations",
        "hpo/redaction",
        "hpo/plain_report",
        "hpo/raised",
        "hpo/segment",
        "hpo/storage",
        "hpo/trainable",
        "train_fn",
    },
    "hpo/tracking": {
        "hpo/packing",
        "hpo/confirmation",
        "hpo/account",
        "hpo/evaluations",
        "hpo/event",
        "hpo/forecast",
        "hpo/front",
        "hpo/machine",
        "hpo/objective",
        "hpo/history",
        "hpo/ledger",
        "hpo/paths",
        "hpo/processes",
        "hpo/redaction",
        "hpo/reporting",
        "hpo/results",
        "hpo/study",
        "hpo/trainable",
        "hpo/wording",
        "train_fn",
        "hpo/language",
    },
    "hpo/divergence": {"hpo/history", "hpo/objective"},
    "hpo/disk_faults": {"hpo/errors"},
    "hpo/disk": {"hpo/disk_faults", "hpo/errors"},
    "hpo/checkpoints": {
        "hpo/disk",
        "hpo/evaluations",
        "hpo/history",
        "hpo/objective",
        "hpo/paths",
        "hpo/shelf",
        "train_fn",
    },
    "hpo/engine": {
        "hpo/packing",
        "hpo/account",
        "hpo/checkpoints",
        "hpo/confirmation",
        "hpo/confirming",
        "hpo/noise_floor",
        "hpo/disk",
        "hpo/disk_faults",
        "hpo/divergence",
        "hpo/errors",
        "hpo/evaluations",
        "hpo/event",
        "hpo/history",
        "hpo/leases",
        "hpo/ledger",
        "hpo/paths",
        "hpo/preparation",
        "hpo/schedulers",
        "hpo/searchers",
        "hpo/segment",
        "hpo/shelf",
        "hpo/stopping",
        "hpo/study",
        "hpo/trainable",
        "train_fn",
    },
    "hpo/executors": {
        "hpo/packing",
        "hpo/preflight",
        "hpo/disk_faults",
        "hpo/engine",
        "hpo/environment",
        "hpo/errors",
        "hpo/machine",
        "hpo/processes",
        "hpo/segment",
        "hpo/stopping",
        "hpo/study",
        "hpo/worker",
        "train_fn",
    },
    "hpo/stopping": {"hpo/errors"},
    "hpo/packing": {"hpo/domains", "hpo/study"},
    "hpo/measured_run": {"hpo/trainable", "train_fn"},
    "hpo/preflight": {
        "hpo/domains",
        "hpo/machine",
        "hpo/measured_run",
        "hpo/packing",
        "hpo/space",
        "hpo/study",
        "hpo/trainable",
    },
    "hpo/leases": {"hpo/history", "hpo/segment", "hpo/study"},
    "hpo/controls": {"hpo/history", "hpo/objective", "hpo/searchers", "hpo/space"},
    "hpo/warm_start": {
        "hpo/domains",
        "hpo/errors",
        "hpo/history",
        "hpo/objective",
        "hpo/results",
        "hpo/searchers",
        "hpo/space",
        "hpo/study",
    },
    "hpo/results": {
        "hpo/account",
        "hpo/confirmation",
        "hpo/noise_floor",
        "hpo/controls",
        "hpo/errors",
        "hpo/event",
        "hpo/front",
        "hpo/history",
        "hpo/ledger",
        "hpo/objective",
        "hpo/paths",
        "hpo/study",
        "hpo/study_lock",
    },
    "hpo/frames": {
        "hpo/packing",
        "dashboards",
        "hpo/domains",
        "hpo/evaluations",
        "hpo/event",
        "hpo/front",
        "hpo/history",
        "hpo/paths",
        "hpo/redaction",
        "hpo/results",
        "hpo/space",
    },
    "hpo/next_study": {
        "hpo/domains",
        "hpo/errors",
        "hpo/ranges",
        "hpo/results",
        "hpo/study",
        "hpo/study_file",
        "hpo/trainable",
        "hpo/yaml_source",
        "dashboards",
    },
    "hpo/reporting": {
        "hpo/errors",
        "hpo/frames",
        "hpo/next_study",
        "hpo/paths",
        "hpo/results",
        "hpo/spelling",
        "dashboards",
        "hpo/language",
    },
    "hpo/retraining": {"hpo/errors", "hpo/results", "hpo/trainable"},
    "hpo/account": {"hpo/event"},
    "hpo/budget": {"hpo/account", "hpo/objective"},
    "hpo/replay": {
        "hpo/confirmation",
        "hpo/event",
        "hpo/history",
        "hpo/noise_floor",
        "hpo/schedulers",
        "hpo/searchers",
        "hpo/study",
    },
    "hpo/wording": {"hpo/confirmation", "hpo/history", "hpo/language"},
    "hpo/why": {"hpo/controls", "hpo/errors", "hpo/event", "hpo/searchers", "hpo/wording"},
    "hpo/tables": {"hpo/front", "hpo/history", "hpo/language", "hpo/results", "hpo/wording"},
    "hpo/preparation": {
        "hpo/disk",
        "hpo/errors",
        "hpo/history",
        "hpo/packing",
        "hpo/paths",
        "hpo/space",
        "hpo/study",
        "hpo/trainable",
    },
    "hpo/checking": {
        "hpo/packing",
        "hpo/dead_knobs",
        "hpo/domains",
        "hpo/space_lint",
        "hpo/errors",
        "hpo/forecast",
        "hpo/paths",
        "hpo/preparation",
        "hpo/study",
        "hpo/trainable",
        "hpo/wording",
        "hpo/language",
    },
    "hpo/forecast": {
        "hpo/account",
        "hpo/domains",
        "hpo/packing",
        "hpo/preparation",
        "hpo/results",
        "hpo/searchers",
        "hpo/simulator",
        "hpo/study",
        "hpo/wording",
        "hpo/language",
    },
    "hpo/registry": {
        "hpo/preparation",
        "hpo/study",
        "hpo/study_checks",
        "hpo/errors",
        "hpo/history",
        "hpo/language",
        "hpo/ledger",
        "hpo/paths",
        "hpo/results",
        "hpo/spelling",
        "hpo/tracking",
        "hpo/trainable",
        "train_fn",
        "hpo/study_lock",
        "hpo/redaction",
        "hpo/yaml_source",
    },
    "hpo/machine": {"hpo/preparation"},
    "hpo/live": {
        "dashboards",
        "hpo/errors",
        "hpo/forecast",
        "hpo/frames",
        "hpo/history",
        "hpo/ledger",
        "hpo/machine",
        "hpo/paths",
        "hpo/reporting",
        "hpo/results",
        "hpo/study_lock",
        "hpo/tables",
        "hpo/tracking",
        "hpo/language",
    },
    "hpo/watching": {
        "hpo/errors",
        "hpo/forecast",
        "hpo/results",
        "hpo/history",
        "hpo/ledger",
        "hpo/paths",
        "hpo/study",
        "hpo/study_lock",
        "hpo/tracking",
        "hpo/language",
    },
    "hpo/ui": {"hpo/errors", "hpo/language", "hpo/live", "hpo/redaction", "hpo/tracking"},
    "hpo/comparing": {"dashboards", "hpo/account", "hpo/frames", "hpo/results", "hpo/wording"},
    "hpo/doctor": {
        "hpo/confirmation",
        "hpo/disk_faults",
        "hpo/errors",
        "hpo/event",
        "hpo/executors",
        "hpo/history",
        "hpo/ledger",
        "hpo/ledger_file",
        "hpo/ledger_server",
        "hpo/paths",
        "hpo/preparation",
        "hpo/processes",
        "hpo/redaction",
        "hpo/study",
        "hpo/study_lock",
        "hpo/tracking",
        "train_fn",
    },
    "hpo/changes": {
        "hpo/domains",
        "hpo/environment",
        "hpo/errors",
        "hpo/history",
        "hpo/preparation",
        "hpo/space",
        "hpo/study",
        "hpo/trainable",
    },
    "hpo/driver": {
        "hpo/packing",
        "hpo/changes",
        "hpo/stopping",
        "hpo/storage",
        "hpo/checking",
        "hpo/disk_faults",
        "hpo/space_lint",
        "hpo/preparation",
        "hpo/engine",
        "hpo/environment",
        "hpo/errors",
        "hpo/event",
        "hpo/forecast",
        "hpo/executors",
        "hpo/history",
        "hpo/ledger",
        "hpo/paths",
        "hpo/processes",
        "hpo/study",
        "hpo/study_checks",
        "hpo/tracking",
        "hpo/trainable",
        "hpo/study_lock",
        "hpo/warm_start",
        "train_fn",
        "hpo/study_file",
        "hpo/language",
    },
    "hpo/__main__": {"hpo/cli", "hpo/disk_faults", "hpo/errors", "hpo/redaction", "hpo/language"},
    "hpo/cli": {
        "hpo/redaction",
        "hpo/checking",
        "hpo/comparing",
        "hpo/doctor",
        "hpo/driver",
        "hpo/paths",
        "hpo/preparation",
        "hpo/registry",
        "hpo/reporting",
        "hpo/results",
        "hpo/replay",
        "hpo/retraining",
        "hpo/why",
        "hpo/study_file",
        "hpo/tables",
        "hpo/text_file",
        "hpo/watching",
        "hpo/ui",
        "hpo/language",
        "hpo/help_page",
    },
}

# Each third party lives behind one wall.
WALLS = {
    "ray": {
        "hpo/executors/ray_tune.py",
        "hpo/executors/ray_start.py",
        "hpo/executors/ray_cluster.py",
        "hpo/executors/gang.py",
        "hpo/executors/ray_probe.py",
        "hpo/executors/warm_worker.py",
        "hpo/executors/watch.py",
    },
    "optuna": {"hpo/searchers/gaussian_process.py"},
    "pyarrow": {"hpo/storage.py", "train_fn/data"},
    "cmaes": {"hpo/searchers/cma_es.py"},
    "mlflow": {
        "hpo/tracking/mlflow.py",
        "hpo/tracking/mlflow_database.py",
        "hpo/tracking/mlflow_pages.py",
        "hpo/tracking/mlflow_model.py",
        "hpo/tracking/reconcile.py",
        "hpo/live/with_mlflow.py",
        "hpo/registry/answering.py",
        "hpo/registry/versions.py",
    },
    "starlette": {"hpo/live"},
    "prometheus_client": {"hpo/live"},
    "uvicorn": {"hpo/registry/serving.py", "hpo/ui.py"},
    "torch": {"train_fn"},
    "transformers": {"train_fn", "hpo/tracking/mlflow_model.py"},
    "datasets": {"train_fn/data"},
    "altair": {"dashboards"},
    "vl_convert": {"dashboards/page.py"},
    "jinja2": {"dashboards/page.py"},
    "sqlalchemy": {"hpo/ledger.py", "hpo/ledger_file.py", "hpo/ledger_server.py"},
    "yaml": {"hpo/yaml_source.py"},
    "typer": {"hpo/__main__.py", "hpo/cli.py", "hpo/help_page.py"},
    "rensa": {"train_fn/data/near_duplicates.py"},
    "fastapi": {"hpo/registry/serving.py"},
    "packaging": {"hpo/doctor/versions.py"},
    "tensorboardX": {"hpo/tracking/tensorboard.py"},
    "wandb": {"hpo/tracking/wandb_library.py"},
    "psutil": {"hpo/executors/watch.py", "hpo/machine.py", "hpo/processes.py"},
    "pynvml": {"hpo/machine.py"},
    "skops": {"train_fn/saved_estimator.py"},
}


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, dotted module) for every import statement, wherever it stands in the file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the whole name"
            found.append((node.lineno, node.module or ""))
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


SOURCES = sorted(path for folder in ("hpo", "train_fn", "dashboards") for path in (PROJECT / folder).rglob("*.py"))


def place(path: Path) -> str:
    """The row of a file in the table: its folder for those with one, else the file."""
    relative = path.relative_to(PROJECT).with_suffix("")
    if relative.parts[0] != "hpo":
        return relative.parts[0]
    return "/".join(relative.parts[:2])


def module_place(module: str) -> str | None:
    """The row that a module of ours belongs to; None for anything else."""
    parts = module.split(".")
    if parts[0] in ("train_fn", "dashboards"):
        return parts[0]
    return "/".join(parts[:2]) if parts[0] == "hpo" and len(parts) > 1 else None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_file_imports_only_what_its_row_allows(path: Path) -> None:
    row = place(path)
    if row == "hpo/__init__":
        return
    assert row in MAY_IMPORT, f"{row} has no row in MAY_IMPORT; say what it may import"
    for line, module in imports(path):
        target = module_place(module)
        assert target is None or target == row or target in MAY_IMPORT[row], (
            f"{path}:{line}: {row} may not import {module}"
        )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_third_party_stays_behind_its_wall(path: Path) -> None:
    relative = str(path.relative_to(PROJECT))
    for line, module in imports(path):
        wall = WALLS.get(module.split(".")[0])
        inside = wall is None or any(relative == door or relative.startswith(f"{door}/") for door in wall)
        assert inside, f"{path}:{line}: {module} belongs in {sorted(wall or ())}"


def test_the_table_has_no_loop() -> None:
    waiting = {row: allowed - {row} for row, allowed in MAY_IMPORT.items()}
    while waiting:
        ground = [row for row, allowed in waiting.items() if not allowed & waiting.keys()]
        assert ground, f"these import each other in a loop: {sorted(waiting)}"
        for row in ground:
            del waiting[row]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_nothing_is_evaluated_and_no_pickle_is_read(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            forbidden = ("eval", "exec", "pickle.load", "pickle.loads", "yaml.load", "torch.load")
            assert called not in forbidden, f"{path}:{node.lineno}: {called}"
