"""The list of all studies, each a link to its page."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dashboards.page import HERE, environment
from dashboards.study_report import LANGUAGES


def studies_page(rows: Sequence[Mapping[str, Any]], mlflow: str, language: str) -> str:
    """`rows` as `hpo status --json` has them; `mlflow`: where its pages are, if anywhere."""
    style = Markup((HERE / "page.css").read_text(encoding="utf-8"))
    return (
        environment()
        .get_template("studies.html")
        .render(rows=rows, mlflow=mlflow, words=LANGUAGES[language], language=language, style=style)
    )
