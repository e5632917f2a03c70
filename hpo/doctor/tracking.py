"""MLflow: whether it answers, and whether it shows what the ledgers hold."""

import os
from collections.abc import Iterator

from hpo.doctor.finding import Finding, Orders, fault, ok, warning
from hpo.doctor.versions import write_ahead
from hpo.paths import StudyPaths
from hpo.redaction import redact
from hpo.tracking.mlflow import tracking_uri
from hpo.tracking.mlflow_database import file_of, holds_nothing, make_anew
from hpo.tracking.reconcile import reach, set_right, unlike


def server(orders: Orders) -> Iterator[Finding]:
    """A database of one's own must also take what is written; of a server that is not tried."""
    uri = tracking_uri()
    database = file_of(uri)
    if database and not database.exists():
        yield ok("MLflow", f"the first study makes {database}")
        return
    if database and not os.access(database, os.W_OK):
        yield fault("MLflow", f"{database} cannot be written; `chmod u+w {database}`")
        return
    if database:
        yield from write_ahead(str(database))
    try:
        yield ok("MLflow", f"{reach(uri)} answers at {redact(uri)}")
    except Exception as error:
        if database and holds_nothing(database):
            wrong = f"the making of {database} was broken off, and it holds nothing ({_in_one_line(error)})"
            yield orders.carry_out("MLflow", wrong, lambda: make_anew(uri), "made anew")
        else:
            yield fault("MLflow", f"{redact(uri)} does not answer: {_in_one_line(error)}; studies run on without it")


def runs(paths: StudyPaths, orders: Orders) -> Iterator[Finding]:
    uri = tracking_uri()
    database = file_of(uri)
    if database and not database.exists():
        wrong = f"there is no {database}"
        yield orders.carry_out("runs", wrong, lambda: set_right(paths, uri), "made from the ledger")
        return
    try:
        other = unlike(paths, uri)
    except Exception as error:
        yield warning("runs", f"not compared with the ledger: {_in_one_line(error)}")
        return
    if other:
        wrong = f"{len(other)} show another state than the ledger ({other[0]})"
        yield orders.carry_out("runs", wrong, lambda: set_right(paths, uri), "written again")
    else:
        yield ok("runs", "MLflow shows every state as the ledger has it")


def _in_one_line(error: Exception) -> str:
    return redact(" ".join(f"{type(error).__name__}: {error}".split()))[:200]
