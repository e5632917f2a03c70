"""When rows happened, from a column of numbers or dates."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.errors import DataError


def moments(column: pd.Series) -> NDArray[np.float64]:
    """Numbers as they are, dates as seconds since 1970 in UTC; raises DataError where a row has neither."""
    if pd.api.types.is_datetime64_any_dtype(column):
        dates = pd.Series(pd.to_datetime(column, utc=True))
        return seconds(dates, column, dates.isna())
    numbers = pd.to_numeric(column, errors="coerce")
    if np.isfinite(numbers).all():
        return numbers.to_numpy(dtype=np.float64)
    written = column.astype(str).str.strip()
    dates = pd.to_datetime(written, errors="coerce", format="ISO8601", utc=True)
    if dates.isna().all():
        return seconds(dates, column, ~np.isfinite(numbers))
    return seconds(dates, column, dates.isna())


def seconds(dates: pd.Series, column: pd.Series, missing: pd.Series) -> NDArray[np.float64]:
    if missing.any():
        first = int(np.flatnonzero(missing.to_numpy())[0])
        raise DataError(
            f"`time` must name a column of numbers or ISO dates (2024-05-31), got {missing.sum():,} without, the first "
            f"{column.iloc[first]!r} in data row {column.index[first] + 1:,}; correct or delete these rows"
        )
    since = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(since, dtype=np.float64)
