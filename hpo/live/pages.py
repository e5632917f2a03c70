"""What stands at which address, for any ASGI server.

/live                  the studies under the working directory
/live/STUDY            one of them, which shows each new report as it comes
/live/STUDY/seen       the number of its last event and its state: what the page asks each second
/live/STUDY/report     the whole report, as `hpo report` writes it
/live/STUDY/json       as `hpo show STUDY --json`
/metrics               all of them, for Prometheus
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST as FORMAT
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboards.live_page import Now, live_page
from dashboards.page import Live
from dashboards.studies_page import studies_page
from hpo import reporting
from hpo.errors import HpoError, UsageError
from hpo.forecast import Forecast, expected
from hpo.frames import study_data
from hpo.language import Language, language_of
from hpo.language import language as spoken_by
from hpo.ledger import Ledger
from hpo.live.metrics import exposition
from hpo.machine import usage
from hpo.paths import StudyPaths
from hpo.results import Results, read, read_all
from hpo.study_lock import is_locked
from hpo.tables import status_rows
from hpo.tracking.board import board_after

NOT_FOUND, NOT_READABLE = 404, 500
FORECASTS: dict[str, Forecast | None] = {}  # by the study's id

Answer = Callable[[str, str], Response]  # (study, language)


def routes(mlflow: str = "") -> list[Route]:
    """`mlflow`: where its pages are, if they are at the same address."""
    answers: dict[str, Answer] = {"": page, "/seen": seen, "/report": report, "/json": as_json}
    return [
        Route("/metrics", answered(lambda *_: Response(exposition(), media_type=FORMAT)), methods=["GET"]),
        Route("/live", answered(lambda _, language: studies(language, mlflow)), methods=["GET"]),
        *(Route("/live/{study}" + end, answered(answer), methods=["GET"]) for end, answer in answers.items()),
    ]


def answered(answer: Answer) -> Callable[[Request], Any]:
    """In a thread, as ledgers and figures keep others waiting; an error as its one line."""

    async def endpoint(request: Request) -> Response:
        language = request.query_params.get("lang") or language_of({"LANG": spoken(request)})
        try:
            spoken_by(language)
            return await run_in_threadpool(answer, request.path_params.get("study", ""), language)
        except UsageError as error:
            return PlainTextResponse(str(error), NOT_FOUND)
        except HpoError as error:
            return PlainTextResponse(str(error), NOT_READABLE)

    return endpoint


def spoken(request: Request) -> str:
    """The browser's first language."""
    return request.headers.get("accept-language", "")


def studies(language: str, mlflow: str) -> Response:
    found, unreadable = read_all()
    return HTMLResponse(studies_page(status_rows(found, unreadable), mlflow, language))


def page(name: str, language: str) -> Response:
    address = f"/live/{name}"
    seen = seen_of(name)  # before the events: what comes between is asked for
    results = read(name)
    live = Live(address=f"{address}/seen", seen=seen, report=f"{address}/report", over=results.state == "finished")
    return HTMLResponse(live_page(study_data(results), now(results, spoken_by(language)), live, language))


def now(results: Results, language: Language) -> Now:
    board = board_after(results.events, results.study, "", forecast_of(results), language)
    return Now(
        epochs=board.account.epochs,
        seconds=board.account.seconds,
        likely=board.forecast.epochs(language) if board.forecast and results.state == "running" else "",
        left=board.left if results.state == "running" else None,
        machine=usage() if results.state == "running" else "",
        last=[*reversed(board.last)],
    )


def forecast_of(results: Results) -> Forecast | None:
    """Once for each study: it takes a moment."""
    record = results.history.record
    key = record["study_id"]
    if key not in FORECASTS:
        FORECASTS[key] = expected(results.study, record["data"])
    return FORECASTS[key]


def seen(name: str, language: str) -> Response:
    return PlainTextResponse(seen_of(name))


def seen_of(name: str) -> str:
    """Other words after every event, and when a driver comes or goes."""
    paths = StudyPaths.of(name)
    with closing(Ledger(paths.ledger)) as ledger:
        return f"{ledger.last()} {'running' if is_locked(paths) else 'still'}"


def report(name: str, language: str) -> Response:
    return HTMLResponse(reporting.html(read(name), language))


def as_json(name: str, language: str) -> Response:
    return JSONResponse(read(name).as_json())
