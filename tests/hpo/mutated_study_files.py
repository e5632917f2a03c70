"""Study files that a slip, a bad disk or an enemy has changed: for a test of a minute, and for a long benchmark."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

PROJECT = Path(__file__).parents[2]
# these trainables import torch and scikit-learn themselves, which take more memory and time than all of hpo may
LARGE = ("plain_torch", "scikit_learn")
SOURCES = [path for path in sorted((PROJECT / "search_spaces").glob("*.yaml")) if path.stem not in LARGE]
TOKENS = [
    "[", "]", "{", "}", ":", ": ", ",", "- ", "? ", "'", '"', "&a ", "*a", "!!int ", "! ", "|", ">", "#", "%", "@", "`",
    "\t", "\n", "\r\n", "\n\n", "  ", "---\n", "...\n", "<<: ", "\x00", "\x1b", "\u202e", "\ufeff", "é", "토", "😀",
    "1e999", "-1", "0", "017", "0x1f", ".nan", ".inf", "9" * 30, "null", "~", "true", "on", "''", "[]", "{}",
    "[" * 40, "{a: " * 40, "a" * 5000, "__import__('os')", "../../etc/passwd", "${HOME}", "$(id)", "{{7*7}}",
]  # fmt: skip


@dataclass(frozen=True)
class Mutated:
    kind: str
    source: str
    raw: bytes


def mutated(seed: int) -> Iterator[Mutated]:
    """Without an end, and the same for the same seed."""
    random, texts = Random(seed), {path.name: path.read_text(encoding="utf-8") for path in SOURCES}
    while True:
        name, kind = random.choice(list(texts)), random.choice(list(KINDS))
        text = texts[name]
        if random.random() < 0.5:  # mistakes in comments are none
            text = "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))
        yield Mutated(kind, name, KINDS[kind](text, random))


def bytes_flipped(text: str, random: Random) -> bytes:
    raw = bytearray(text.encode())
    for _ in range(random.randint(1, 4)):
        raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
    return bytes(raw)


def bytes_of_chance(text: str, random: Random) -> bytes:
    raw, at = text.encode(), random.randrange(len(text))
    return raw[:at] + random.randbytes(random.randint(1, 12)) + raw[at:]


def lines_swapped(text: str, random: Random) -> bytes:
    lines = text.splitlines(keepends=True)
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "".join(lines).encode()


def line_left_out(text: str, random: Random) -> bytes:
    lines = text.splitlines(keepends=True)
    del lines[random.randrange(len(lines))]
    return "".join(lines).encode()


def line_repeated(text: str, random: Random) -> bytes:
    lines = text.splitlines(keepends=True)
    lines.insert(random.randrange(len(lines)), random.choice(lines))
    return "".join(lines).encode()


def indented(text: str, random: Random) -> bytes:
    lines = text.splitlines(keepends=True)
    at = random.randrange(len(lines))
    lines[at] = random.choice([" ", "  ", "\t"]) + lines[at] if random.random() < 0.5 else lines[at].lstrip(" ")
    return "".join(lines).encode()


def word_misspelt(text: str, random: Random) -> bytes:
    places = [at for at, letter in enumerate(text) if letter.isalpha()]
    at = random.choice(places)
    new = random.choice(
        ["", text[at] * 2, random.choice("abcdefghijklmnopqrstuvwxyz_ABC0129"), text[at + 1 : at + 2] + text[at]]
    )
    return (text[:at] + new + text[at + 1 :]).encode()


def values_swapped(text: str, random: Random) -> bytes:
    """Two keys get the values of each other, from this file's lines."""
    lines = text.splitlines(keepends=True)
    keyed = [number for number, line in enumerate(lines) if ": " in line and not line.lstrip().startswith("#")]
    one, other = random.choice(keyed), random.choice(keyed)
    (key, _, value), (key2, _, value2) = lines[one].partition(": "), lines[other].partition(": ")
    lines[one], lines[other] = f"{key}: {value2}", f"{key2}: {value}"
    return "".join(lines).encode()


def number_changed(text: str, random: Random) -> bytes:
    places = [at for at, letter in enumerate(text) if letter.isdigit()]
    at = random.choice(places)
    new = random.choice(["", "0", "-", "e", ".", "_", "99999", "e400", "-1", "x"])
    return (text[:at] + new + text[at + random.randint(0, 1) :]).encode()


def cut_off(text: str, random: Random) -> bytes:
    raw = text.encode()
    return raw[: random.randrange(len(raw))]


def cut_out(text: str, random: Random) -> bytes:
    raw, at = text.encode(), random.randrange(len(text))
    return raw[:at] + raw[at + random.randint(1, 20) :]


def token_put_in(text: str, random: Random) -> bytes:
    at = random.randrange(len(text))
    return (text[:at] + random.choice(TOKENS) + text[at:]).encode("utf-8", "surrogatepass")


def value_replaced(text: str, random: Random) -> bytes:
    lines = text.splitlines(keepends=True)
    keyed = [number for number, line in enumerate(lines) if ": " in line and not line.lstrip().startswith("#")]
    at = random.choice(keyed)
    lines[at] = lines[at].partition(": ")[0] + ": " + random.choice(TOKENS) + "\n"
    return "".join(lines).encode("utf-8", "surrogatepass")


KINDS: dict[str, Callable[[str, Random], bytes]] = {
    kind.__name__: kind
    for kind in (
        bytes_flipped,
        bytes_of_chance,
        lines_swapped,
        line_left_out,
        line_repeated,
        indented,
        word_misspelt,
        values_swapped,
        number_changed,
        cut_off,
        cut_out,
        token_put_in,
        value_replaced,
    )
}
