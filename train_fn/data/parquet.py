"""How a Parquet file is read."""

from pathlib import Path
from typing import TYPE_CHECKING

from train_fn.data.decoding import check_expansion

if TYPE_CHECKING:
    import pandas as pd

INDEX = "__index_level_"  # begins the column that pandas writes an index without a name into


def read_parquet(path: Path) -> "pd.DataFrame":
    """Every column of the file itself: none from the names of its folders, none hidden in an index."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        cells = file.metadata.num_rows * file.metadata.num_columns
        check_expansion(
            8 * cells, path.stat().st_size, path
        )  # bytes of the pointers alone: equal values pack to nothing
        frame: pd.DataFrame = file.read().to_pandas(ignore_metadata=True)
    return without_index(frame)


def without_index(frame: "pd.DataFrame") -> "pd.DataFrame":
    return frame.loc[:, [not str(name).startswith(INDEX) for name in frame.columns]]
