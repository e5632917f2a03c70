"""Why Ray has ended a worker, or lost it: in our words, and whether it counts against the trial."""

from hpo.segment import Lost

# by what Ray says
DEATHS = {
    "low on memory": Lost(reason="the machine had no memory left"),
    "node was preempted": Lost(reason="its machine was taken away", counts=False),
    "node has died": Lost(reason="its machine died", counts=False),
}


def cause_of_death(says: str) -> Lost:
    found = next((lost for words, lost in DEATHS.items() if words in says), None)
    return found or Lost(reason="the worker process died")
