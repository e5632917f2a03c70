"""The pages in front of MLflow's own: its server takes this as its application (`mlflow server --app-name hpo`).

MLflow's checks of the host and origin of a request stand before these pages as well.
"""

from typing import Any


def app() -> Any:
    """An ASGI application; made in the process that serves it, whose environment MLflow has set."""
    from mlflow.server.fastapi_app import app as mlflow

    from hpo.live.pages import routes

    mlflow.router.routes[:0] = routes(mlflow="/")  # its last route takes every path
    return mlflow
