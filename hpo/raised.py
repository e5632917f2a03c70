"""What a person's code raised, in one line that says where; of a trial the log has the whole traceback."""

import sysconfig
import traceback
from pathlib import Path

from hpo.redaction import redact

OURS = ("hpo", "train_fn")
LONGEST = 500  # characters of what was said
# whose lines a person cannot mend
FOREIGN = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(str(Path(__file__).parents[1] / package) for package in OURS),
)


def in_one_line(error: BaseException) -> str:
    """`IndexError: list index out of range (my_model.py:31)`; an error of our own says all in its words."""
    text = redact(" ".join(str(error).split()))
    if text and type(error).__module__.partition(".")[0] in OURS:
        return text
    return f"{type(error).__name__}: {text}"[:LONGEST] + redact(_where(error))


def _where(error: BaseException) -> str:
    """The last of a person's own lines, from the working folder; nothing where all are of libraries."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_foreign(frame.filename)]
    if not own:
        return ""
    path = Path(own[-1].filename)
    return f" ({path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}:{own[-1].lineno})"


def _is_foreign(file: str) -> bool:
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in FOREIGN)
