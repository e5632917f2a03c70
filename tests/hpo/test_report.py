"""`hpo report`: the same numbers as everywhere, a next study that can be run, and a file that is there whole or not."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dashboards import rungs, verdicts
from dashboards.english import WORDS
from dashboards.verdicts import Verdict
from hpo import reporting, results
from hpo.cli import app
from hpo.errors import DiskError, UsageError
from hpo.event import Event
from hpo.frames import study_data
from hpo.history import fold
from hpo.language import language_of
from hpo.next_study import NoNextStudy, check, follow, next_name
from hpo.paths import StudyPaths
from hpo.results import Results
from hpo.study import Study
from hpo.study_file import load_study
from tests.hpo.everything import STUDY
from tests.hpo.test_engine import new_engine, run, toy_study


class Tables(HTMLParser):
    """Section -> rows of its last table, a cell being (text, number behind it)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[list[str]]]] = {}
        self.section, self.inside = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section" and given.get("id"):
            self.section = str(given["id"])
        elif tag == "tbody":
            self.rows[self.section] = []
        elif tag == "tr" and self.section in self.rows:
            self.rows[self.section].append([])
        elif tag == "td":
            self.inside = True
            self.rows[self.section][-1].append(["", given.get("data-number") or ""])

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[self.section][-1][-1][0] += data


@pytest.fixture
def searched(folder: Path) -> Path:
    """Twelve trials on disk: some complete, some stopped."""
    engine = run(new_engine(folder, toy_study()))
    engine.ledger.close()
    return folder


def shown(*arguments: str) -> Any:
    done = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_report_has_the_numbers_of_hpo_show(searched: Path) -> None:
    shows = shown("show", "toy", "--json")
    page = reporting.html(results.read("toy"))
    rows = Tables(page).rows["trials"]
    assert len(rows) == len(shows["trials"]) == 12
    by_trial = {trial["trial"]: trial for trial in shows["trials"]}
    for row in rows:
        said = by_trial.pop(int(float(row[0][1])))
        numbers = [float(number) for _, number in row if number]
        wanted = [said["trial"], said["value"], said["epochs"], said["seconds"], *said["params"].values()]
        assert numbers == wanted and row[-1][0] == said["reason"]
        assert WORDS[f"state_{said['state'].lower()}"] == row[1][0]
    best = shows["best"]
    assert f"Trial {best['trial']:03d} is best, with score {best['value']:.4f}" in page


def test_frames_hold_what_the_ledger_says(searched: Path) -> None:
    found = results.read("toy")
    data = study_data(found)
    reported = [event for event in found.events if event.kind == "reported"]
    assert len(data.reports) == len(reported)
    assert data.reports["value"].tolist() == [
        report.metrics["score"] for trial in found.history.trials for report in trial.evaluations
    ]
    decided = [event for event in found.events if event.kind == "decided"]
    assert len(data.rungs) == len(decided) > 0
    assert rungs.data(data)["stopped"].sum() == (data.trials["state"] == "PRUNED").sum() > 0
    assert data.shares["x"].tolist() == pytest.approx([(x + 5) / 10 for x in data.params["x"]])


def test_a_rung_that_was_decided_again_after_a_crash_counts_once() -> None:
    events = [
        event("study", spec=toy_study().model_dump(exclude_unset=True), data={}, environment={}),
        event("asked", params={"x": 1.0, "y": 0.0}),
        event("decided", 0, rung=1, score=0.5, stop=False),
        event("decided", 0, rung=1, score=0.5, stop=False),
        event("decided", 0, rung=3, score=0.6, stop=True),
    ]
    data = study_data(Results(toy_study(), "interrupted", fold(events), events))
    assert data.rungs.values.tolist() == [[0, 1], [0, 3]]


def event(kind: str, trial: int | None = None, **payload: Any) -> Event:
    return Event(seq=1, time=1.0, kind=kind, trial=trial, attempt=1, step=1, payload=payload)


def test_the_evaluation_of_the_winner_is_read_from_its_checkpoint(searched: Path) -> None:
    found = results.read("toy")
    winner = found.history.winner(found.objective)
    best = winner.best(found.objective) if winner else None
    assert winner and best and best.checkpoint
    assert study_data(found).evaluation == {}
    file = StudyPaths.of("toy").trial(winner.number) / best.checkpoint / "evaluation.json"
    scores = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "rows": 3}
    file.write_text(
        json.dumps({"classes": {"고양이": scores}, "confusion": [[3]], "metrics": {"ece": 0.1}}), encoding="utf-8"
    )
    assert "고양이" in reporting.html(found, "ko")
    file.write_text("{ cut off", encoding="utf-8")
    assert study_data(found).evaluation == {}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_next_study_in_the_page_passes_hpo_check(searched: Path, language: str) -> None:
    page = reporting.html(results.read("toy"), language)
    found = re.search(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.DOTALL)
    assert found
    Path("toy-2.yaml").write_text(found[1].replace("&#34;", '"').replace("&amp;", "&"), encoding="utf-8")
    seen = shown("check", "toy-2.yaml", "--json")
    assert seen["study"] == "toy-2" and seen["search"]["trials"] == 12


