"""What a person finds in MLflow's own pages, served by `hpo ui`, on a finished and promoted study. Needs Chromium."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import mlflow
import pytest

from hpo.driver import start
from hpo.registry.promotion import promote
from hpo.study import Study
from hpo.tracking.mlflow import TRIAL, tracking_uri
from tests.hpo.test_promoted_table import STUDY, write_rows
from tests.mlflow_server import free_port, wait_for
from tests.test_main_job import HPO

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 120_000  # milliseconds: a busy machine draws slowly

pytestmark = [
    pytest.mark.hard,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is absent: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    """A browser, and the address at which `hpo ui` serves a study of six trials whose winner is champion."""
    from playwright.sync_api import sync_playwright

    folder, port = tmp_path_factory.mktemp("pages"), free_port()
    space = STUDY["search_space"] | {"max_leaf_nodes": {"integer": [2, 12]}}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        write_rows()
        search = STUDY["search"] | {"trials": 6}
        start(Study.model_validate(STUDY | {"search_space": space, "search": search}), text="", in_process=True)
        promote("weather")
        with (folder / "ui.log").open("wb") as log:
            served = subprocess.Popen([HPO, "ui", "--port", str(port)], stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", served, folder / "ui.log")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.set_default_timeout(PATIENCE)
                yield page, f"http://127.0.0.1:{port}"
                browser.close()
        finally:
            served.send_signal(signal.SIGTERM)
            served.wait()


def runs() -> tuple[str, dict[str, Any]]:
    """The experiment, and its runs by name."""
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    experiment = client.get_experiment_by_name("weather").experiment_id
    return experiment, {run.info.run_name: run for run in client.search_runs([experiment])}


def test_the_study_is_one_row_that_unfolds_to_its_trials(pages: tuple[Any, str]) -> None:
    page, address = pages
    experiment, _ = runs()
    page.goto(f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning")
    study = page.get_by_role("row").filter(has=page.get_by_role("link", name="weather", exact=True))
    study.last.wait_for()
    assert page.get_by_role("link", name="trial 000").count() == 0
    study.last.get_by_role("button").first.click()
    page.get_by_role("link", name="trial 005").wait_for()
    assert page.get_by_role("link", name="trial 00").count() == 6


def test_three_trials_of_the_view_best_first_are_compared_in_parallel_coordinates(pages: tuple[Any, str]) -> None:
    page, address = pages
    experiment, found = runs()
    page.goto(f"{address}/#/experiments/{experiment}/runs?viewStateShareKey=hpo&workflowType=machine_learning")
    page.get_by_role("link", name="trial 005").wait_for()
    links = page.get_by_role("link", name="trial 00").all()  # where they stand on the page, not in its text
    shown = [link.inner_text() for link in sorted(links, key=lambda link: link.bounding_box()["y"])]
    by_value = {name: run.data.metrics["best/f1_macro"] for name, run in found.items() if TRIAL in run.data.tags}
    assert [by_value[name] for name in shown] == sorted(by_value.values(), reverse=True)
    for text in ("best/f1_macro", "cost/seconds"):
        assert page.get_by_text(text, exact=True).count()
    for box in page.get_by_role("row").locator(".ag-selection-checkbox input[aria-label*=row]").all()[:3]:
        box.check(force=True)
    page.get_by_role("button", name="Compare").first.click()
    page.get_by_text("Comparing 3 Runs").wait_for()
    page.locator(".parcoords").first.wait_for(state="attached")
    for name in ("learning_rate", "max_leaf_nodes"):
        assert page.locator(".axis-title", has_text=name).count(), "the parameters that were searched"


def test_the_study_says_what_was_searched_and_its_report_opens(pages: tuple[Any, str]) -> None:
    page, address = pages
    experiment, found = runs()
    run = found["weather"].info.run_id
    page.goto(f"{address}/#/experiments/{experiment}/runs/{run}")
    page.get_by_text("Best:").wait_for()
    page.get_by_role("link", name="Trials, best first").first.wait_for()
    page.goto(f"{address}/#/experiments/{experiment}/runs/{run}/artifacts/report.html")
    page.locator("iframe").wait_for()
    page.frame_locator("iframe").get_by_text("What is best").first.wait_for()


def test_the_champion_is_in_the_registry(pages: tuple[Any, str]) -> None:
    page, address = pages
    page.goto(f"{address}/#/models/weather")
    page.get_by_text("champion").first.wait_for()
    page.get_by_text("Version 1").first.wait_for()
