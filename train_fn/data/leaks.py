"""Rows of one split that stand in another one too, where a score would praise memory."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.data.report import EXAMPLES

SHOWN = 80  # characters of a text in an example


def leaks(splits: Mapping[str, pd.DataFrame], near: NDArray[np.int64]) -> dict[str, Any]:
    """ "train-test" -> how many rows of test hold what a row of train holds, exactly or nearly, with examples.

    `splits` have a column `content`; `near` are pairs of its numbers. Pairs of splits without a leak are left out.
    """
    both_ways = np.concatenate([near, near[:, ::-1]])
    found = {}
    for one, other in combinations([split for split in ("train", "valid", "test") if split in splits], 2):
        here, there = splits[one]["content"].to_numpy(), splits[other]["content"].to_numpy()
        exact = np.isin(there, here)
        likes = both_ways[np.isin(both_ways[:, 0], here)]  # content of `one`, and what is nearly the same
        nearly = np.isin(there, likes[:, 1]) & ~exact
        if exact.any() or nearly.any():
            partner = dict(zip(likes[::-1, 1].tolist(), likes[::-1, 0].tolist(), strict=True))
            rows = np.concatenate([np.flatnonzero(exact), np.flatnonzero(nearly)])[:EXAMPLES]
            found[f"{one}-{other}"] = {
                "exact": int(exact.sum()),
                "near": int(nearly.sum()),
                "examples": [
                    {
                        one: shown(splits[one], int(np.flatnonzero(here == source)[0])),
                        other: shown(splits[other], int(row)),
                    }
                    for row in rows
                    for source in [there[row] if exact[row] else partner[there[row]]]
                ],
            }
    return found


def shown(table: pd.DataFrame, position: int) -> dict[str, Any]:
    """The number of a data row, counted from 1, and its text or image."""
    row = table.iloc[position]
    inputs = [row[name] for name in ("text", "pair", "image") if isinstance(row.get(name), str)]
    text = " | ".join(inputs)
    known = {"row": int(table.index[position]) + 1}
    return known | ({"text": text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"} if text else {})
