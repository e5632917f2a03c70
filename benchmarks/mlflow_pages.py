"""How long does MLflow's page take to show a study, of ten trials and of a thousand? In Chromium, served by `hpo ui`.

    python benchmarks/mlflow_pages.py [--trials N ...] [--repeats N] [--json FILE]

Nothing is trained: the engine is told what workers would say, nine reports of each trial, and the ledger is then
written to MLflow. Of each size: the seconds until MLflow has it all, until the runs' page shows the study's row, until
that unfolds to its trials, and until the view shows the trials best first.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(PROJECT))

from hpo.environment import describe  # noqa: E402
from hpo.paths import StudyPaths  # noqa: E402
from hpo.tracking.mlflow import Writer, quiet, tracking_uri  # noqa: E402
from tests.hpo.engines import new_engine, run, toy_study  # noqa: E402
from tests.hpo.test_mlflow_in_browser import CHROMIUM, PATIENCE  # noqa: E402
from tests.mlflow_server import free_port, wait_for  # noqa: E402
from tests.test_main_job import HPO  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if CHROMIUM is None:
        print("skipped: needs Chromium: apt-get install chromium")
        return
    quiet()
    rows = []
    for trials in arguments.trials:
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"trials": trials, **measure(Path(folder), trials, arguments.repeats)})
        print(", ".join(f"{name} {value:g}" for name, value in rows[-1].items()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([{**row, "environment": describe()} for row in rows], indent=1))


def measure(folder: Path, trials: int, repeats: int) -> dict[str, float]:
    """Medians, in seconds; each time in a browser that has seen nothing before."""
    os.chdir(folder)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    search = {"searcher": "random", "scheduler": "fifo", "trials": trials}
    run(new_engine(folder, toy_study(search=search)))
    began = time.monotonic()
    writer = Writer(StudyPaths.of("toy"), tracking_uri())
    writer.catch_up()
    found = {"written": round(time.monotonic() - began, 2)}
    with pages() as (browser, address):
        at = f"{address}/#/experiments/{writer.runs.experiment}/runs"
        times: dict[str, list[float]] = {}
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(PATIENCE)
            for name, seconds in looked_at(page, at):
                times.setdefault(name, []).append(seconds)
            page.close()
    return found | {name: round(statistics.median(seconds), 2) for name, seconds in times.items()}


def looked_at(page: Any, at: str) -> Iterator[tuple[str, float]]:
    def seconds(action: Callable[[], Any], shown: Any) -> float:
        began = time.monotonic()
        action()
        shown.wait_for()
        return time.monotonic() - began

    study = page.get_by_role("row").filter(has=page.get_by_role("link", name="toy", exact=True)).last
    trial = page.get_by_role("link", name=re.compile(r"^trial \d")).first
    yield "the study's row", seconds(lambda: page.goto(f"{at}?workflowType=machine_learning"), study)
    yield "unfolded", seconds(lambda: study.get_by_role("button").first.click(), trial)
    page.goto("about:blank")
    best_first = f"{at}?viewStateShareKey=hpo&workflowType=machine_learning"
    yield "best first", seconds(lambda: page.goto(best_first), trial)


@contextmanager
def pages() -> Iterator[tuple[Any, str]]:
    from playwright.sync_api import sync_playwright

    port = free_port()
    with Path("ui.log").open("wb") as log:
        served = subprocess.Popen([HPO, "ui", "--port", str(port)], stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", served, Path("ui.log"))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield browser, f"http://127.0.0.1:{port}"
            browser.close()
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait()


if __name__ == "__main__":
    main()
