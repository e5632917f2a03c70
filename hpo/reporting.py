"""`hpo report`: a study's numbers, what follows from them, and the page that shows both."""

import os
from pathlib import Path

from dashboards.first_screen import Step
from dashboards.page import vega
from dashboards.study_report import LANGUAGES, Findings, NextStudy, findings, page
from hpo.errors import DiskError, UsageError
from hpo.frames import study_data
from hpo.language import refuse_unknown
from hpo.next_study import NoNextStudy, follow
from hpo.paths import StudyPaths
from hpo.results import Results

FILE = "report.html"


def write(results: Results, out: Path | None, language: str) -> Path:
    """The page, whole or not at all; where it was written."""
    target = out or StudyPaths.of(results.study.study).root / FILE
    if not target.parent.is_dir():
        raise UsageError(
            f"{target} cannot be written: there is no folder {target.parent}; make it, or choose another --out"
        )
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file: --out {target / FILE}")
    text = html(results, language)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise DiskError(f"{target} cannot be written: {error.strerror}; choose another --out") from None
    finally:
        temporary.unlink(missing_ok=True)
    return target


def html(results: Results, language: str = "en") -> str:
    """The page as text: for a file, or as an artifact of the study's run."""
    refuse_unknown(language)
    found = findings(study_data(results))
    followed = next_study(results, found, language)
    return page(found, followed, steps(results, found, followed), language)


def get_ready() -> None:
    """Load what the first page takes a second for."""
    vega()


def next_study(results: Results, found: Findings, language: str) -> NextStudy:
    try:
        made = follow(results, found.verdicts, LANGUAGES[language])
    except NoNextStudy as why:
        return NextStudy(none=str(why))
    return NextStudy(file=f"{made.study}.yaml", text=made.text, unchecked=made.unchecked)


def steps(results: Results, found: Findings, followed: NextStudy) -> list[Step]:
    """What a person may type next, the likeliest first."""
    name = results.study.study
    if results.state == "running":
        return []
    if results.state == "interrupted":
        return [Step(code="resume", command=f"hpo resume {name}")]
    if results.front:
        chosen = f"hpo promote {name} --trial {results.front[0].number}"
        return [Step(code="promote_front", command=chosen)] if results.study.registry else []
    if found.answer is None:
        return [Step(code="show", command=f"hpo show {name}")]
    promote = [Step(code="promote", command=f"hpo promote {name}")] if results.study.registry else []
    search_on = [] if followed.none else [Step(code="next", command=f"hpo run {followed.file}")]
    moved = any(verdict.kind != "keep" for verdict in found.verdicts)
    return [*search_on, *promote] if moved else [*promote, *search_on]
