"""`hpo serve`: what is answered, in batches, and who is not answered at all."""

import asyncio
import random
import string
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hpo.errors import UsageError
from hpo.registry.serving import HOST, application, serve

ABOUT = {"columns": {"number": "number"}, "version": "1", "study": "s", "trial": 0}


class Slow:
    """A model that doubles: slow enough for requests to wait for each other."""

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        time.sleep(0.02)
        if (table["number"] < 0).any():
            raise ValueError("below 0")
        return pd.DataFrame({"label": (table["number"] * 2).map(str), "score": 0.5})


def hostile(rng: random.Random) -> str:
    """Names that look like an allowed one, and any others."""
    name = rng.choice(["127.0.0.1", "localhost", "10.evil.com", "model.example", "a"])
    word = "".join(rng.choices(string.ascii_letters + string.digits, k=6))
    before = rng.choice(["", f"{word}.", word, "evil.com.", "evil-", " ", "*.", "[", f"{word}, ", f"{word}@"])
    after = rng.choice(
        ["", ".", word, f".{word}.com", f"@{word}", "%00", "/", ":80@evil.com", f":{word}", ":", ",x", " "]
    )
    return before + name + after


def test_of_10_000_host_headers_only_the_allowed_are_served() -> None:
    app = application("small", Slow(), ABOUT, [HOST, "localhost", "model.example"])
    rng = random.Random(0)
    allowed = {"127.0.0.1", "localhost", "model.example"}

    async def ask_all() -> dict[str, int]:
        return {host: await status(app, host) for host in {hostile(rng) for _ in range(20_000)} | allowed}

    found = asyncio.run(ask_all())
    assert {host for host, said in found.items() if said == 200} == allowed
    assert set(found.values()) == {200, 400} and len(found) > 10_000


async def status(app: Any, host: str) -> int:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": "/health", "raw_path": b"/health", "query_string": b"", "headers": [(b"host", host.encode())],
             "server": (HOST, 8000), "client": (HOST, 1)}  # fmt: skip
    await app(scope, receive, send)
    return int(sent[0]["status"])


@pytest.fixture
def served() -> Iterator[tuple[int, Any]]:
    """The real server on a free port."""
    import uvicorn

    app = application("small", Slow(), ABOUT, [HOST])
    server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1], app.state.batches
    server.should_exit = True
    thread.join()


def ask(port: int, path: str, body: str | None = None) -> tuple[int, str]:
    connection = HTTPConnection(HOST, port, timeout=30)
    connection.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.status, answer.read().decode()
    connection.close()
    return said


@pytest.mark.hard
def test_a_server_answers_in_batches_says_that_it_is_well_and_describes_itself(served: tuple[int, Any]) -> None:
    port, batches = served
    assert ask(port, "/health") == (200, "ok")
    assert '"/predict"' in ask(port, "/openapi.json")[1] and ask(port, "/docs")[0] == 200
    found: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: ask(port, "/predict", f'[{{"number": {n}}}]')}))
        for n in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: (200, f'[{{"label":"{n * 2:.1f}","score":0.5}}]') for n in range(40)}
    assert batches.calls < 40, "those that waited were asked together"
    assert ask(port, "/predict", '[{"nmuber": 1}]')[0] == 422
    assert ask(port, "/predict", "[]")[0] == 422 and ask(port, "/predict", "no JSON")[0] == 422
    assert ask(port, "/predict", '[{"number": -1}]')[0] == 500
    assert ask(port, "/predict", '[{"number": 3}]')[0] == 200, "one failure is not the end"


@pytest.mark.parametrize("host", ["*", "*.example.com", "a:80", ""])
def test_a_host_is_one_whole_name(folder: Path, host: str) -> None:
    with pytest.raises(UsageError, match="--allow-host takes one whole name"):
        serve("small", 8000, [host])
