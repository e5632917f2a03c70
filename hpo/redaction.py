"""Keeps keys, tokens and passwords out of everything that is written or shown.

A secret is known by its value (it stands in the environment under a telling name), by its form (`ghp_...`, a URL with a
password, a long random string) or by the name it is given (`api_key: ...`). What stays: hashes, fingerprints, commits
and run ids, which are hexadecimal; paths and names of models, whose characters seldom change between a-z, A-Z and 0-9.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from hpo.secret_forms import ASSIGNED, FLAG, FORM, HEADER, STRONG_NAME, WEAK_NAME

REDACTED = "[redacted]"

Key = tuple[str | int, ...]

RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
HASH = re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{8,}(?![A-Za-z0-9])")
# Of 20 random letters and digits, 12 on average differ in class from their neighbour, fewer than 8 once in 40 times;
# in `sentence-transformers/all-MiniLM-L6-v2` 6 of 34 do
MIN_RANDOM, MIN_CHANGES = 20, 0.4
MOST_LOOKED_AT = 200
MIN_KNOWN = 6  # characters; a shorter password would be found inside of ordinary words
HARMLESS = {"none", "null", "true", "false", "str", "bytes", "optional", "redacted", REDACTED}


def redact(text: str, known: Sequence[str] | None = None) -> str:
    """The text with `[redacted]` for each secret; doing it twice changes nothing more.

    Who has many texts looks for the `known_values` once.
    """
    for value in known_values() if known is None else known:
        text = text.replace(value, REDACTED)
    text = FORM.sub(lambda found: REDACTED + "@" * found[0].endswith("@"), text)
    text = HEADER.sub(rf"\g<header>{REDACTED}", text)
    text = FLAG.sub(rf"\g<flag>{REDACTED}", text)
    text = ASSIGNED.sub(_assigned, text)
    return RANDOM.sub(lambda found: REDACTED if looks_random(found[0]) else found[0], text)


def redacted(value: Any, name: str = "", known: Sequence[str] | None = None) -> Any:
    """Nested plain values with every secret string replaced, by its form or by the name that it stands under.

    Numbers stay: a class may be called `password` and have 12 rows.
    """
    known = known_values() if known is None else known
    if isinstance(value, str):
        return REDACTED if is_secret(name, value) else redact(value, known)
    if isinstance(value, Mapping):
        # a group under a telling name, such as `credentials: {user: a, key: b}`, is secret as a whole
        return {
            redact(key, known) if isinstance(key, str) else key: redacted(
                item, name if _strong(name) else str(key), known
            )
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redacted(item, name, known) for item in value]
    return value


def secrets_in(value: Any, key: Key = ()) -> Iterator[Key]:
    """The places of nested plain values that hold a secret; a number under a telling name is one too."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if redact(str(name)) != str(name):
                yield key
            yield from secrets_in(item, (*key, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from secrets_in(item, (*key, index))
    elif value is not None and not isinstance(value, bool):
        name = next((str(part) for part in reversed(key) if isinstance(part, str)), "")
        strong = any(_strong(str(part)) for part in key)
        if strong and is_secret("password", str(value)) or redacted(value, name) != value:
            yield key


def is_secret(name: str, value: str) -> bool:
    """By the name alone; of a name such as `token`, only a value that is no word."""
    return (_strong(name) and not _is_harmless(value)) or (_weak(name) and is_credible(value))


def is_credible(value: str) -> bool:
    """Whether something called `token` may be a secret, rather than `[PAD]`, 50256 or `tokenizer.eos_token`."""
    is_name = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value)
    has_digit = re.search(r"\d", value)
    return len(value) >= 8 and bool(has_digit) and not (is_name or value.isdigit() or _is_harmless(value))


def looks_random(text: str) -> bool:
    """Letters of both cases and digits, thoroughly mixed."""
    letters = re.sub(r"[^A-Za-z0-9]", "", HASH.sub("", text[:MOST_LOOKED_AT]))
    classes = [character.isdigit() + 2 * character.isupper() for character in letters]
    changes = sum(one != other for one, other in zip(classes, classes[1:], strict=False))
    return len(letters) >= MIN_RANDOM and len(set(classes)) == 3 and changes >= MIN_CHANGES * len(letters)


def known_values() -> list[str]:
    """Values of this environment's variables that are secrets by name, and passwords in its URLs; longest first."""
    found = set()
    for name, value in os.environ.items():
        if is_secret(name, value):
            found.add(value)
        elif "://" in value:
            found.update(re.findall(r"://[^\s/:@]*:([^\s/]+)@", value))
    return sorted((value for value in found if len(value) >= MIN_KNOWN), key=len, reverse=True)


@lru_cache(maxsize=4096)
def _strong(name: str) -> bool:
    return bool(STRONG_NAME.search(name))


@lru_cache(maxsize=4096)
def _weak(name: str) -> bool:
    return bool(WEAK_NAME.search(name))


def _is_harmless(value: str) -> bool:
    """Nothing, a type, or the path of a file: that with credentials is none itself."""
    is_path = value.startswith(("/", "~", "./")) and not looks_random(value)
    return is_path or not value.strip() or value.lower() in HARMLESS


def _assigned(found: re.Match[str]) -> str:
    raw = found["value"]
    value = raw.strip("'\"")
    prose = ":" in found["sign"] and raw == value and value.rstrip(".").isalpha() and value.islower()
    secret = not _is_harmless(value) and not prose if found["strong"] else is_credible(value)
    return found[0].replace(raw, raw.replace(value, REDACTED)) if secret else found[0]
