"""The page as a file: self-contained, safe, the same in both languages, and open for every study however odd."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from math import inf, nan
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboards import doubts, study_report
from dashboards.first_screen import Step
from dashboards.study import Parameter, StudyData
from dashboards.study_report import LANGUAGES, NextStudy
from dashboards.theme import STATES
from tests.dashboards.made import DROPOUT, LEARNING_RATE, OPTIMIZER, searched, study

FOLDER = Path(study_report.__file__).parent
NEXT = NextStudy(file="made-2.yaml", text="study: made-2\n")


def page_of(made: StudyData, language: str = "en", followed: NextStudy = NEXT) -> str:
    steps = [Step(code="next", command="hpo run made-2.yaml"), Step(code="promote", command="hpo promote made")]
    return study_report.page(study_report.findings(made), followed, steps, language)


class Reader(HTMLParser):
    """The text of a page without its scripts, and whatever could load something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.loads, self.open = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open = tag
        self.loads += [value for name, value in attrs if name in ("src", "href", "action", "data") and value]

    def handle_data(self, data: str) -> None:
        if self.open not in ("script", "style"):
            self.text.append(data)


def text_of(page: str) -> str:
    return " ".join(" ".join(Reader(page).text).split())


def figures_in(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def one_class() -> StudyData:
    scores = {"only": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "rows": 10}}
    return study({DROPOUT: [0.5]}, [[1.0]], evaluation={"classes": scores, "confusion": [[10]]})


def conditional() -> StudyData:
    """A parameter that never applied, and one that the winner lacks."""
    momentum = Parameter(name="momentum", scale="linear", low=0, high=1, conditional=True)
    never = Parameter(name="never", scale="category", values=("a", "b"), conditional=True)
    shares = {DROPOUT: [*np.linspace(0, 1, 12)], momentum: [*[0.5] * 11, nan], never: [nan] * 12}
    return study(shares, [[trial / 12] for trial in range(12)])


ODD: dict[str, Callable[[], StudyData]] = {
    "no trial yet": lambda: study({DROPOUT: []}, [], state="running", planned=8),
    "one trial": lambda: study({DROPOUT: [0.5]}, [[0.1, 0.2]]),
    "nothing searched": lambda: study({}, [[0.1, 0.2]]),
    "all failed": lambda: study({DROPOUT: [0.1, 0.2]}, [[], []], ["FAILED", "FAILED"]),
    "all diverged": lambda: study({DROPOUT: [0.1, 0.2]}, [[nan], [0.3, nan]], ["DIVERGED", "DIVERGED"]),
    "one value of a parameter": lambda: study({DROPOUT: [0.5] * 12}, [[trial / 12] for trial in range(12)]),
    "unfinished": lambda: study(
        {DROPOUT: [0.1, 0.2, 0.3]}, [[0.1, 0.2], [0.3], []], ["COMPLETE", "RUNNING", "WAITING"], state="interrupted"
    ),
    "a state of tomorrow": lambda: study({DROPOUT: [0.1, 0.2]}, [[0.1], [0.3]], ["COMPLETE", "PAUSED"], state="asleep"),
    "missing metrics": lambda: study({DROPOUT: [0.1, 0.2]}, [[nan, nan], [nan, 0.2]]),
    "far apart": lambda: study({DROPOUT: [0.1, 0.2, 0.3]}, [[1e30], [-1e30], [1e-30]]),
    "all alike": lambda: study({DROPOUT: [*np.linspace(0, 1, 12)]}, [[0.5]] * 12),
    "conditional parameters": conditional,
    "one class": one_class,
    "many parameters": lambda: study(
        {Parameter(name=f"p{n}", scale="linear", low=0, high=1): [*np.linspace(0, 1, 12)] for n in range(40)},
        [[trial / 12] for trial in range(12)],
    ),
    "5,000 trials": lambda: searched(5000, epochs=2),
}
OF_SEVERAL_OBJECTIVES = "section_front"
PROMISED = [name for name in study_report.ENGLISH if name.startswith("section_") and name != OF_SEVERAL_OBJECTIVES]


