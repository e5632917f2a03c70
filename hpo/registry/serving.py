"""`hpo serve`: a champion behind HTTP on this machine, for programs that are not in Python.

FastAPI and uvicorn, which MLflow brings along: they check requests by their types and write the OpenAPI page. Requests
that wait together are answered together, by one call of the model. `Host` must be one of the names that were given, so
that no page in a browser reaches the model by a name that leads here (DNS rebinding).
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from fastapi import Body, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse

from hpo.errors import HpoError, UsageError
from hpo.language import of_terminal
from hpo.registry.allowed_hosts import AllowedHosts
from hpo.registry.answering import loaded_champion
from hpo.registry.predicting import answered, ask

HOST = "127.0.0.1"
MOST_ROWS = 10_000  # of one request
MOST_WAITING = 1_000  # requests; more are sent away with 503
SECONDS_TO_GATHER = 0.005  # that a batch waits for company
ROWS_OF_BATCH = 256
Rows = Annotated[list[dict[str, str | float | int | None]], Body(min_length=1, max_length=MOST_ROWS)]


@dataclass(frozen=True)
class Waiting:
    table: pd.DataFrame
    answer: "asyncio.Future[pd.DataFrame]"


class Batches:
    """Gathers what is asked at the same time; the model, which is not made for threads, is called by one alone."""

    def __init__(self, loaded: Any, about: dict[str, Any]) -> None:
        self.loaded, self.about = loaded, about
        self.waiting: asyncio.Queue[Waiting] = asyncio.Queue(MOST_WAITING)
        self.calls = 0

    async def ask(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        table = pd.DataFrame(rows, dtype=object)
        try:
            ask(table, self.about, Path("request"))  # what this request has got wrong must not fail the others
        except HpoError as error:
            raise HTTPException(422, str(error)) from None
        waiting = Waiting(table, asyncio.get_running_loop().create_future())
        try:
            self.waiting.put_nowait(waiting)
        except asyncio.QueueFull:
            raise HTTPException(503, "too many requests wait; ask again in a second") from None
        answers = await waiting.answer
        return [dict(zip(answers.columns, row, strict=True)) for row in answers.itertuples(index=False)]

    async def work(self) -> None:
        while True:
            batch = [await self.waiting.get()]
            await asyncio.sleep(SECONDS_TO_GATHER)
            while not self.waiting.empty() and sum(len(one.table) for one in batch) < ROWS_OF_BATCH:
                batch.append(self.waiting.get_nowait())
            table = pd.concat([one.table for one in batch], ignore_index=True)
            try:
                answers = await asyncio.to_thread(self._answer, table)
            except Exception as error:
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(HTTPException(500, f"the model failed: {type(error).__name__}"))
                continue
            start = 0
            for one in batch:
                if not one.answer.done():  # whoever asked may have gone
                    one.answer.set_result(answers.iloc[start : start + len(one.table)])
                start += len(one.table)

    def _answer(self, table: pd.DataFrame) -> pd.DataFrame:
        self.calls += 1
        found: pd.DataFrame = answered(self.loaded, ask(table, self.about, Path("request")).asked, self.about)
        return found


def application(model: str, loaded: Any, about: dict[str, Any], hosts: list[str]) -> FastAPI:
    batches = Batches(loaded, about)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(batches.work())
        yield
        worker.cancel()

    app = FastAPI(
        title=model, version=str(about.get("version", "")), description=_description(about), lifespan=lifespan
    )
    app.state.batches = batches
    app.add_middleware(AllowedHosts, hosts=hosts)

    @app.get("/health", response_class=PlainTextResponse)
    async def health() -> str:
        """`ok` as soon as the model is loaded."""
        return "ok"

    @app.post("/predict")
    async def predict(rows: Rows) -> list[dict[str, Any]]:
        """`label` and, of classes, `score` for each row, in their order."""
        return await batches.ask(rows)

    return app


def serve(model: str, port: int, hosts: list[str]) -> None:
    """Until it is interrupted. It is heard on 127.0.0.1 alone; `hosts`: further names that a proxy may ask by."""
    import uvicorn

    for host in hosts:
        if "*" in host or ":" in host or not host:
            raise UsageError(f"--allow-host takes one whole name without a port, got {host!r}; name each host")
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise UsageError(f"port {port} is taken; choose another with --port {port + 1}")
    with loaded_champion(model) as (loaded, about):
        app = application(model, loaded, about, [HOST, "localhost", *hosts])
        said = f"{model} version {about['version']} is at http://{HOST}:{port} (docs at /docs; Ctrl-C ends it)"
        print(of_terminal().retell(said), flush=True)
        uvicorn.run(app, host=HOST, port=port, log_level="warning")


def _description(about: dict[str, Any]) -> str:
    columns = about.get("columns") or [about.get("image_column") or about.get("text_column", "text")]
    return f"Answers rows with {', '.join(columns)}. Trial {about.get('trial')} of study {about.get('study')}."
