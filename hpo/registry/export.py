"""`hpo export`: a champion as a folder without MLflow: `from_pretrained` loads it, and a person reads it."""

import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hpo.errors import UsageError
from hpo.registry import versions
from hpo.registry.model_card import model_card
from hpo.registry.model_files import metadata
from hpo.registry.trained_files import lay_out
from train_fn.checkpoint import seal_all

ABOUT = "hpo.json"  # where the model comes from, and every number of its promotion


def export(model: str, to: Path) -> Path:
    """The folder appears whole or not at all. UsageError where there is something in its place."""
    if os.path.lexists(to) and (to.is_symlink() or not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"{to} must be a new or an empty folder, got one that holds something; choose another --to")
    if not to.absolute().parent.is_dir():
        raise UsageError(f"{to} cannot be written: there is no folder {to.absolute().parent}; make it first")
    with versions.mlflow_errors("nothing is exported"):
        champion = versions.required_champion(model)
        with (
            versions.files(champion) as folder,
            TemporaryDirectory(prefix=f".{to.name}.", suffix=".tmp", dir=to.absolute().parent) as scratch,
        ):
            about, record = metadata(folder, champion.in_words), versions.record(champion)
            new = Path(scratch, "new")
            lay_out(folder, new)
            if (new / "model").is_dir():  # from_pretrained wants its files at the top
                shutil.copytree(new / "model", new, dirs_exist_ok=True)
                shutil.rmtree(new / "model")
            shutil.copy2(folder / "requirements.txt", new)
            (new / ABOUT).write_text(json.dumps({**about, "promotion": record}, indent=1) + "\n", encoding="utf-8")
            (new / "README.md").write_text(model_card(record, about), encoding="utf-8")
            seal_all(new)
            new.replace(to)
    return to
