"""Reads the events out of a damaged ledger, page by page, whatever has become of the rest of the file.

SQLite reads a table from its root down: where one inner page is lost, so is all below it. The rows themselves lie on
leaf pages that can each be read alone (sqlite.org/fileformat.html, sections 1.5, 1.6 and 2.1). An event is never
changed, so that an old copy of a page says the same as the new one.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any

from hpo.event import Event
from hpo.ledger import events as table

LEAF = 0x0D  # first byte of a leaf page of a table
COLUMNS = len(table.columns)  # the first is the number of the row itself
DEFAULT_PAGE = 4096  # bytes


def events(data: bytes) -> dict[int, Event]:
    """By their numbers, in their order: every row of which all bytes are there."""
    size = int.from_bytes(data[16:18]) or DEFAULT_PAGE
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):  # the header itself is lost
        size = DEFAULT_PAGE
    found = {}
    for page in range(-(-len(data) // size)):
        for seq, payload in _cells(data, page, size):
            event = _event(seq, payload)
            if event is not None:
                found[seq] = event
    return dict(sorted(found.items()))


def _cells(data: bytes, page: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each row on a page."""
    content = data[page * size : (page + 1) * size]
    header = 100 if page == 0 else 0
    if len(content) < header + 8 or content[header] != LEAF:
        return
    for index in range(int.from_bytes(content[header + 3 : header + 5])):
        at = header + 8 + 2 * index
        cell = int.from_bytes(content[at : at + 2])
        try:
            length, cell = _varint(content, cell)
            seq, cell = _varint(content, cell)
            yield seq, _payload(data, content, cell, length, size)
        except (IndexError, ValueError):  # cut off, or overwritten
            continue


def _payload(data: bytes, content: bytes, at: int, length: int, size: int) -> bytes:
    """A row that does not fit its page goes on in a chain of others; what is lost of it is missing at its end."""
    most, least = size - 35, (size - 12) * 32 // 255 - 23
    local = length
    if length > most:
        local = least + (length - least) % (size - 4)
        local = local if local <= most else least
    payload = content[at : at + local]
    following = int.from_bytes(content[at + local : at + local + 4]) if local < length else 0
    while len(payload) < length and following:
        more = data[(following - 1) * size : following * size]
        following = int.from_bytes(more[:4])
        if len(more) <= 4:
            break
        payload += more[4 : 4 + length - len(payload)]
    return payload


def _event(seq: int, payload: bytes) -> Event | None:
    """The row, if it is one of the table of events."""
    try:
        values = list(_values(payload))
        if len(values) != COLUMNS or not isinstance(values[2], str):
            return None
        content = json.loads(values[6])
        return Event(seq, float(values[1]), values[2], values[3], values[4], values[5], content)
    except (IndexError, ValueError, TypeError):
        return None


def _values(payload: bytes) -> Iterator[Any]:
    """Of a record: its header holds the type of each value."""
    end, at = _varint(payload, 0)
    body = end
    while at < end:
        kind, at = _varint(payload, at)
        width = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
        raw = payload[body : body + width]
        if len(raw) != width or kind in (10, 11):
            raise ValueError("cut off")
        body += width
        if kind == 0:
            yield None
        elif kind == 7:
            yield struct.unpack(">d", raw)[0]
        elif kind in (8, 9):
            yield kind - 8
        elif kind < 7:
            yield int.from_bytes(raw, signed=True)
        else:
            yield raw.decode("utf-8") if kind % 2 else raw


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where the next thing begins."""
    number = 0
    for count in range(8):
        number = number << 7 | data[at + count] & 0x7F
        if data[at + count] < 0x80:
            return number, at + count + 1
    return number << 8 | data[at + 8], at + 9