KINDS = st.sampled_from(["keep", "widen_low", "widen_high", "narrow", "freeze", "drop"])


@given(st.lists(st.tuples(KINDS, st.floats(0, 0.7), st.integers(0, 2)), min_size=11, max_size=11), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_whatever_the_verdicts_the_next_study_passes_hpo_check(said: list[tuple[str, float, int]], seed: int) -> None:
    """And it holds the winner, where the trainable's borders and what is fixed now allow it."""
    found = asked(seed)
    data = study_data(found)
    judged = []
    for parameter, (kind, low, which) in zip(data.parameters, said, strict=True):
        verdict = Verdict(parameter=parameter)
        if kind == "drop" and parameter.scale == "category":
            verdict = replace(
                verdict, kind="narrow", dropped=tuple(v for v in parameter.values if v != parameter.values[which])
            )
        elif kind == "freeze" and not parameter.conditional:
            verdict = replace(verdict, kind="freeze")
        elif kind == "widen_low":
            verdict = replace(verdict, kind="widen_low", low=-0.5)
        elif kind == "widen_high":
            verdict = replace(verdict, kind="widen_high", high=1.5)
        elif kind == "narrow":
            verdict = replace(verdict, kind="narrow", low=low, high=low + 0.3)
        judged.append(verdict)
    made = follow(found, judged, WORDS)
    assert made.unchecked == "" and check(made.text) == "", made.text
    after = load_study(Path("next.yaml"), text=made.text)
    assert after.study == "everything-2" and after.search.seed == found.study.search.seed + 1
    for name, (kind, _, _) in zip(found.study.search_space, said, strict=True):
        if kind == "keep" and name in after.search_space and not after.search_space[name].when:
            before = found.study.search_space[name].model_dump(exclude={"when"})
            assert after.search_space[name].model_dump(exclude={"when"}) == before


NOTHING_KEPT = {"checkpoint": None, "diverged": None}


def asked(seed: int) -> Results:
    """Fourteen trials of the study over everything, as its searcher proposes them, each with a report."""
    study = Study.model_validate({**STUDY, "search": {**STUDY["search"], "seed": seed}})  # type: ignore[dict-item]
    searcher = study.build_searcher()
    events = [event("study", spec=study.model_dump(exclude_unset=True), data={}, environment={})]
    history = fold(events)
    for trial in range(14):
        for kind, payload in (
            ("asked", {"params": searcher.propose(history)}),
            ("started", {"from_step": 0, "checkpoint": None}),
            ("reported", {"epoch": 1.0, "metrics": {"score": float(trial)}, "seconds": 1.0, **NOTHING_KEPT}),
            ("ended", {"state": "COMPLETE", "reason": "ran to its end"}),
        ):  # fmt: skip
            events.append(event(kind, None if kind == "asked" else trial, **payload))
            history.apply(events[-1])
    return Results(study, "finished", history, events)


def test_an_end_is_widened_or_stays_where_the_trainable_refuses_more() -> None:
    found = asked(0)
    judged = {parameter.name: Verdict(parameter=parameter) for parameter in study_data(found).parameters}
    for name in ("rate", "momentum", "width"):
        judged[name] = replace(judged[name], kind="widen_high", high=1.5)
    made = follow(found, [*judged.values()], WORDS)
    space = load_study(Path("next.yaml"), text=made.text).search_space
    assert space["width"].log_integer == [8, 4100]  # half of its three octaves further, rounded outwards
    assert space["momentum"].uniform == [0.5, 0.99] and space["rate"].log_uniform == [1e-3, 1.0]
    assert made.text.count("the trainable takes no wider range") == 2


def test_a_choice_that_loses_a_value_takes_with_it_what_hangs_on_that_value() -> None:
    found = asked(0)
    judged = {parameter.name: Verdict(parameter=parameter) for parameter in study_data(found).parameters}
    judged["kind"] = replace(judged["kind"], kind="narrow", dropped=("plain", "odd"))
    after = load_study(Path("next.yaml"), text=follow(found, [*judged.values()], WORDS).text)
    assert after.config["kind"] == "fancy" and {"kind", "momentum"}.isdisjoint(after.search_space)
    judged["depth"] = replace(judged["depth"], kind="narrow", dropped=("8",))
    again = load_study(Path("next.yaml"), text=follow(found, [*judged.values()], WORDS).text)
    assert again.search_space["warmup"].when == {"depth": [4]}


def test_the_verdicts_of_a_real_study_follow_its_winner(searched: Path) -> None:
    found = results.read("toy")
    data = study_data(found)
    made = follow(found, verdicts.data(data, None), WORDS)
    space = load_study(Path("next.yaml"), text=made.text).search_space
    winner = found.history.winner(found.objective)
    assert winner and space["x"].uniform and space["x"].uniform[0] <= float(winner.params["x"]) <= space["x"].uniform[1]  # type: ignore[arg-type]


def test_there_is_no_next_study_without_a_winner_or_a_search(folder: Path) -> None:
    failed = run(new_engine(folder, toy_study(config={"fails_at": 1})))
    failed.ledger.close()
    with pytest.raises(NoNextStudy, match="no trial came to a regular end"):
        follow(results.read("toy"), [], WORDS)
    page = reporting.html(results.read("toy"))
    assert "No trial came to a regular end, so there is no best one." in page and "hpo show toy" in page
    one = toy_study(study="one", search_space={}, search={"searcher": "random", "scheduler": "fifo", "trials": 1})
    run(new_engine(folder, one)).ledger.close()
    with pytest.raises(NoNextStudy, match="nothing was searched"):
        follow(results.read("one"), [], WORDS)
    assert "is best, with score" in reporting.html(results.read("one"))


def test_a_trainable_that_is_gone_leaves_the_next_study_unchecked(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = results.read("toy")
    gone = replace(found, study=found.study.model_copy(update={"trainable": "no.such:epochs"}))
    made = follow(gone, verdicts.data(study_data(found), None), WORDS)
    assert "no module 'no'" in made.unchecked and "study: toy-2" in made.text


@pytest.mark.parametrize(
    ("name", "after"),
    [("digits", "digits-2"), ("digits-2", "digits-3"), ("clinc-150", "clinc-150-2"), ("a-b", "a-b-2"), ("9", "9-2"),
     ("x" * 63, "x" * 60 + "-2")],
)  # fmt: skip
def test_followed_studies_are_numbered(name: str, after: str) -> None:
    assert next_name(name) == after


def test_an_unfinished_study_has_a_report_that_says_so(folder: Path) -> None:
    engine = new_engine(folder, toy_study())
    assert [engine.next_segment() is not None for _ in range(3)] == [True] * 3
    engine.ledger.close()
    page = reporting.html(results.read("toy"))
    assert "Trials that have ended: only 0 of 12." in page and "hpo resume toy" in page


def test_the_report_is_written_whole_or_not_at_all(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = results.read("toy")
    target = reporting.write(found, None, "en")
    assert target == StudyPaths.of("toy").root / "report.html" and target.read_text(encoding="utf-8").endswith(
        "</html>"
    )
    before = target.read_bytes()

    def full(file: Path, text: str, **_: Any) -> None:
        file.write_bytes(text[:100].encode())
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_text", full)
        with pytest.raises(DiskError, match="cannot be written: No space left on device; choose another --out"):
            reporting.write(found, None, "en")
    assert target.read_bytes() == before and [*target.parent.glob(".report*")] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "nowhere/a.html"], "there is no folder nowhere; make it, or choose another --out"),
        (["--out", "."], "is a folder; name a file"),
        (["--lang", "kr"], "--lang must be one of en, ko, got 'kr'; did you mean ko?"),
    ],
)
def test_a_mistake_is_one_line_with_a_way_out(searched: Path, arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["report", "toy", *arguments])
    assert isinstance(done.exception, UsageError) and said in str(done.exception)


def test_the_terminal_s_language_is_the_report_s(searched: Path) -> None:
    assert language_of({"LANG": "ko_KR.UTF-8"}) == "ko"
    assert language_of({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}) == "en"
    assert language_of({}) == "en"
    done = CliRunner().invoke(app, ["report", "toy", "--out", "a.html"], env={"LC_ALL": "ko_KR.UTF-8"})
    assert done.exit_code == 0 and done.stdout.strip() == "a.html"
    assert '<html lang="ko">' in Path("a.html").read_text(encoding="utf-8")
