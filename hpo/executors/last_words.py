"""What a worker has to say that ends without a report to Tune: left with Ray's head, where the driver looks for it."""

import json
from dataclasses import asdict
from typing import Any

from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_put

from hpo.segment import DiskFailed, Failed, Lost, Segment

NAMESPACE = "hpo"


class LeftItsWord(RuntimeError):
    """Raised by a worker that has done so, to be ended."""


def put_last_word(segment: Segment, word: Lost | Failed | DiskFailed) -> None:
    _internal_kv_put(key(segment), json.dumps([type(word).__name__, asdict(word)]), namespace=NAMESPACE)


def take_last_word(segment: Segment) -> tuple[str, dict[str, Any]] | None:
    """In the driver: kind and fields of what a process that has ended left for it."""
    found = _internal_kv_get(key(segment), namespace=NAMESPACE)
    if found is None:
        return None
    _internal_kv_del(key(segment), namespace=NAMESPACE)
    kind, fields = json.loads(found)
    return kind, fields


def key(segment: Segment) -> str:
    return f"{segment.storage or segment.folder}/{segment.attempt}"
