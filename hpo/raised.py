"""What a person's code raised, in one line that says where; of a trial the log has the whole traceback."""

from hpo.redaction import redact
from train_fn.own_line import own_line

OURS = ("hpo", "train_fn")
LONGEST = 500  # characters of what was said


def in_one_line(error: BaseException) -> str:
    """`IndexError: list index out of range (my_model.py:31)`; an error of our own says all in its words."""
    text = redact(" ".join(str(error).split()))
    if text and type(error).__module__.partition(".")[0] in OURS:
        return text
    return f"{type(error).__name__}: {text}"[:LONGEST] + redact(own_line(error))
