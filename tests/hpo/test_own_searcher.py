"""docs/own_searcher.md as a reader follows it: its code in a folder of their own."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from hpo.errors import UsageError
from hpo.history import State
from hpo.replay import replayed
from hpo.searchers.contract import Broken
from hpo.study_file import load_study
from tests.hpo.engines import new_engine, run

PAGE = (Path(__file__).parents[2] / "docs" / "own_searcher.md").read_text(encoding="utf-8")
STUDY = """study: mine
trainable: tests.toy:epochs
objective: {maximize: score}
config: {max_epochs: 3}
search_space:
  x: {uniform: [-5, 5]}
"""


@pytest.fixture
def reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for code in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        name = re.match(r'"""(\w+)\.py"""', code)
        assert name, "each block of the page begins with the name of its file"
        (folder / f"{name[1]}.py").write_text(code)
    [search] = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (folder / "mine.yaml").write_text(STUDY + search)
    monkeypatch.syspath_prepend(folder)
    for module in ("my_search", "test_my_search"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return folder


def test_the_searcher_of_the_page_runs_a_study_and_is_replayed(reader: Path) -> None:
    engine = run(new_engine(reader, load_study(reader / "mine.yaml")))
    assert len(engine.history.trials) == 40 and any(one.state is State.COMPLETE for one in engine.history.trials)
    again = replayed(engine.ledger.events(), engine.study.build_searcher(), engine.study.build_scheduler())
    assert again.proposals == 40 and again.differences == []


def test_the_tests_of_the_page_pass_on_it_and_find_a_clock(reader: Path) -> None:
    tests = importlib.import_module("test_my_search")
    for check in tests.CHECKS:
        tests.test_my_searcher_keeps_the_contract(check)
    code = (reader / "my_search.py").read_text()
    (reader / "hasty.py").write_text(code.replace('Random(f"{self.seed}/{len(history.trials)}")', "Random()"))
    hasty = importlib.import_module("hasty").NearTheBest
    with pytest.raises(Broken, match="the same seed and history gave other proposals"):
        tests.CHECKS[1](hasty)


@pytest.mark.parametrize(
    "search, said",
    [
        (
            "{my_search:NearTheBest: {shore: 0.7}}",
            "'shore' is no setting of my_search:NearTheBest; did you mean share?",
        ),
        ("{my_search:NearTheBest: {share: 7.0}}", "`share` must be from 0 to 1, got 7.0; try 0.5"),
        ("{my_search:NearTheBest: {share: much}}", "`share` of my_search:NearTheBest should be a valid number"),
        ("my_search:NearTheWorst", "module 'my_search' has no 'NearTheWorst'"),
        ("my_serch:NearTheBest", "no module 'my_serch'"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(reader: Path, search: str, said: str) -> None:
    (reader / "wrong.yaml").write_text(f"{STUDY}search:\n  trials: 4\n  searcher: {search}\n")
    with pytest.raises(UsageError) as caught:
        load_study(reader / "wrong.yaml")
    assert said in str(caught.value) and "wrong.yaml:9:" in str(caught.value) and "\n" not in str(caught.value)
