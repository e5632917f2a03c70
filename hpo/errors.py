"""Every error a person can cause, with the exit code it ends in.

HpoError
 ├─ UsageError   2   a bad file or argument; nothing was started
 ├─ StudyFailed  1   the study ended, with too many failed trials
 ├─ Refused      1   a gate of the study file keeps a model from becoming champion
 ├─ DiskError   74   the disk is full, gone or read-only
 └─ Resumable   75   safe to `hpo resume`: locked, preempted, cluster lost
Interrupted by the person: 130.
"""

INTERRUPTED = 130
LONGEST = 600  # characters of a message; rule and place stand at its beginning, the way out at its end


class HpoError(Exception):
    """One line: the rule, what was got, the way out."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UsageError(HpoError):
    exit_code = 2


class StudyFailed(HpoError):
    exit_code = 1


class Refused(HpoError):
    exit_code = 1


class DiskError(HpoError):
    exit_code = 74


class Resumable(HpoError):
    exit_code = 75


def one_line(message: str) -> str:
    """What a terminal would not show as it is (control characters, the direction of writing) becomes an escape."""
    words = " ".join(line for line in message.splitlines() if line)
    if len(words) > LONGEST:
        words = f"{words[: LONGEST * 2 // 3]} ... {words[-LONGEST // 3 :]}"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in words)
