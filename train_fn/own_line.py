"""Which line of a person's own code an error came from."""

import sysconfig
import traceback
from pathlib import Path

# whose lines a person cannot mend
FOREIGN = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(str(Path(__file__).parents[1] / package) for package in ("hpo", "train_fn")),
)


def own_line(error: BaseException) -> str:
    """` (my_model.py:31)`, the last of a person's own lines, from the working folder; "" where all are of libraries."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_foreign(frame.filename)]
    if not own:
        return ""
    path = Path(own[-1].filename)
    return f" ({path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}:{own[-1].lineno})"


def _is_foreign(file: str) -> bool:
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in FOREIGN)
