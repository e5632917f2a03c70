"""What a study ran on: enough to tell why the same file gave another result elsewhere."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("hpo", "torch", "transformers", "tokenizers", "ray", "optuna", "mlflow", "scikit-learn", "numpy", "pandas")

# those that decide what a trial learns and which is tried next
LIBRARIES = ("python", "hpo", "torch", "transformers", "tokenizers", "optuna", "scikit-learn", "numpy", "pandas")

EXPECTED = "HPO_LIBRARIES"  # variable of a worker's environment: those of its driver


def libraries() -> dict[str, str]:
    """The versions here of those that results rest on."""
    return {name: platform.python_version() if name == "python" else _version(name) for name in LIBRARIES}


def expected() -> dict[str, str]:
    """In a worker: the libraries that its driver has; empty where it is on the driver's own machine."""
    versions: dict[str, str] = json.loads(os.environ.get(EXPECTED, "{}"))
    return versions


def differing(driver: Mapping[str, str]) -> str:
    """In words, the first library of another version than the driver's; empty where there is none."""
    has = libraries()
    return next((f"{name} {has[name]}, the driver {is_}" for name, is_ in driver.items() if has[name] != is_), "")


def describe() -> dict[str, str]:
    """Versions, processor count and the git commit of the working directory; never a variable of the environment."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": str(os.cpu_count()),
        "git_commit": _git_commit(),
        **{package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _git_commit() -> str:
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
