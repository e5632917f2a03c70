"""Every error a person can cause, with the exit code it ends in.

HpoError
 ├─ UsageError   2   a bad file or argument; nothing was started
 ├─ StudyFailed  1   the study ended, with too many failed trials
 ├─ DiskError   74   the disk is full, gone or read-only
 └─ Resumable   75   safe to `hpo resume`: locked, preempted, cluster lost
Interrupted by the person: 130.
"""


class HpoError(Exception):
    """One line: the rule, what was got, the way out."""

    exit_code = 1


class UsageError(HpoError):
    exit_code = 2


class StudyFailed(HpoError):
    exit_code = 1


class DiskError(HpoError):
    exit_code = 74


class Resumable(HpoError):
    exit_code = 75


INTERRUPTED = 130
