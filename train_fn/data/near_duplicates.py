"""Which rows hold the same, or nearly the same: found in a time that grows with the rows, not with their pairs.

Texts are the same where only case, width, punctuation, signs or blanks tell them apart. They are nearly the same where
their words have a Jaccard similarity of `NEAR_WORDS` and their character shingles one of `NEAR_SHINGLES`: as when a
word is added to a sentence of five, but not when one is put in the place of another. A pair of texts is as near as the
less near of the two. Candidates come from MinHash with banding (Broder 1997, On the resemblance and containment of
documents; Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, chapter 3) and are compared exactly. Images are the
same by their bytes, tables by their cells.

Some bounds keep the work in proportion to the rows whatever these hold: of a long text its two ends are compared, and
each text with a few of those that may be near, beginning with the likest. So in a heap of thousands that are all alike
some pairs go unseen.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.data.contents import columns_of_input, numbered

NEAR_WORDS = 0.75  # three words and one more; or seven, of which one is another
NEAR_SHINGLES = 0.6
SHINGLE = 3  # characters, blanks left out
BANDS = 32  # of four hashes: they miss 1 in 100 pairs whose shingles are at 0.6, and none at 0.7
BAND = 4
NEIGHBOURS = 4  # rows of a bucket that each is compared with: a bucket may hold thousands
COMPARISONS = 16  # of a text with others, after which only those that had fewer are compared with it
CROWD = 0.1  # share of the rows in one cluster above which it is none
FEW = 10  # rows, which are never too many
END = 2_000  # characters at each end of a long text
CHUNK = 1_000_000  # characters hashed, or hashes compared, at a time
UNSPACED = (  # code points, first and last
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x9FFF),  # Han, also the next
    (0x20000, 0x3FFFF),
)


def find(
    tables: Mapping[str, pd.DataFrame], nearly: bool = True
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Table -> the number of what each row holds, the same for the same in all tables; and which of them are near.

    The latter of shape (pairs, 2), the smaller number first; empty where only the same is looked for.
    """
    rows = pd.concat([table[columns_of_input(table)] for table in tables.values()], ignore_index=True)
    near = np.empty((0, 2), dtype=np.int64)
    if "text" in rows:
        fields = [[plain(text) for text in rows[name].tolist()] for name in columns_of_input(rows)]
        numbers, firsts = numbered_keys("\0".join(texts).replace(" ", "") for texts in zip(*fields, strict=True))
        if nearly:
            near = near_pairs([[ends(field[row]) for row in firsts] for field in fields])
    else:
        numbers = numbered(rows)
    parts = np.split(numbers, np.cumsum([len(table) for table in tables.values()])[:-1])
    return dict(zip(tables, parts, strict=True)), near


