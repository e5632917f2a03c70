"""What a plain scalar means: the core schema of YAML 1.2.2, section 10.3.2, without what could be read in two ways.

PyYAML resolves by YAML 1.1, where `1e-5` is a string, `on` is true and `12:30` is 750. Here they are a number and two
strings. `0x1F` is 31 and `0o17` is 15; `017` is refused, as it is 15 in YAML 1.1 and 17 in YAML 1.2. Numbers are
finite, whole ones have 64 bits.
"""

import re

DECIMAL = re.compile(r"[-+]?[0-9]+")
OCTAL = re.compile(r"0o[0-7]+")
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.inf|\.nan", re.IGNORECASE)
CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None,
             "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}  # fmt: skip

Scalar = str | int | float | bool | None


def resolve(text: str) -> Scalar:
    """ValueError where the text is a number that cannot be meant."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if DECIMAL.fullmatch(text):
        digits = text.lstrip("+-")
        if digits != "0" and digits.startswith("0"):
            raise ValueError(f"{text} may be octal or not; write {_short(text, digits)}, or quote it")
        return _whole(text, 10)
    if OCTAL.fullmatch(text):
        return _whole(text[2:], 8)
    if HEXADECIMAL.fullmatch(text):
        return _whole(text[2:], 16)
    if FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(f"must be a finite number, got {text}; the largest is 1.8e308")
        return number
    if NOT_FINITE.fullmatch(text):
        raise ValueError(f"must be a finite number, got {text}; leave it out, or quote it if it is a word")
    return text


def _whole(digits: str, base: int) -> int:
    # the length first: reading a million digits takes minutes
    number = int(digits, base) if len(digits) <= 64 else 2**63
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"must be a whole number of 64 bits, got {digits[:40]}; write it as 1e30, or quote it")
    return number


def _short(text: str, digits: str) -> str:
    return ("-" if text.startswith("-") else "") + (digits.lstrip("0") or "0")
