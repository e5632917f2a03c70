"""What the texts hold that tokenizers, spreadsheets and line-wise readers stumble over."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

LONG = 10_000  # characters; more than any tokenizer keeps
ZWJ = "\u200d"  # zero-width joiner: makes one emoji of several
EMOJI = re.compile("[\u231a-\u23ff\u25aa-\u27bf\u2934-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")
# variation selectors, keycaps and tags, which only stand beside an emoji
AROUND_EMOJI = re.compile(f"[{ZWJ}\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f\\s]")

HOLDS: dict[str, Callable[[str], bool]] = {
    "emoji": lambda text: bool(EMOJI.search(text)),
    "only emoji": lambda text: not AROUND_EMOJI.sub("", EMOJI.sub("", text)) and bool(EMOJI.search(text)),
    "joined emoji (ZWJ)": lambda text: ZWJ in text and bool(EMOJI.search(text)),
    "decomposed letters (not NFC)": lambda text: not unicodedata.is_normalized("NFC", text),
    "comma": lambda text: "," in text,
    "double quote": lambda text: '"' in text,
    "line break": lambda text: "\n" in text or "\r" in text,
    "CRLF line break": lambda text: "\r\n" in text,
    "comma, quote and line break": lambda text: "," in text and '"' in text and ("\n" in text or "\r" in text),
    f"{LONG:,} characters or more": lambda text: len(text) >= LONG,
}


def characters(texts: Iterable[Any]) -> dict[str, int]:
    """How many texts hold each of these, and the length of the longest; what is none of them is left out."""
    known: Sequence[str] = [text for text in texts if isinstance(text, str)]
    plain = re.compile(r"[^\"\n\r,\x80-\U0010ffff]*")  # most texts hold none of all this: one look tells
    special = [text for text in known if len(text) >= LONG or not plain.fullmatch(text)]
    counts = {name: sum(map(holds, special)) for name, holds in HOLDS.items()}
    return {"longest": max(map(len, known), default=0)} | {name: count for name, count in counts.items() if count}
