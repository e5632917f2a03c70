"""What every searcher promises: in bounds, seeded, plain values, conditions kept, at home with every end of a trial."""

import pytest

from hpo.history import Evaluation, History, State, Trial
from hpo.objective import Objective
from hpo.searchers import SEARCHERS, Searcher, build_searcher
from hpo.space import Choice, Integer, LogInteger, LogUniform, Parameter, Space, Uniform

OBJECTIVE = Objective(maximize="score")
SPACE: Space = {
    "depth": Parameter(Integer(1, 3), when=(("kind", ("tree",)),)),
    "rate": Parameter(LogUniform(1e-5, 1e-1)),
    "share": Parameter(Uniform(0.25, 0.5)),
    "rows": Parameter(LogInteger(8, 64)),
    "kind": Parameter(Choice(("tree", "line"))),
}
STATES = (State.COMPLETE, State.PRUNED, State.DIVERGED, State.FAILED, State.RUNNING, State.WAITING)


def searcher(name: str, seed: int = 0) -> Searcher:
    return build_searcher(name, space=SPACE, objective=OBJECTIVE, seed=seed)


def study(name: str, trials: int, seed: int = 0) -> History:
    """A study whose best score lies at share = 0.4, with every way in which a trial can end."""
    history, asked = History(), searcher(name, seed)
    for number in range(trials):
        trial = Trial(number=number, params=asked.propose(history), asked=0.0, state=STATES[number % len(STATES)])
        score = -abs(float(trial.params["share"]) - 0.4)  # type: ignore[arg-type]
        if trial.state is not State.FAILED:
            trial.evaluations.append(Evaluation(1, 1.0, {"score": score}, 1.0, None, None, 0.0))
        history.trials.append(trial)
    return history


@pytest.mark.parametrize("name", sorted(SEARCHERS))
def test_every_proposal_is_in_bounds_and_of_plain_types(name: str) -> None:
    for trial in study(name, 30).trials:
        params = trial.params
        assert ("depth" in params) == (params["kind"] == "tree"), (
            "a condition that does not hold leaves its parameter out"
        )
        assert type(params["kind"]) is str and params["kind"] in ("tree", "line")
        assert type(params["rate"]) is float and 1e-5 <= params["rate"] <= 1e-1
        assert type(params["share"]) is float and 0.25 <= params["share"] <= 0.5
        assert type(params["rows"]) is int and 8 <= params["rows"] <= 64
        assert type(params.get("depth", 1)) is int and 1 <= params.get("depth", 1) <= 3  # type: ignore[operator]


@pytest.mark.parametrize("name", sorted(SEARCHERS))
def test_a_proposal_is_a_function_of_seed_and_history(name: str) -> None:
    history = study(name, 20)
    assert searcher(name).propose(history) == searcher(name).propose(history)
    assert searcher(name).propose(history) != searcher(name, seed=1).propose(history)


def test_the_study_seed_gives_the_whole_sequence() -> None:
    assert [t.params for t in study("tpe", 15).trials] == [t.params for t in study("tpe", 15).trials]


def test_tpe_comes_closer_to_the_optimum_than_chance() -> None:
    def late_distance(name: str) -> float:
        late = [t.params["share"] for seed in range(3) for t in study(name, 40, seed).trials[25:]]
        return sum(abs(float(share) - 0.4) for share in late) / len(late)  # type: ignore[arg-type]

    assert late_distance("tpe") < 0.7 * late_distance("random")
