"""One promotion of a model at a time, of whatever studies; the others wait. The kernel frees the lock of a dead one.

It is a file beside MLflow's database, or for a server in this user's cache: promotions from several machines are not
held apart by it, and the last of them wins.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpo.tracking.mlflow import tracking_uri
from hpo.tracking.mlflow_database import file_of


@contextmanager
def model_lock(model: str) -> Iterator[None]:
    path = _path(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _path(model: str) -> Path:
    uri = tracking_uri()
    if database := file_of(uri):
        return database.with_name(f".{database.name}.{model}.lock")
    return Path("~/.cache/hpo/locks").expanduser() / f"{hashlib.sha256(uri.encode()).hexdigest()[:16]}-{model}"
