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
    "hpo/spelling": set(),
    "hpo/objective": set(),
    "hpo/space": set(),
    "hpo/segment": set(),
    "hpo/environment": set(),
    "hpo/paths": {"hpo/errors"},
    "hpo/yaml_source": {"hpo/errors"},
    "hpo/ledger": {"hpo/errors", "hpo/paths"},
    "hpo/history": {"hpo/ledger", "hpo/objective", "hpo/space"},
    "hpo/trainable": {"hpo/spelling", "train_fn"},
    "hpo/schedulers": {"hpo/history", "hpo/objective"},
    "hpo/searchers": {"hpo/history", "hpo/objective", "hpo/space", "hpo/trainable"},
    "hpo/study_file": {
        "hpo/errors",
        "hpo/objective",
        "hpo/paths",
        "hpo/schedulers",
        "hpo/searchers",
        "hpo/space",
        "hpo/spelling",
        "hpo/trainable",
        "hpo/yaml_source",
    },
    "hpo/worker": {"hpo/segment", "hpo/trainable", "train_fn"},
    "hpo/tracking": {
        "hpo/history",
        "hpo/ledger",
        "hpo/paths",
        "hpo/study_file",
        "hpo/trainable",
        "hpo/wording",
        "train_fn",
        "dashboards",
    },
    "hpo/engine": {
        "hpo/history",
        "hpo/ledger",
        "hpo/paths",
        "hpo/schedulers",
        "hpo/searchers",
        "hpo/segment",
        "hpo/study_file",
        "hpo/trainable",
        "train_fn",
    },
    "hpo/executors": {"hpo/engine", "hpo/errors", "hpo/segment", "hpo/study_file", "hpo/worker"},
    "hpo/results": {"hpo/history", "hpo/ledger", "hpo/objective", "hpo/paths", "hpo/study_file"},
    "hpo/retraining": {"hpo/errors", "hpo/results", "hpo/trainable"},
    "hpo/wording": {"hpo/history"},
    "hpo/tables": {"hpo/history", "hpo/results", "hpo/wording"},
    "hpo/preparation": {"hpo/errors", "hpo/history", "hpo/space", "hpo/study_file", "hpo/trainable"},
    "hpo/registry": {
        "hpo/preparation",
        "hpo/study_file",
        "hpo/errors",
        "hpo/history",
        "hpo/ledger",
        "hpo/paths",
        "hpo/results",
        "hpo/spelling",
        "hpo/tracking",
        "hpo/trainable",
        "train_fn",
    },
    "hpo/ui": {"hpo/errors", "hpo/tracking"},
    "hpo/driver": {
        "hpo/preparation",
        "hpo/engine",
        "hpo/environment",
        "hpo/errors",
        "hpo/executors",
        "hpo/history",
        "hpo/ledger",
        "hpo/paths",
        "hpo/study_file",
        "hpo/tracking",
        "hpo/trainable",
    },
    "hpo/cli": {
        "hpo/driver",
        "hpo/errors",
        "hpo/paths",
        "hpo/preparation",
        "hpo/registry",
        "hpo/results",
        "hpo/retraining",
        "hpo/study_file",
        "hpo/tables",
        "hpo/ui",
    },
}

# Each third party lives behind one wall.
WALLS = {
    "ray": {"hpo/executors/ray_tune.py"},
    "optuna": {"hpo/searchers/tpe.py"},
    "mlflow": {"hpo/tracking/mlflow.py", "hpo/tracking/mlflow_model.py", "hpo/registry.py"},
    "torch": {"train_fn"},
    "transformers": {"train_fn", "hpo/tracking/mlflow_model.py"},
    "datasets": {"train_fn/data"},
    "plotly": {"dashboards"},
    "sqlalchemy": {"hpo/ledger.py"},
    "yaml": {"hpo/yaml_source.py"},
    "typer": {"hpo/cli.py"},
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