def clusters(contents: NDArray[np.int64], near: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The cluster of each row of a table: rows that are near, also by way of others, are in the same one.

    And which rows would be in one with more than a tenth of all rows: that is no copy but a manner of writing, as of
    sentences made by a template, and leaves nothing to split. Of these only rows with the same content stay together.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = 1 + max(int(contents.max()), int(near.max(initial=0)))
    links = coo_array((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(count, count))
    cluster = connected_components(links, directed=False)[1].astype(np.int64)[contents]
    crowded = np.bincount(cluster)[cluster] > max(CROWD * len(contents), FEW)
    return np.where(crowded, count + contents, cluster), crowded


def numbered_keys(keys: Iterable[str]) -> tuple[NDArray[np.int64], list[int]]:
    """The number of each key in the order of their first appearance, and where that is."""
    known: dict[str, int] = {}
    numbers = np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)
    return numbers, np.unique(numbers, return_index=True)[1].tolist()


class Sifting(dict[int, str | None]):
    """For str.translate: letters, marks, digits and pictures stay, blanks part words, all else goes."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        kind = unicodedata.category(character)
        if kind[0] in "LMN" or kind == "So":
            self[code] = f" {character} " if is_unspaced(code) else character
        else:
            self[code] = " " if kind[0] == "Z" or character.isspace() else None
        return self[code]


def is_unspaced(code: int) -> bool:
    """Of a script that writes no blanks between words: each character counts as one."""
    return (
        0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
        or (0x3040 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0x20000 <= code <= 0x3FFFF)
    )


@cache
def sifting() -> Sifting:
    return Sifting()


def plain(text: str) -> str:
    """In lower case and without punctuation, one blank between words; of a text of nothing else, all of it."""
    found = unicodedata.normalize("NFKC", text).casefold().translate(sifting()).split()
    return " ".join(found or text.split())


def ends(text: str) -> str:
    return text if len(text) <= 2 * END else f"{text[:END]} {text[-END:]}"


def shingles(text: str) -> set[str]:
    """Of a plain text."""
    joined = text.replace(" ", "")
    return {joined[start : start + SHINGLE] for start in range(max(1, len(joined) - SHINGLE + 1))}


def near_pairs(fields: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """Pairs of positions where the plain texts of every field are near, of shape (pairs, 2)."""
    rows = len(fields[0])
    parts = [hashes(part) for part in chunks(fields)]
    compared, tried = np.zeros(rows, dtype=np.int64), np.empty(0, dtype=np.int64)
    found = [np.empty((0, 2), dtype=np.int64)]
    for one, other in candidates(
        np.concatenate([bands for bands, _ in parts]), np.concatenate([few for _, few in parts])
    ):
        codes = one * rows + other
        codes = new_ones(codes[np.minimum(compared[one], compared[other]) < COMPARISONS], tried)
        tried = np.sort(np.concatenate([tried, codes]), kind="stable")
        pairs = np.stack(np.divmod(codes, rows), axis=1)
        np.add.at(compared, pairs, 1)
        near = [all(are_near(field[one], field[other]) for field in fields) for one, other in pairs.tolist()]
        found.append(pairs[np.array(near, dtype=bool)])
    return np.concatenate(found)


def new_ones(codes: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each once, in order; `known` is in order. (np.unique hashes, which takes minutes on numbers such as these.)"""
    codes = np.sort(codes)
    codes = codes[np.diff(codes, prepend=-1) > 0]
    if not len(known):
        return codes
    return codes[known[np.minimum(np.searchsorted(known, codes), len(known) - 1)] != codes]


def chunks(fields: Sequence[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """Consecutive rows of all fields, of about a million characters in all."""
    sizes = np.cumsum([sum(map(len, texts)) for texts in zip(*fields, strict=True)])
    starts = np.unique(np.searchsorted(sizes, np.arange(0, sizes[-1] + 1, CHUNK))).tolist()
    for start, end in pairwise([*starts, len(sizes)]):
        yield [field[start:end] for field in fields]


def hashes(fields: Sequence[Sequence[str]]) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """A hash for each band of the MinHash of each row; and the MinHash itself, cut to 16 bits to take less room."""
    import rensa

    rows = [
        list(shingles(texts[0]))
        if len(texts) == 1
        else [f"{number}{shingle}" for number, text in enumerate(texts) for shingle in shingles(text)]
        for texts in zip(*fields, strict=True)
    ]
    digests = rensa.RMinHash.digest_matrix_from_token_sets(rows, BANDS * BAND, 0).to_rows()
    numbers = np.fromiter(chain.from_iterable(digests), dtype=np.uint32, count=len(rows) * BANDS * BAND)
    bands = np.zeros((len(rows), BANDS), dtype=np.uint64)
    for value in numbers.reshape(len(rows), BANDS, BAND).transpose(2, 0, 1):
        bands = (bands ^ value) * np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: 2^64 / golden ratio
        bands ^= bands >> np.uint64(32)
    return bands, numbers.astype(np.uint16).reshape(len(rows), -1)


def candidates(
    bands: NDArray[np.uint64], minhash: NDArray[np.uint16]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs in one bucket of a band, in order, whose MinHash does not rule out that they are near."""
    glimpse = np.ascontiguousarray(minhash[:, ::BAND])  # a fourth of it rules out most pairs, in one cache line a row
    for band in range(BANDS):
        # those that share the next band too stand side by side, so that in a large bucket the likest are neighbours
        order = np.lexsort((bands[:, (band + 1) % BANDS], bands[:, band]))
        bucket = bands[order, band]
        for distance in range(1, NEIGHBOURS + 1):
            (together,) = np.nonzero(bucket[distance:] == bucket[:-distance])
            for part in np.array_split(together, len(together) * BANDS // CHUNK + 1):
                one, other = order[part], order[part + distance]
                for known in (glimpse, minhash):
                    alike = (known[one] == known[other]).mean(axis=1)
                    likely = alike >= NEAR_SHINGLES - 4 * np.sqrt(0.25 / known.shape[1])  # standard errors
                    one, other = one[likely], other[likely]
                yield np.minimum(one, other), np.maximum(one, other)


def are_near(one: str, other: str) -> bool:
    """Of plain texts."""
    if jaccard(set(one.split()), set(other.split())) < NEAR_WORDS:
        return False
    return jaccard(shingles(one), shingles(other)) >= NEAR_SHINGLES


def jaccard(one: set[str], other: set[str]) -> float:
    shared = len(one & other)
    return shared / max(len(one) + len(other) - shared, 1)
