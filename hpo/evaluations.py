"""What a report tells beside its metrics, such as the scores of each class, and what it gets wrong: a file per report.

Too large for a row of the ledger, and not needed to go on; kept of a trial's best report and of its last.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpo.redaction import redacted

# of Report.details: label -> scores, rows of counts by true class, bins of confidence, surest mistakes, all answers;
# and of a cross-validation the rows and the confusion of each fold
KEPT = ("classes", "confusion", "calibration", "wrong", "predictions", "folds")


def tables_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a report, as plain values without secrets; empty where it has none."""
    kept = redacted({name: details[name] for name in KEPT if name in details})
    plain: dict[str, Any] = json.loads(json.dumps(kept, default=str))
    return plain


def write(folder: Path, step: int, tables: Mapping[str, Any]) -> None:
    """Whole or not at all; nothing where there are none."""
    if tables:
        folder.mkdir(exist_ok=True)
        temporary = folder / f".{_name(step)}.{os.getpid()}.tmp"
        try:
            temporary.write_text(json.dumps(tables), encoding="utf-8")
            temporary.replace(folder / _name(step))
        finally:
            temporary.unlink(missing_ok=True)


def read(folder: Path, step: int) -> dict[str, Any]:
    """Empty where there is none, or none that can be read."""
    try:
        found = json.loads((folder / _name(step)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(folder: Path, steps: set[int]) -> None:
    """Delete those of other reports."""
    kept = {_name(step) for step in steps}
    for file in folder.glob("evaluation-*.json"):
        if file.name not in kept:
            file.unlink(missing_ok=True)


def _name(step: int) -> str:
    return f"evaluation-{step:04d}.json"
