"""The terminal in Korean: every sentence has one, with the same places, and what is recorded stays English."""

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from dashboards import study_report
from hpo import checking, driver, help_page, korean, language, tables, watching, yaml_source
from hpo.cli import Verbs, app
from hpo.doctor import State as Found
from hpo.errors import UsageError
from hpo.history import State
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.results import read
from hpo.tracking import lines
from hpo.tracking.board import board_after
from hpo.tracking.terminal import Terminal
from hpo.wording import count
from tests.hpo.test_engine import new_engine, run, toy_study
from tests.hpo.typed import PROJECT

KOREAN = language.language("ko")
SOURCES = [path for folder in ("hpo", "train_fn") for path in sorted((PROJECT / folder).rglob("*.py"))]


@pytest.fixture(autouse=True)
def _asked_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "asked_for", [])


def said_in(path: Path) -> Iterator[str]:
    """What stands in a file as `say("...")`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "say" and node.args:
            if isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


COMMAND = typer.main.get_command(app)
assert isinstance(COMMAND, Verbs)
VERBS = ["", *COMMAND.commands]


def told_in_help() -> Iterator[str]:
    """Of every verb what it does, and what each of its options and arguments is for."""
    for command in (COMMAND, *COMMAND.commands.values()):
        yield from help_page.paragraphs(command.help or "")
        yield from (option.help for option in command.params if getattr(option, "help", None))  # type: ignore[attr-defined]


SAID = {sentence for path in SOURCES if path.name != "terminal.py" for sentence in said_in(path)}
CHOSEN = {  # by what is the case
    *(state.lower() for state in State),
    *Found,
    *told_in_help(),
    *("Options", "Arguments", "Commands"),
    *("finished", "running", "interrupted"),
    *lines.WORDS.values(),
    *("{run} lost its worker: {reason}", "{run} waits: {reason}"),
    *checking.AIMS.values(),
    *(driver.KEYS, watching.KEYS),
    *(f"{{count}} {one}{end}" for one in ("trial", "epoch", "parameter", "row", "event") for end in ("", "s")),
    *("{count} more class", "{count} more classes"),
}


PUT_TOGETHER = re.compile(
    r"[][;:(),'`|]|must be | more(?= fault)| trials? (?=at once$|per GPU$)| of which |(?:at or )?(?:above|below)"
    r"|^ [a-z]+s\b|none go|1 goes| -?(?:nan|inf)|rows? as|starts|epochs(?=,)"
)  # where the English of what is recorded is made of parts


OF_LIBRARIES = """
Missing argument; Missing option; Option requires an argument; does not take a value
Input should be a valid integer, unable to parse string as an integer; Input should be less than or equal to
Input should be greater than or equal to
"""


def places(sentence: str) -> list[tuple[str, str]]:
    return sorted((name, form or "") for _, name, form, _ in Formatter().parse(sentence) if name)


@pytest.mark.parametrize("sentence", sorted(SAID | CHOSEN))
def test_every_sentence_has_a_korean_one(sentence: str) -> None:
    assert sentence in korean.SAID


@pytest.mark.parametrize("sentence", sorted({**korean.SAID, **korean.TOLD_ANEW}))
def test_a_translation_has_the_same_places_to_fill(sentence: str) -> None:
    assert places({**korean.SAID, **korean.TOLD_ANEW}[sentence]) == places(sentence)


def test_every_translation_is_of_a_sentence_that_still_stands_in_the_code() -> None:
    constants = {
        node.value
        for path in [*SOURCES, *Path(typer.__file__).parent.rglob("*.py")]
        if path.parent.name != "korean"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for sentence in korean.SAID:
        assert sentence in constants | CHOSEN, sentence
    everything = (
        "\n".join(constants)
        + "\n".join(State)
        + OF_LIBRARIES
        + "\n".join(one for several in BY_CASE.values() for one in several)
    )
    for sentence in korean.TOLD_ANEW:
        for words, _ in language.parts(sentence):
            for piece in PUT_TOGETHER.split(words):
                assert piece.strip() in everything, (sentence, piece)


@pytest.mark.parametrize("sentence", sorted(korean.TOLD_ANEW))
def test_what_was_told_in_english_is_recognised(sentence: str) -> None:
    values = {name: "; do" if name == "way_out" else f"<{name}>" for name, _ in places(sentence)}
    assert KOREAN.retell(sentence.format(**values)) == korean.TOLD_ANEW[sentence].format(**values)


def test_a_reason_within_an_error_is_told_in_korean_too() -> None:
    told = KOREAN.retell("its worker was lost 3 times: no report for 61 s, more than its lease of 60 s")
    assert told == "작업자를 3번 잃음: 61초 동안 보고가 없음, 허용은 60초"


def test_one_of_anything_is_told_as_many_are() -> None:
    assert [count(1, "class"), count(2, "class"), count(1.0, "epoch"), count(0.5, "epoch"), count(1234, "row")] == [
        "1 class",
        "2 classes",
        "1 epoch",
        "0.5 epochs",
        "1,234 rows",
    ]
    for told in (1, 2):
        assert KOREAN.retell(f"all {count(told, 'trial')} ended") == f"시도 {told}개가 모두 끝남"
    assert KOREAN.retell("data: train 9 rows, 1 class") == "데이터: train 9행, 클래스 1개"


def test_what_nobody_translated_stays_as_it_is() -> None:
    assert KOREAN.retell("ValueError: {odd} 100 %") == "ValueError: {odd} 100 %"
    assert language.ENGLISH.retell("ran to its end") == "ran to its end"
    assert language.ENGLISH.say("{count} of {planned}", count=1, planned=2) == "1 of 2"


def test_the_terminal_speaks_the_languages_of_the_pages() -> None:
    assert {*study_report.LANGUAGES} == {*language.LANGUAGES}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_korean_columns_stand_below_each_other(folder: Path, size: tuple[int, int]) -> None:
    """A Korean letter is two columns wide."""
    engine = new_engine(folder, toy_study(search={"trials": 40, "searcher": "random"}))
    terminal = Terminal(board_after(engine.ledger.events(), engine.study, "", None, KOREAN), io.StringIO())
    engine.tell = terminal.tell
    with terminal:
        run(engine)
    terminal.console.size = size  # type: ignore[assignment]
    with terminal.console.capture() as capture:
        terminal.console.print(terminal.board)
    shown = capture.get().splitlines()
    assert len(shown) <= size[1] and max(map(cell_len, shown)) <= size[0]
    heading = next(line for line in shown if "에포크" in line)
    assert heading.split() == ["시도", "에포크", "score", "최고", "상태", "이유"]
    place = cell_len(heading[: heading.index("상태")])
    ended = [line for line in shown if "조기 중단 " in line or "완료 " in line][:5]
    assert ended
    for line in ended[:-1]:
        state = min(at for word in ("조기 중단", "완료") if (at := line.find(word)) >= 0)
        assert cell_len(line[:state]) == place, line
    below = [line for line in shown if line.startswith(("시도   ", "최고   ", "단계   ", "비용   "))]
    assert len(below) == 4 and {cell_len(line[:2]) for line in below} == {4}
    assert "40개 중 40개" in below[0] and "(에포크)" in below[2]


def test_json_and_the_ledger_stay_english(folder: Path) -> None:
    run(new_engine(folder, toy_study()))
    ask = CliRunner()
    assert ask.invoke(app, ["show", "toy", "--json", "--lang", "ko"]).stdout == (
        ask.invoke(app, ["show", "toy", "--json"]).stdout
    )
    with_lang = ask.invoke(app, ["--lang", "ko", "show", "toy"]).stdout
    assert "스터디 toy: 끝남" in with_lang and "조기 중단" in with_lang and "비용: " in with_lang
    kept = json.dumps([event.payload for event in Ledger(StudyPaths.of("toy").ledger).events()], ensure_ascii=False)
    assert kept.isascii()


def test_a_status_in_korean_and_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(new_engine(folder, toy_study()))
    tables.print_status([read("toy")], {}, KOREAN)
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert "끝남" in CliRunner().invoke(app, ["status"]).stdout
    with pytest.raises(UsageError) as refused:
        read("absent")
    assert KOREAN.retell(str(refused.value)).endswith("에 스터디가 없습니다; `hpo status`로 있는 것을 보십시오")


RAISED = "{}"  # what stands for a value
ENGLISH_WORDS = re.compile(r"(?<![a-z_.`/-])[a-z]{2,} [a-z]{2,}(?![a-z_./-])")
AS_IT_IS = {  # who reads these is a program, or whoever writes hpo
    *("hpo/simulator/contract.py", "hpo/searchers/contract.py", "hpo/doctor/salvage.py", "hpo/korean/__init__.py"),
    *("hpo/next_study.py", "hpo/measured_run.py", "hpo/__main__.py"),
}


def told_in(path: Path) -> Iterator[str]:
    """What a file raises, and what the checks of a study file and of `hpo doctor` find; with RAISED for each value."""
    for node in ast.walk(ast.parse(path.read_text())):
        told: list[ast.expr] = []
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            told = node.exc.args
        elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):  # of a fault: its key, the rule
            told = node.value.elts[1:]
        elif (
            isinstance(node, ast.Yield) and node.value and path.stem in ("comparing", "telling", "replay", "space_lint")
        ):
            told = [node.value]
        elif isinstance(node, ast.Return) and path.stem == "gates":
            told = [part for part in ast.walk(node) if isinstance(part, ast.JoinedStr)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("ok", "warning", "fault"):
            told = node.args[1:]
        yield from (sample for one in told if re.search("[a-z]{2} [a-z]{2}", sample := in_sample(one)))


def in_sample(told: ast.expr) -> str:
    if isinstance(told, ast.Constant):
        return str(told.value)
    if isinstance(told, ast.JoinedStr):
        return "".join(in_sample(part) for part in told.values)
    if isinstance(told, ast.FormattedValue) and (
        said := re.fullmatch(r"count\(.+, '([a-z]+)'\)", ast.unparse(told.value))
    ):
        return f"{RAISED} {said[1]}s"
    if isinstance(told, ast.FormattedValue):  # what was meant stands behind what was got, if at all
        return "" if ast.unparse(told.value).startswith("did_you_mean(") else RAISED
    return ""


RETURNED = "a DataFrame, a list of dicts, a dict of columns, or a dict of these by split"
BY_FUNCTION = [
    "a {} from {}; return one of these",
    "a list with a {} from {}; return one of these",
    "what is no table from {}: {}; return columns of one length",
]
BY_CASE = {  # where a value is words itself, or the whole stands in another sentence
    "trial {} has {} = {}, which search_space no longer allows; widen it, or {}": [
        "trial {} has {} = {}, which search_space no longer allows; widen it, or begin a new study with --name"
    ],
    "{} cannot change within a study: past decisions were taken by it; {}": [
        "{} cannot change within a study: past decisions were taken by it; begin a new study with --name"
    ],
    "of {}: {}; `hpo retrain {}{}` trains it again": [
        "of the winner: {}; `hpo retrain {}` trains it again",
        "of the front: {}; `hpo retrain {} --trial {}` trains it again",
    ],
    "{}; none of them runs: `rm -r {}` frees it": [
        "other programs that used Ray left {} sessions ({}) in {}; none of them runs: `rm -r {}` frees it"
    ],
    "the Ray cluster at {} wants another token: {}; {} one it takes": [
        "the Ray cluster at {} wants another token: {}; {} goes on when there is one it takes"
    ],
    "there is no Ray cluster at {}: {}; {}": ["there is no Ray cluster at {}: {}; {} goes on when there is"],
    "study {} has no {}; `hpo show {}` lists its trials": [
        "study {} has no winner; `hpo show {}` lists its trials",
        "study {} has no trial {}; `hpo show {}` lists its trials",
    ],
    "{} is the better the {}; {} it": [
        "{} is the better the larger; maximize it",
        "{} is the better the smaller; minimize it",
    ],
    "  {} {} on validation{}": [
        "  {} {} on validation, {} on the sealed test ({} rows)",
        "  {} {} on validation; no sealed test split",
    ],
    "no module {} to be found from {}; {}": [
        "no module {} to be found from {}; did you mean {}?",
        "no module {} to be found from {}; check the spelling of {}",
    ],
    "{}: stands twice{}; keep one": ["{}: stands twice, first in line {}; keep one", "{}: stands twice; keep one"],
    "{}: columns must stand apart by {}, looks like {}; {}": [
        "{}: columns must stand apart by {}, looks like {}; name it .tsv",
        "{}: columns must stand apart by {}, looks like {}; write it with {}",
    ],
    "cannot be read: {}": ["study {} cannot be read: {}"],
    "has another objective, {} instead of {}; leave it out": [
        "study {} has another objective, {} instead of {}; leave it out"
    ],
    "has {} finished trials in this search_space, and at least {} are needed": [
        "study {} has {} finished trials in this search_space, and at least {} are needed"
    ],
    "searched {}, none of it is searched here; leave it out": [
        "study {} searched {}, none of it is searched here; leave it out"
    ],
    "needs an NVIDIA GPU from Ampere on": [
        "`precision` {} needs an NVIDIA GPU from Ampere on, got {}; try fp32 or auto"
    ],
    "needs an NVIDIA GPU or a CPU": ["`precision` {} needs an NVIDIA GPU or a CPU, got {}; try fp32 or auto"],
    **{f"{RAISED}, got {got}": [f"`function` must return {RETURNED}, got {got}"] for got in BY_FUNCTION},
    "{} MB; must be {} at most": ["size_mb: {} MB; must be {} at most"],
    "{} ms for one row; must be {} at most": ["latency_ms: {} ms for one row; must be {} at most"],
    "{} on the sealed rows; must be {} at most": ["calibration_error: {} on the sealed rows; must be {} at most"],
    "too many requests wait; ask again in a second": [],  # HTTP
    "some of its tensors": [],  # caught where it is raised
    "`hpo sync {}`": [],
    "a new trial": [],
}
TOLD = {(path.relative_to(PROJECT).as_posix(), told) for path in SOURCES for told in told_in(path)}


def test_the_cases_are_of_sentences_that_still_stand_in_the_code() -> None:
    assert BY_CASE.keys() <= {told for _, told in TOLD}


@pytest.mark.parametrize(("file", "told"), sorted(one for one in TOLD if one[0] not in AS_IT_IS))
def test_whatever_is_raised_or_found_is_told_in_korean(file: str, told: str) -> None:
    for sample in BY_CASE.get(told, [told]):
        said = KOREAN.retell(sample)
        assert re.search("[가-힣]", said), sample
        assert not ENGLISH_WORDS.search(re.sub("`[^`]*`|pip install", "", said)), said
        assert KOREAN.retell(f"a.yaml:3:5: search.trials: {sample}") == f"a.yaml:3:5: search.trials: {said}"


@pytest.mark.parametrize("verb", VERBS)
def test_help_in_korean_fits_80_columns(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["--lang", "ko", *([verb] if verb else []), "--help"]).stdout
    assert "사용법: " in shown and "이 도움말을 보여 주고 끝냅니다." in shown
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert help_page.FILLER not in shown


def test_what_an_option_is_for_begins_at_the_same_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["check", "--lang", "ko", "--help"]).stdout.splitlines()
    options = [line for line in shown if line.startswith("  --")]
    assert len({cell_len(re.split(r"(?<=\S)  +", line.strip(), maxsplit=1)[0]) for line in options}) > 1
    assert len({line.index(re.split(r"(?<=\S)  +", line, maxsplit=1)[1]) for line in options}) == 1


@pytest.mark.parametrize("way_out", sorted(yaml_source.WAYS_OUT.values()))
def test_every_way_out_of_wrong_yaml_is_told_in_korean(way_out: str) -> None:
    assert not ENGLISH_WORDS.search(re.sub("`[^`]*`", "", KOREAN.retell(f"a.yaml:2:1: is no valid YAML: x; {way_out}")))


def test_what_was_found_in_the_rows_is_told_by_its_place_rule_and_deed() -> None:
    assert (
        KOREAN.retell("e.csv: label missing in 2 rows: dropped (rows 3, 4)")
        == "e.csv: 2행에서 라벨 없음: 버림 (3, 4행)"
    )


def test_faults_that_are_told_together_are_told_in_korean_each() -> None:
    gates = "size_mb: 90 MB; must be 50 at most; and latency_ms: 12.0 ms for one row; must be 5 at most"
    told = KOREAN.retell(
        f'study s is not promoted: {gates}; the champion stays. `hpo promote s --force "why"` overrides it, which is '
        "recorded"
    )
    assert "size_mb: 90 MB; 50 이하여야 합니다; latency_ms: 한 행에 12.0 ms; 5 이하여야 합니다; 챔피언은 그대로" in told
