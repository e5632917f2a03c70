"""The MLflow runs of one study: found by their tags, created where there is none, and of each only one kept.

A reply that is lost leaves a run whose id nobody knows. So it is looked for before it is created again, and what was
created twice after all, as by a request that came in late, goes to MLflow's trash.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STUDY_ID, TRIAL, STATE = "hpo.study_id", "hpo.trial", "hpo.state"
PARENT = -1  # in the place of a trial's number
MOST_RUNS = 1000  # of a page


class Runs:
    """Ids by number of the trial. `shown` is what MLflow shows of each: its status, and its state in our words."""

    def __init__(self, client: Any, experiment: str, study_id: str) -> None:
        self.client, self.experiment, self.study_id = client, experiment, study_id
        self.ids: dict[int, str] = {}
        self.shown: dict[int, tuple[str, str]] = {}
        self.doubtful = True  # there may be some that we do not know of

    def find(self) -> dict[int, Any]:
        found = defaultdict(list)
        for run in active(self.client, self.experiment, self.study_id):
            found[number_of(run)].append(run)
        kept = {number: self._one_of(number, runs) for number, runs in found.items()}
        self.ids = {number: str(run.info.run_id) for number, run in kept.items()}
        self.shown = {number: (str(run.info.status), run.data.tags.get(STATE, "")) for number, run in kept.items()}
        self.doubtful = False
        return kept

    def create(self, number: int, name: str, start: int, tags: dict[str, str]) -> str:
        """The run of a trial, or of the study; `start` in milliseconds since 1970."""
        if self.doubtful:
            self.find()
        if number not in self.ids:
            tags |= {STUDY_ID: self.study_id} | ({} if number == PARENT else {TRIAL: str(number)})
            self.doubtful = True  # until the reply is here
            run = self.client.create_run(self.experiment, run_name=name, start_time=start, tags=tags)
            self.ids[number], self.shown[number] = str(run.info.run_id), ("RUNNING", "")
            self.doubtful = False
        return self.ids[number]

    def _one_of(self, number: int, runs: list[Any]) -> Any:
        """The one that was written to; the others hold nothing that it has not."""

        def rank(run: Any) -> tuple[bool, int, str]:
            data = run.data
            known = self.ids.get(number) == run.info.run_id
            return known, len(data.tags) + len(data.params) + len(data.metrics), run.info.run_id

        kept = max(runs, key=rank)
        for run in runs:
            if run is not kept:
                self.client.delete_run(run.info.run_id)
        return kept


def active(client: Any, experiment: str, study_id: str) -> Iterator[Any]:
    """The study's own run and one for each trial, or more, of those that are not in the trash."""
    page = None
    while True:
        runs = client.search_runs(
            [experiment], f"tags.`{STUDY_ID}` = '{study_id}'", max_results=MOST_RUNS, page_token=page
        )
        yield from runs
        if not (page := runs.token):
            return


def number_of(run: Any) -> int:
    return int(run.data.tags.get(TRIAL, PARENT))


def experiment_of(client: Any, name: str, tags: Callable[[str], dict[str, str]]) -> str:
    """The id of the experiment of that name, made where there is none; it has `tags` of its id, unless a person's."""
    there = client.get_experiment_by_name(name)
    if there is None:
        artifacts = None
        if client.tracking_uri.startswith("sqlite"):  # a server decides for itself
            artifacts = (Path.cwd() / "mlartifacts" / name).as_uri()
        there = client.get_experiment(client.create_experiment(name, artifact_location=artifacts))
    if there.lifecycle_stage == "deleted":
        client.restore_experiment(there.experiment_id)
    for key, value in tags(str(there.experiment_id)).items():
        if key not in there.tags:
            client.set_experiment_tag(there.experiment_id, key, value)
    return str(there.experiment_id)
