"""Which encoding a text file is in, and whether it is a text file that memory can hold."""

import codecs
import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from train_fn.errors import DataError

MIB = 2**20
CHUNK = MIB  # bytes looked at together; even, or the halves of UTF-16 would change places
LONGEST_LINE = 64 * MIB  # bytes; beyond, there is a file without line ends, and memory would have to hold all of it
EXPANSION = 200  # times its packed size; text and tables are packed to a tenth, seldom to a fiftieth
EXPANDED = 1024 * MIB  # bytes; a small file may expand as it likes
MARKS = (  # in this order: the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF-": "a PDF",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "an Excel file or another zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
}
COMMON_HANGUL = re.compile(rb"[\xb0-\xc8][\xa1-\xfe]")  # the 2,350 syllables of KS X 1001, nearly all of Korean text
ASCII = bytes(range(128))


def find_encoding(path: Path, wanted: str) -> tuple[str, bool]:
    """The encoding's name in Python and whether the file begins with a byte-order mark.

    `wanted` is auto or the name of an encoding. Automatic is what the mark says, else UTF-8, else CP949, in which
    Windows and Excel write Korean. Raises DataError where the file reads as none of these, or is no text.
    """
    with open_bytes(path) as file:
        head = file.read(16)
    refuse_other_kinds(head, path)
    marked = next((encoding for mark, encoding in MARKS if head.startswith(mark)), None)
    if wanted == "auto" and marked is None:
        return likely_encoding(path), False
    if wanted != "auto" and marked is not None and not codec_name(wanted).startswith(marked):
        raise DataError(f"{path}: begins with the mark of {marked}, but `encoding` says {wanted}; leave it out")
    encoding = marked or codec_name(wanted)
    if not reads_as(path, encoding):
        raise DataError(f"{path}: must be in {encoding}, but does not read so; name another `encoding`")
    return encoding, marked is not None


def likely_encoding(path: Path) -> str:
    if reads_as(path, "utf-8"):
        return "utf-8"
    if reads_as(path, "cp949") and is_korean(path):
        return "cp949"
    raise DataError(f"{path}: must be in UTF-8 or CP949, reads as neither; name its `encoding`, such as cp1252")


def codec_name(wanted: str) -> str:
    try:
        " ".encode(wanted)  # refuses codecs that are not of text, such as zlib
        return codecs.lookup(wanted).name.removesuffix("-sig")
    except (LookupError, ValueError):
        raise DataError(f"`encoding` must be auto or one that Python knows, got {wanted!r}; try cp949") from None


def reads_as(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    wide = encoding.startswith(("utf-16", "utf-32"))
    try:
        for chunk in chunks(path):
            if not wide and b"\0" in chunk:
                refuse_nul(chunk, path)
            if "\0" in decoder.decode(chunk):
                raise DataError(f"{path}: must be text, got NUL characters; write it anew")
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def is_korean(path: Path) -> bool:
    """Whether what is not ASCII is mostly common Hangul.

    Nearly all bytes read as CP949: Windows' curly apostrophe and a letter, as in "it's", as a rare syllable.
    """
    korean = foreign = 0  # bytes
    for chunk in chunks(path):
        foreign += len(chunk.translate(None, delete=ASCII))
        korean += 2 * len(COMMON_HANGUL.findall(chunk))
    return 2 * korean >= foreign


def refuse_other_kinds(head: bytes, path: Path) -> None:
    kind = next((kind for signature, kind in SIGNATURES.items() if head.startswith(signature)), None)
    if kind is not None:
        raise DataError(f"{path}: must be text, looks like {kind}; name it as what it is, or save it as text")


def refuse_nul(chunk: bytes, path: Path) -> None:
    first, second = chunk[::2].count(0), chunk[1::2].count(0)
    if max(first, second) > max(8 * min(first, second), len(chunk) / 20):
        likely = "utf-16-be" if first > second else "utf-16-le"
        raise DataError(f"{path}: looks like UTF-16 without its mark; set `encoding: {likely}`")
    raise DataError(f"{path}: must be text, got NUL bytes; it may be a binary file, or cut short by a crash")


def chunks(path: Path) -> Iterator[bytes]:
    """All of the file, unpacked; ends with a DataError where it could fill memory."""
    packed, expanded, line = path.stat().st_size, 0, 0
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            expanded += len(chunk)
            check_expansion(expanded, packed, path)
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            line = line + len(chunk) if end < 0 else len(chunk) - end - 1
            if line > LONGEST_LINE:
                raise DataError(
                    f"{path}: a line must have at most {LONGEST_LINE / MIB:g} MiB, got more without a line end; "
                    "write one row per line"
                )
            yield chunk


def check_expansion(expanded: int, packed: int, path: Path) -> None:
    """Refuses what a small file would fill memory with; both in bytes."""
    if expanded > EXPANDED and expanded > EXPANSION * packed:
        raise DataError(
            f"{path}: must expand to at most {EXPANSION} times its size beyond {EXPANDED / MIB:g} MiB, got more from "
            f"{packed:,} bytes; unpack it first if you trust it"
        )


def open_bytes(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb") if is_packed(path) else path.open("rb"))


def open_text(path: Path, encoding: str) -> IO[str]:
    """Without its byte-order mark, and with its line ends as they are."""
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    return (
        gzip.open(path, "rt", encoding=codec, newline="") if is_packed(path) else path.open(encoding=codec, newline="")
    )


def is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")
