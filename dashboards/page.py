"""One self-contained HTML file from a plain list of sections: it loads nothing, and its own policy forbids it to.

Figures are Vega-Lite; Vega's script stands in the file once, and so does each data set, however many figures use it.
"""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dashboards.section import Card, Section
from dashboards.study import Words
from dashboards.theme import SHAPES, STATES, spec

HERE = Path(__file__).parent
DIGITS = 5  # significant ones of the numbers that figures are drawn from: finer than any screen


@dataclass(frozen=True, kw_only=True)
class Live:
    """Where a page that is served asks whether there is more to show: JSON that differs from `seen` if there is."""

    address: str
    seen: str
    report: str  # address of the whole report
    over: bool = False  # nothing more will come


def render(
    *,
    title: str,
    about: str,
    headline: str,
    cards: Sequence[Card],
    sections: Sequence[Section],
    states: Mapping[str, int],
    words: Words,
    language: str,
    live: Live | None = None,
) -> str:
    """The whole file. `states`: how many trials are in each, by the names of `theme.STATES`."""
    datasets: dict[str, Any] = {}
    specs = {}
    for section in sections:
        for number, figure in enumerate(section.figures, start=1):
            drawn = spec(figure.chart)
            own = drawn.pop("datasets", {})
            datasets |= {name: [rounded(row) for row in rows] for name, rows in own.items()}
            specs[f"{section.name}-{number}"] = {"spec": drawn, "names": [*own]}
    scripts = (
        [vega(), (HERE / "page.js").read_text(encoding="utf-8")] if specs else [(HERE / "page.js").read_text("utf-8")]
    )
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            about=about,
            headline=headline,
            cards=cards,
            sections=sections,
            states={state: count for state, count in states.items() if count},
            shapes={state: SYMBOLS[SHAPES[state]] for state in STATES},
            words=words,
            language=language,
            live=live,
            style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
            figures=Markup(in_script({"datasets": datasets, "specs": specs})),
            scripts=[Markup(script) for script in scripts],
            hashes=Markup(" ".join(f"'sha256-{digest(script)}'" for script in scripts)),
        )
    )


@cache
def environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


SYMBOLS = {"circle": "●", "diamond": "◆", "cross": "✚", "triangle-up": "▲", "triangle-down": "▼", "square": "■"}


@cache
def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script that needs no network."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def in_script(value: Any) -> str:
    """JSON that cannot end the script it stands in, whatever a class or a file is called."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Half the size; what is not finite is nothing."""
    return {name: short(value) if isinstance(value, float) else value for name, value in row.items()}


def short(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
