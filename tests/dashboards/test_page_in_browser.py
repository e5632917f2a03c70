"""The page in a real browser: drawn without an error, usable by mouse and by keyboard, readable in both themes.

Needs Chromium (Debian: `apt-get install chromium`).
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboards import study_report
from dashboards.study_report import NextStudy
from tests.dashboards.made import searched
from tests.dashboards.test_figures import EVALUATION

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.hard,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is absent: apt-get install chromium"),
]
NEXT = NextStudy(file="made-2.yaml", text="study: made-2\n")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Written once: the page takes seconds to make, and a moment to open."""
    folder = tmp_path_factory.mktemp("pages")
    bins = {
        "calibration": [
            {"rows": 8, "confidence": 0.9, "accuracy": 0.75},
            {"rows": 9, "confidence": 0.5, "accuracy": 0.5},
        ]
    }
    made = replace(searched(200, epochs=9), evaluation=EVALUATION | bins)
    pages = {
        "en": study_report.page(study_report.findings(made), NEXT, [], "en"),
        "ko": study_report.page(study_report.findings(made), NEXT, [], "ko"),
        "2000": study_report.page(study_report.findings(searched(2000)), NEXT, [], "en"),
        "40": study_report.page(
            study_report.findings(replace(searched(40), evaluation=EVALUATION | bins)), NEXT, [], "en"
        ),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


class Opened:
    """A page that has drawn all its figures, and what the browser said against it."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("body[data-drawn]", timeout=120_000)

    def drawn(self, selector: str) -> int:
        return int(self.page.locator(f"{selector} svg path, {selector} svg text").count())


@pytest.fixture
def opened(browser: Any, files: dict[str, Path]) -> Iterator[Opened]:
    one = Opened(browser, files["en"])
    yield one
    one.page.close()


@pytest.mark.parametrize("name", ["en", "ko", "2000"])
def test_all_figures_are_drawn_without_a_complaint_or_a_request(
    browser: Any, files: dict[str, Path], name: str
) -> None:
    one = Opened(browser, files[name])
    figures = one.page.locator(".figure")
    assert figures.count() == int(one.page.locator("body").get_attribute("data-drawn")) >= 10
    for number in range(figures.count()):
        box = figures.nth(number).locator("svg").bounding_box()
        assert box["width"] > 100 and box["height"] > 40
    assert one.complaints == []
    assert [url for url in one.requests if not url.startswith("file:")] == [] and len(one.requests) == 1
    one.page.close()


def test_hovering_names_the_trial(opened: Opened) -> None:
    """At the mark where the winner's curve ends; clicking there picks it."""
    opened.page.locator("#curves-1 svg").scroll_into_view_if_needed()
    end = opened.page.locator("#curves-1 path[fill='var(--winner)']").bounding_box()
    x, y = end["x"] + end["width"] / 2, end["y"] + end["height"] / 2
    opened.page.mouse.move(x, y, steps=3)
    tooltip = opened.page.wait_for_selector("#vg-tooltip-element.visible").inner_text().split()
    winner = opened.page.locator("#trials .pick").first.inner_text()
    assert tooltip[:4] == ["trial", str(int(winner)), "state", "winner"]
    opened.page.mouse.click(x, y)
    opened.page.wait_for_selector("#trials tr.picked")
    assert opened.page.locator("#trials tr.picked .pick").inner_text() == winner


def test_the_filter_reaches_all_figures(opened: Opened) -> None:
    before = {name: opened.drawn(f"#{name}-1") for name in ("curves", "parallel", "slices")}
    opened.page.locator("input[value=complete]").uncheck()
    for name, count in before.items():
        opened.page.wait_for_function(
            "([name, count]) => document.querySelectorAll(`#${name} svg path, #${name} svg text`).length < count",
            arg=[f"{name}-1", count],
        )
    opened.page.locator("input[value=complete]").check()
    opened.page.wait_for_function(
        "count => document.querySelectorAll('#curves-1 svg path, #curves-1 svg text').length == count",
        arg=before["curves"],
    )


def test_a_trial_that_is_picked_stands_out_everywhere(opened: Opened) -> None:
    def picked(name: str) -> int:
        return int(opened.page.locator(f"#{name} [stroke='var(--picked)']").count())

    assert picked("curves-1") == 0
    opened.page.locator("#trials .pick").nth(3).click()
    opened.page.wait_for_selector("#curves-1 [stroke='var(--picked)']", state="attached")
    assert picked("parallel-1") == picked("slices-1") == picked("interactions-1") == 1
    assert opened.page.locator("#trials tr.picked").count() == 1
    opened.page.locator("#trials .pick").nth(3).click()
    opened.page.wait_for_selector("#curves-1 [stroke='var(--picked)']", state="detached")


def test_everything_is_reached_and_worked_by_the_keyboard(opened: Opened) -> None:
    page, reached = opened.page, []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.className || document.activeElement.id || document.activeElement.name"
            )
        )
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached[0] == "skip" and "state" in reached and "picked" in reached
    page.locator("#picked").focus()
    page.keyboard.type("17")
    page.wait_for_selector("#curves-1 [stroke='var(--picked)']", state="attached")
    page.locator("input[value=pruned]").focus()
    page.keyboard.press("Space")
    assert not page.locator("input[value=pruned]").is_checked()
    page.locator("#trials .sort").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#trials th").first.get_attribute("aria-sort") == "ascending"
    numbers = page.locator("#trials tbody tr td:first-child").evaluate_all(
        "cells => cells.map(cell => +cell.dataset.number)"
    )
    assert numbers == sorted(numbers) and len(numbers) == 200
    page.locator("#curves summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#curves details").get_attribute("open") is not None


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_and_nothing_is_cut_off(browser: Any, files: dict[str, Path], theme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    one = Opened(browser, files["40"], viewport={"width": width, "height": 900}, color_scheme=theme)
    one.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(
        one.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    assert found.violations_count == 0, found.generate_report()
    assert "color-contrast" in [rule["id"] for rule in found.response["passes"]]
    assert not one.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    one.page.close()


def test_dark_and_light_are_the_same_figure_in_other_colours(browser: Any, files: dict[str, Path]) -> None:
    one = Opened(browser, files["en"], color_scheme="light")
    label = one.page.locator("#curves-1 svg text").first
    light = label.evaluate("text => getComputedStyle(text).fill")
    one.page.emulate_media(color_scheme="dark")
    dark = label.evaluate("text => getComputedStyle(text).fill")
    one.page.emulate_media(color_scheme="dark", media="print")
    assert light != dark and label.evaluate("text => getComputedStyle(text).fill") == light  # paper is white
    one.page.close()


def test_it_prints_on_a_few_pages_with_all_figures(opened: Opened, tmp_path: Path) -> None:
    opened.page.pdf(path=tmp_path / "report.pdf", format="A4")
    pages = (tmp_path / "report.pdf").read_bytes().count(b"/Type /Page\n")
    assert 3 <= pages <= 20
    opened.page.emulate_media(media="print")
    assert opened.page.locator(".figure svg:visible").count() == opened.page.locator(".figure").count()
    assert not opened.page.locator("#toolbar").is_visible()


def test_the_first_figure_is_there_before_the_last(opened: Opened) -> None:
    marks = dict(opened.page.evaluate("performance.getEntriesByType('mark').map(mark => [mark.name, mark.startTime])"))
    assert marks["first figure"] < 0.8 * marks["all figures"]


def test_the_next_study_is_saved_under_its_name(opened: Opened) -> None:
    with opened.page.expect_download() as saved:
        opened.page.locator("#next a.button").click()
    assert saved.value.suggested_filename == "made-2.yaml"
    assert Path(saved.value.path()).read_text(encoding="utf-8") == NEXT.text
