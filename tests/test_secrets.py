"""Forty secrets are planted wherever a person or a program may leave one, and found nowhere afterwards."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hpo.driver import start
from hpo.errors import StudyFailed, UsageError
from hpo.executors import ray_session
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.study_file import load_study
from tests.secrets_planted import PLANTED
from tests.test_main_job import HPO, hpo

STUDY = f"""\
# the old one was {PLANTED[0].text}
study: leaky
trainable: leaky:epochs
objective: {{maximize: score}}
search_space: {{part: {{grid}}}}
search: {{searcher: random, scheduler: fifo, trials: 8, seed: 1}}
""".replace("{grid}", "{choice: [0, 1, 2, 3, 4, 5, 6, 7]}")

INPUTS = {"study.yaml", "leaky.py", "rows.csv"}  # where they were planted; and `.git`


@pytest.fixture
def planted(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with secrets in the study file, the environment, the data, the code and the git remote."""
    for secret in PLANTED:
        for name, value in secret.environment.items():
            monkeypatch.setenv(name, value)
    known = tmp_path_factory.mktemp("outside") / "texts.json"
    known.write_text(json.dumps([secret.text for secret in PLANTED]))
    monkeypatch.setenv("LEAKY_FILE", str(known))
    shutil.copy(Path(__file__).with_name("leaky.py"), folder / "leaky.py")
    (folder / "study.yaml").write_text(STUDY)
    (folder / "rows.csv").write_text("text,label\n" + "".join(f'"{secret.secret}",a\n' for secret in PLANTED))
    remote = next(secret.text for secret in PLANTED if secret.where == "URL of a remote")
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "remote", "add", "origin", remote], check=True)
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop("leaky", None)


def leaked(folder: Path, *shown: str) -> list[str]:
    """Where which secret is found: in the bytes of every file but those it was planted in, and on the screen."""
    places = {f"screen {index}": text.encode() for index, text in enumerate(shown)}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in INPUTS and ".git" not in path.parts:
            places[str(path)] = path.read_bytes()
    return [
        f"{secret.where} in {name}"
        for name, data in places.items()
        for secret in PLANTED
        if secret.secret.encode() in data or json.dumps(secret.secret)[1:-1].encode() in data
    ]


def test_of_forty_secrets_none_is_found_after_a_study(planted: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with suppress(StudyFailed):  # half of the trials raise
        start(load_study(planted / "study.yaml"), (planted / "study.yaml").read_text(), in_process=True)
    told = capfd.readouterr()
    assert not leaked(planted, told.out, told.err)
    with closing(Ledger(StudyPaths.of("leaky").ledger)) as ledger:
        events = ledger.events()
    assert sum(event.kind == "reported" for event in events) > 8, "the trials have run"
    assert "[redacted]" in json.dumps([event.payload for event in events])
    assert (planted / "studies/leaky/study.log").read_text().count("[redacted]") > 2 * len(PLANTED)
    assert events[0].payload["data"]["fingerprint"] == "9f86d081884c7d65"


@pytest.mark.parametrize("secret", PLANTED, ids=lambda secret: secret.where)
def test_a_setting_with_a_secret_is_refused_without_repeating_it(planted: Path, secret) -> None:  # type: ignore[no-untyped-def]
    (planted / "bad.yaml").write_text(STUDY.partition("\n")[2] + f"config: {{note: {json.dumps(secret.text)}}}\n")
    with pytest.raises(UsageError, match="config.note: must be no key, token or password") as caught:
        load_study(planted / "bad.yaml")
    assert secret.secret not in str(caught.value)


def test_a_ray_that_lets_anybody_in_is_refused(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UsageError, match="RAY_AUTH_MODE must be token, got disabled; unset it"):
        start(load_study(planted / "study.yaml"), "")
    assert not Path("studies").exists()


def command_lines() -> str:
    return subprocess.run(["ps", "-eo", "args", "-ww"], capture_output=True, text=True).stdout


@pytest.mark.hard
def test_of_forty_secrets_none_is_found_after_a_study_on_ray(planted: Path) -> None:
    """Nor in `ps` while it runs, nor in what the reading verbs show; and all of it is this user's alone."""
    shown = []
    for setting in ("config.note=" + PLANTED[3].text, "config.password=hunter22", PLANTED[5].text):
        shown.append(hpo(planted, "run", "study.yaml", "--set", setting, expect=2).stderr)
        assert shown[-1].startswith("error: ") and shown[-1].count("\n") == 1
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{planted}/mlflow.db"}
    driver = subprocess.Popen(
        [HPO, "run", "study.yaml"], cwd=planted, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    sessions: set[int] = set()
    while driver.poll() is None:
        shown.append(command_lines())
        owned = [folder for folder, owner in ray_session.folders().items() if owner == planted / "studies" / "leaky"]
        sessions |= {stat.S_IMODE(folder.stat().st_mode) for folder in owned if folder.exists()}
        time.sleep(0.5)
    shown += driver.communicate()
    assert driver.returncode in (0, 1), shown[-1]
    assert sessions == {0o700}, "where Ray keeps its token and what trainables print"
    for verb in (["show", "leaky"], ["show", "leaky", "--json"], ["status", "--json"], ["doctor", "leaky", "--json"]):
        done = subprocess.run([HPO, *verb], cwd=planted, env=environment, capture_output=True, text=True)
        shown += [done.stdout, done.stderr]
    assert not leaked(planted, *shown)
    open_ = [
        str(path)
        for path in planted.rglob("*")
        if path.name not in INPUTS and ".git" not in path.parts and "__pycache__" not in path.parts
        and path.stat().st_mode & 0o077
    ]  # fmt: skip
    assert not open_, "files 0600, folders 0700"


@pytest.mark.hard
def test_the_address_of_the_tracking_server_is_in_no_command_line_of_the_ui(folder: Path) -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([HPO, "ui", "--port", str(port)], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while str(port) not in "".join(line for line in command_lines().splitlines() if "uvicorn" in line):
            assert time.monotonic() < deadline and server.poll() is None
            time.sleep(0.5)
        assert str(folder / "mlflow.db") not in command_lines()
    finally:
        server.terminate()
        server.communicate(timeout=30)