@pytest.mark.parametrize(
    ("name", "language"), [*((name, "en") for name in ODD), ("all failed", "ko"), ("one class", "ko")]
)
def test_every_study_opens_and_says_what_happened(name: str, language: str) -> None:
    page = page_of(ODD[name](), language)
    text, words = text_of(page), LANGUAGES[language]
    for promised in PROMISED:
        assert words[promised] in text
    assert not re.search(r"\b(nan|NaN|inf|None)\b", text), re.search(r".{40}\b(nan|NaN|inf|None)\b.{40}", text)
    assert len(page) < 5_000_000
    specs = figures_in(page)["specs"]
    assert set(re.findall(r'class="figure" id="([^"]+)"', page)) == set(specs)


def test_what_is_missing_is_said_in_words() -> None:
    assert "no trial has been started" in text_of(page_of(ODD["no trial yet"]()))
    assert "Trials that came to a regular end: none of 2; most often: why failed" in text_of(
        page_of(ODD["all failed"]())
    )
    assert "Trials that have ended: only 1 of 3." in text_of(page_of(ODD["unfinished"]()))
    assert re.search(r"Drawn are \d+ of 500 trials", text_of(page_of(searched(500))))


def test_the_answer_is_one_sentence_with_its_interval() -> None:
    made = study({DROPOUT: [0.1, 0.2]}, [[0.9], [0.5]], evaluation={"confusion": [[45, 5], [5, 45]]}, metric="accuracy")
    page = text_of(page_of(made))
    assert re.search(
        r"Trial 000 is best, with accuracy 0\.9000 \(0\.8\d+ to 0\.9\d+ with 95 % certainty, one seed\)\.", page
    )
    alone = text_of(page_of(study({DROPOUT: [0.1]}, [[0.5]])))
    assert "(one seed; how far chance may have moved it is not known)" in alone


def test_the_page_loads_nothing_and_its_own_policy_knows_each_script() -> None:
    page = page_of(searched(20))
    loads = [value for value in Reader(page).loads if not value.startswith(("#", "data:text/yaml"))]
    assert loads == []
    assert "default-src 'none'" in page
    policy = re.search(r"script-src ([^;]+);", page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert policy and policy[1].split() == [f"'sha256-{digest}'" for digest in digests] and len(scripts) == 2


EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


def test_names_and_values_are_text_and_never_markup() -> None:
    right = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "rows": 10}
    evil = Parameter(name=EVIL, scale="category", values=(EVIL, "b"))
    made = study(
        {evil: [0.1, 0.9], DROPOUT: [0.1, 0.2]},
        [[0.1], [0.2]],
        ["COMPLETE", "FAILED"],
        name=EVIL,
        metric=EVIL,
        evaluation={"classes": {EVIL: right, "b": right}, "confusion": [[9, 1], [0, 9]]},
        origin={"who": EVIL},
    )
    page = page_of(replace(made, trials=made.trials.assign(reason=EVIL)), followed=NextStudy(file=EVIL, text=EVIL))
    own = page[: page.index('<script type="application/json"')]
    assert "<img" not in own and "<script" not in own and EVIL in text_of(page)
    assert page.count("<script>") == 2 and "<script>alert" not in page
    assert EVIL in [row["truth"] for rows in figures_in(page)["datasets"].values() for row in rows if "truth" in row]


def test_rows_that_it_gets_wrong_are_shown_where_the_checkpoint_keeps_them() -> None:
    kept = {
        "wrong": [{"text": "a fine day", "truth": "good", "said": "bad", "confidence": 0.93}],
        **one_class().evaluation,
    }
    text = text_of(page_of(replace(one_class(), evaluation=kept)))
    assert "a fine day good bad 93%" in text


