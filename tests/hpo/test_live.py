"""The live pages: read from the ledger alone, by whoever is on this machine and nobody else."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient
from typer.testing import CliRunner

from hpo.cli import app as cli
from hpo.engine import Engine
from hpo.live.alone import app
from hpo.paths import StudyPaths
from hpo.segment import Reported, Segment
from hpo.study_lock import study_lock
from tests.hpo.test_engine import new_engine, run, toy_study

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HERE = "http://127.0.0.1"


@pytest.fixture
def client(folder: Path) -> TestClient:
    return TestClient(app, base_url=HERE)


def report(engine: Engine, segment: Segment, step: int, score: float) -> None:
    said = Reported(step=step, epoch=float(step), metrics={"score": score}, seconds=1.0, checkpoint=None, diverged=None)
    engine.reported(segment, said)


def begun(folder: Path) -> tuple[Engine, Segment]:
    engine = new_engine(folder, toy_study())
    segment = engine.next_segment()
    assert segment is not None
    return engine, segment


def test_every_study_is_listed_with_its_address(folder: Path, client: TestClient) -> None:
    assert "hpo run FILE" in client.get("/live").text
    run(new_engine(folder, toy_study()))
    page = client.get("/live").text
    assert 'href="/live/toy"' in page and "finished" in page and "12 / 12" in page
    assert "스터디 목록" in client.get("/live", headers={"Accept-Language": "ko-KR,ko;q=0.9"}).text


def test_what_the_page_asks_each_second_changes_with_every_event(folder: Path, client: TestClient) -> None:
    engine, segment = begun(folder)
    before = client.get("/live/toy/seen").text
    assert f'data-seen="{before}"' in client.get("/live/toy").text
    report(engine, segment, 1, 0.5)
    after = client.get("/live/toy/seen").text
    assert after != before == client.get("/live/toy/seen").text.replace(after, before)
    with study_lock(StudyPaths.of("toy")):
        assert client.get("/live/toy/seen").text != after, "a driver has come"


def test_an_unfinished_study_shows_its_last_report(folder: Path, client: TestClient) -> None:
    engine, segment = begun(folder)
    report(engine, segment, 1, 0.625)
    with study_lock(StudyPaths.of("toy")):
        page = client.get("/live/toy").text
    assert "trial 000 epoch 1: score 0.6250, 1 s" in page and "CPU " in page and "likely in all" in page
    assert "CPU " not in client.get("/live/toy").text, "where nobody runs it, the machine is not of interest"
    assert "에포크 1개" in client.get("/live/toy?lang=ko").text


def test_a_study_that_is_over_promises_no_further_report(folder: Path, client: TestClient) -> None:
    engine, segment = begun(folder)
    report(engine, segment, 1, 0.625)
    assert "shows each new report" in client.get("/live/toy").text
    engine.completed(segment)
    run(engine)
    assert "shows each new report" not in client.get("/live/toy").text


def test_of_a_study_that_nobody_runs_no_trial_is_running(folder: Path, client: TestClient) -> None:
    begun(folder)
    with study_lock(StudyPaths.of("toy")):
        assert "1 running" in CliRunner().invoke(cli, ["status", "toy"]).stdout
    said = CliRunner().invoke(cli, ["status", "toy"]).stdout
    assert "interrupted" in said and "1 waiting" in said and "running" not in said


def test_the_address_for_programs_says_what_show_says(folder: Path, client: TestClient) -> None:
    run(new_engine(folder, toy_study()))
    assert client.get("/live/toy/json").json() == json.loads(CliRunner().invoke(cli, ["show", "toy", "--json"]).stdout)
    assert client.get("/live/toy/report").text.startswith("<!doctype html>")


@pytest.mark.parametrize("path", ["/live/nix", "/live/%2e%2e", "/live/A B", "/live/toy?lang=xx", "/live/nix/json"])
def test_what_is_not_there_is_said_in_one_line(folder: Path, client: TestClient, path: str) -> None:
    new_engine(folder, toy_study())
    answer = client.get(path)
    assert answer.status_code == 404 and len(answer.text.splitlines()) == 1


def test_a_damaged_ledger_is_said_in_one_line(folder: Path, client: TestClient) -> None:
    ledger = new_engine(folder, toy_study()).paths.ledger
    ledger.write_bytes(b"no database" * 1000)
    answer = client.get("/live/toy")
    assert answer.status_code == 500 and "`hpo doctor`" in answer.text and len(answer.text.splitlines()) == 1


@pytest.mark.parametrize("host", ["10.evil.com", "evil.com", "127.0.0.1.evil.com", "", "localhost.evil.com:80"])
def test_another_host_is_refused(folder: Path, client: TestClient, host: str) -> None:
    assert client.get("/live", headers={"Host": host}).status_code == 400


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"{HERE}:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.mark.hard
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is absent: apt-get install chromium")
def test_a_report_appears_on_the_open_page_without_a_reload(folder: Path, served: str, page: Any) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    engine, segment = begun(folder)
    for step in (1, 2):
        report(engine, segment, step, step / 10)
    with study_lock(StudyPaths.of("toy")):
        page.goto(f"{served}/live/toy")
        page.wait_for_selector("body[data-drawn]", timeout=120_000)
        page.locator("summary").first.click()
        page.evaluate("window.kept = true")
        began = time.monotonic()
        report(engine, segment, 3, 0.875)
        page.wait_for_selector("text=trial 000 epoch 3: score 0.8750", timeout=60_000)
        print(f"shown after {time.monotonic() - began:.2f} s")
        assert page.evaluate("window.kept"), "the page itself was not loaded again"
        assert page.locator("details").first.get_attribute("open") is not None, "what was unfolded stays so"
        page.wait_for_function("document.querySelector('#curves-1 svg') !== null", timeout=60_000)
        assert page.locator("#live").inner_text() == "This page shows each new report as it comes."
    assert not complaints
