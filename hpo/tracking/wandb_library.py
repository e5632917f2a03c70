"""The library of Weights & Biases, kept off the network, to one folder, and from telling of this machine.

It keeps one state per process and is led by variables of its environment, so it gets a process of its own: `APART` in
hpo/tracking/views.py. Its runs are written by another process, `wandb-core`, which lives from the first run to `end`.
"""

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

API_KEY = "WANDB_API_KEY"  # not used offline; the filter of secrets knows it by its variable

# Nothing of the machine, its user, its code and its environment, and no thread that looks at any of these
SETTINGS: dict[str, Any] = {
    "mode": "offline",
    "console": "off",
    "silent": True,
    "save_code": False,
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "label_disable": True,
    "sagemaker_disable": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "host": "hpo",
    "symlink": False,
    "use_dot_wandb": False,
    "reinit": "create_new",
}


def keep_to(folder: Path) -> None:
    """Import it such that no variable of a person's holds, it writes nowhere else, and it reports errors to nobody."""
    shutil.rmtree(folder / "cache", ignore_errors=True)  # logs of processes before this one
    for name in [name for name in os.environ if name.startswith("WANDB_") and name != API_KEY]:
        del os.environ[name]
    os.environ |= {f"WANDB_{kind}_DIR": str(folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}
    os.environ |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
    logging.getLogger("wandb").propagate = False  # a dozen lines of each run
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    before, tempfile.tempdir = tempfile.tempdir, str(folder / "tmp")
    try:
        import wandb  # noqa: F401  it makes folders there, which would outlive a process that is killed
    finally:
        tempfile.tempdir = before


def offline_run(root: Path, **told: Any) -> Any:
    """In `root`/wandb, by the arguments of `wandb.init`. It is in its file after `end`, not at its finish."""
    import wandb

    return wandb.init(settings=wandb.Settings(root_dir=str(root), **SETTINGS), **told)


def table(columns: list[str], rows: list[list[Any]]) -> Any:
    import wandb

    return wandb.Table(columns=columns, data=rows)


def end() -> None:
    """Wait until all runs are in their files. RuntimeError where they may not be, as the process has died."""
    import wandb

    try:
        wandb.teardown()
    except (Exception, SystemExit) as error:  # it would end this process with the exit code of that one
        raise RuntimeError(f"wandb's own process has ended: {error!r}") from None