def test_each_data_set_stands_in_the_file_once_however_many_figures_use_it() -> None:
    found = figures_in(page_of(searched(40)))
    used = [name for one in found["specs"].values() for name in one["names"]]
    assert set(used) == set(found["datasets"])
    assert all("datasets" not in one["spec"] for one in found["specs"].values())


def test_two_thousand_trials_take_less_than_twice_the_file_of_two_hundred() -> None:
    small, large = (len(page_of(searched(count, epochs=9))) for count in (200, 2000))
    assert large < 2 * small < 5_000_000


def fields(text: str) -> list[str]:
    return sorted(f"{name}:{form}" for _, name, form, _ in Formatter().parse(text) if name)


def test_all_languages_have_the_same_texts_with_the_same_places_to_fill() -> None:
    english = LANGUAGES["en"]
    for language, words in LANGUAGES.items():
        assert words.keys() == english.keys(), language
        assert {key: fields(text) for key, text in words.items()} == {
            key: fields(text) for key, text in english.items()
        }
        assert all(text.strip() == text and text for text in words.values())


def test_every_text_is_used_and_every_doubt_has_its_two() -> None:
    code = "".join(
        path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py") if path.stem not in ("english", "korean")
    )
    code += "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.html"))
    code += "".join(path.read_text(encoding="utf-8") for path in (FOLDER.parent / "hpo").glob("*.py"))
    families = ("doubt_", "state_", "study_", "section_", "step_", "verdict_", "importance_")
    for key in LANGUAGES["en"]:
        assert key.startswith(families) or re.search(rf'["\.\']{key}\b', code), key
    raised = set(re.findall(r'code=f?"([a-z_]+)', (FOLDER / "doubts.py").read_text())) - {"edge_", "often_"}
    raised |= {"edge_low", "edge_high", "often_diverged", "often_failed"}
    told = {key.removeprefix("doubt_") for key in LANGUAGES["en"] if key.startswith("doubt_")}
    assert told == raised | {f"{code}_do" for code in raised} and len(doubts.RULES) <= len(raised)


COLOURS = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
STYLE = (FOLDER / "page.css").read_text(encoding="utf-8")
THEMES = {"light": STYLE[: STYLE.index("@media")], "dark": STYLE[STYLE.index("@media") : STYLE.index("* {")]}


def contrast(one: str, other: str) -> float:
    """Of two colours, by WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_texts_and_marks_stand_out_from_the_paper(theme: str) -> None:
    """AA: 4.5 for texts, 3 for what must be seen to understand a figure."""
    colours = dict(COLOURS.findall(THEMES[theme]))
    for text in ("ink", "ink-2", "link"):
        assert contrast(colours[text], colours["paper"]) >= 4.5 and contrast(colours[text], colours["card"]) >= 4.5
    for mark in (*(colour[6:-1] for colour in STATES.values()), "picked", "line", "fifth-3", "fifth-5"):
        assert contrast(colours[mark], colours["paper"]) >= 3, mark


def test_figures_use_only_colours_that_the_style_sheet_has() -> None:
    made = searched(40)
    used = set(re.findall(r"var\(--([\w-]+)\)", json.dumps(figures_in(page_of(made))["specs"])))
    assert used <= dict(COLOURS.findall(THEMES["light"])).keys() and used
    assert dict(COLOURS.findall(THEMES["light"])).keys() == dict(COLOURS.findall(THEMES["dark"])).keys()


def test_infinite_numbers_are_drawn_as_none() -> None:
    made = study({LEARNING_RATE: [0.1, 0.2], OPTIMIZER: [0.1, 0.5]}, [[0.1], [0.2]])
    broken = replace(made, reports=made.reports.assign(seconds=[inf, 1.0]))
    assert isinstance(broken.reports, pd.DataFrame)
    assert "Infinity" not in re.sub(r"<script>.*?</script>", "", page_of(broken), flags=re.DOTALL)
