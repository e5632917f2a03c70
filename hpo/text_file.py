"""Reads a study file as text, whatever is given as one: a folder, a pipe, a device, other encodings, too much."""

import os
import re
import stat
import unicodedata
from pathlib import Path

from hpo.errors import UsageError

MAX_BYTES = 1_000_000
MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
# Unseen characters: all that YAML 1.2.2 does not call printable, byte-order marks past the first, and those that turn
# the direction of writing, so that a file reads other than it is (Boucher and Anderson 2021, arXiv:2111.00169)
UNSEEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def read_text(path: Path) -> str:
    """UsageError where it is no readable regular file, is too large, or is no UTF-8 text."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path}: a study file is a regular file, got {_kind(mode)}; give the path of a YAML file")
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such study file; `ls search_spaces` shows those that come with hpo") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; give a file that can") from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path}: a study file has at most {MAX_BYTES:,} bytes, got more; shorten it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = next((name for bytes_, name in MARKS.items() if raw.startswith(bytes_)), None)
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        place, got = (str(path), mark) if mark else (f"{path}:{line}:{column}", f"byte {raw[error.start]:#04x}")
        raise UsageError(f"{place}: must be UTF-8 text, got {got}; save it as UTF-8") from None


def refuse_unseen(text: str, origin: str) -> None:
    """UsageError on the first character that a person would not see in an editor."""
    if found := UNSEEN.search(text):
        before = text[: found.start()]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        name = unicodedata.name(found[0], "a control character").lower()
        raise UsageError(
            f"{origin}:{line}:{column}: holds U+{ord(found[0]):04X}, {name}, which is not to be seen; "
            f'delete it, or write it in double quotes as "\\u{ord(found[0]):04x}"'
        )


def _kind(mode: int) -> str:
    for kind, holds in {"a folder": stat.S_ISDIR, "a pipe": stat.S_ISFIFO, "a socket": stat.S_ISSOCK}.items():
        if holds(mode):
            return kind
    return "a device"
