"""How a function of the person's own brings the rows."""

import importlib
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_fn.data.table import Table
from train_fn.errors import DataError
from train_fn.own_line import own_line

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "valid", "test")


def read_function(dotted: str) -> dict[str, Table]:
    """Split, or "all" -> what `module:function` returns, called without arguments.

    That is a DataFrame, a list of dicts, or a dict of columns; or a dict of such for train and perhaps valid and test.
    """
    returned = call(dotted)
    if isinstance(returned, Mapping) and "train" in returned and set(returned) <= set(SPLITS):
        return {
            split: Table(frame=to_frame(returned[split], dotted), place=f"{split} split of {dotted}")
            for split in SPLITS
            if split in returned
        }
    return {"all": Table(frame=to_frame(returned, dotted), place=dotted)}


def module_file(dotted: str, field: str = "function") -> Path:
    """Where the module of `module:function` lies; found without running it, but for the packages it lies in."""
    module, _, name = dotted.partition(":")
    if not module or not name:
        raise DataError(f"`{field}` must read module:function, got {dotted!r}; for example my_data:rows")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()  # it may have been written a moment ago
    try:
        spec = find_spec(module)
    except (Exception, SystemExit) as error:  # of the packages it lies in
        raise DataError(f"`{field}` must be a function that can be imported, got {dotted}: {told(error)}") from error
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        raise DataError(f"`{field}` must name a module, found no {module!r} from {here}; correct the name")
    return Path(spec.origin)


def call(dotted: str, *arguments: Any, field: str = "function") -> Any:
    module_file(dotted, field)
    module, _, name = dotted.partition(":")
    try:
        function = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:
        raise DataError(f"`{field}` must be importable, got {dotted}: {told(error)}; correct its module") from error
    if not callable(function):
        raise DataError(f"`{field}` must name a function, but {module!r} has no such {name!r}; correct the name")
    try:
        return function(*arguments)
    except (Exception, SystemExit) as error:
        raise DataError(f"`{field}` must not fail, but {dotted} raised {told(error)}; correct it") from error


def told(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200] + own_line(error)


def to_frame(rows: Any, dotted: str) -> "pd.DataFrame":
    import pandas as pd

    rule = "`function` must return a DataFrame, a list of dicts, a dict of columns, or a dict of these by split"
    if not isinstance(rows, pd.DataFrame | list | Mapping):
        raise DataError(f"{rule}, got a {type(rows).__name__} from {dotted}; return one of these")
    if isinstance(rows, list) and not all(isinstance(row, Mapping) for row in rows):
        other = next(type(row).__name__ for row in rows if not isinstance(row, Mapping))
        raise DataError(f"{rule}, got a list with a {other} from {dotted}; return one of these")
    try:
        table = rows.reset_index(drop=True) if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows, dtype=object)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{rule}, got what is no table from {dotted}: {told(error)}; return columns of one length"
        ) from error
    table.columns = table.columns.map(str)
    twice = sorted(set(table.columns[table.columns.duplicated()]))
    if twice:
        raise DataError(f"{dotted}: columns must have names of their own, got {', '.join(twice)} twice; rename one")
    return table
