"""What was found in the rows, and what was done about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

EXAMPLES = 3


def finding(
    place: str,
    what: str,
    rows: Sequence[int] | NDArray[np.int64],
    done: str,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One line of the report, as JSON takes it; `rows` are data rows counted from 1, of which it names three."""
    known: dict[str, Any] = {"place": place, "what": what, "rows": len(rows), "done": done}
    return known | {"examples": [int(row) for row in rows[:EXAMPLES]]} | ({"details": dict(details)} if details else {})


def row_numbers(table: pd.DataFrame, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows keep the index they were read with, counted from 0; people count from 1."""
    return table.index.to_numpy()[chosen].astype(np.int64) + 1
