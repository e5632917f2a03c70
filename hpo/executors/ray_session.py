"""The private folder of one Ray session: its token, its sockets and its logs, which hold what trainables print.

Ray's own places are open to every user of the machine: its token file is written with mode 0644, the folders in
/tmp/ray with 0777. And it listens on all interfaces, whatever address it is given: the token is all that guards it.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from hpo.errors import UsageError
from hpo.processes import end, of

# not TMPDIR: the path of a Unix socket has at most 107 bytes, and Ray appends 80
PLACE, PREFIX = Path("/tmp"), "hpo-ray-"
OWNER = "study"  # file that names the study's folder


@contextmanager
def private_session(study: Path) -> Iterator[Path]:
    """A new folder of mode 0700, deleted at the end; Ray is to keep what it has in a folder below."""
    with cluster_session(study) as folder:
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(_token())
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        os.environ.pop("RAY_AUTH_TOKEN", None)  # would come first
        yield folder


@contextmanager
def cluster_session(study: Path) -> Iterator[Path]:
    """The same for what the driver itself keeps; Ray's folder and token are the cluster's."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
    try:
        (folder / OWNER).write_text(str(study))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refuse_open_ray() -> None:
    """UsageError where the environment tells Ray to let anybody in."""
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode != "token":
        raise UsageError(
            f"RAY_AUTH_MODE must be token, got {mode}; unset it: without a token, everybody who reaches this machine "
            "can run code as you"
        )


def folders() -> dict[Path, Path]:
    """Session folders of this user, each with the folder of its study; of a killed driver they stay behind."""
    found = {}
    for folder in PLACE.glob(f"{PREFIX}*"):
        try:
            if folder.lstat().st_uid == os.getuid() and folder.is_dir() and not folder.is_symlink():
                found[folder] = Path((folder / OWNER).read_text())
        except OSError:  # deleted meanwhile
            continue
    return found


def clear(study: Path) -> None:
    """End and delete what killed drivers of the study left of Ray; only under its lock."""
    old = [folder for folder, owner in folders().items() if owner == study]
    end(of(study, *old))
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _token() -> str:
    """One for the life of this process: Ray reads it once."""
    return secrets.token_hex(32)
