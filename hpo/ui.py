"""The live pages of studies and MLflow's own at one address, served to this machine alone."""

import os
import signal
import socket
import subprocess
import sys

from hpo.errors import UsageError
from hpo.language import of_terminal
from hpo.redaction import redact
from hpo.tracking.mlflow import quiet, tracking_uri

HOST = "127.0.0.1"


def serve(port: int) -> int:
    """Run the server until it is interrupted; its exit code.

    The hosts are named one by one: MLflow's default list lets `10.evil.com` pass, which is open to DNS rebinding.
    """
    if not _free(port):
        raise UsageError(f"port {port} is taken; choose another with --port {port + 1}")
    if tracking_uri().startswith("http"):
        return _alone(port)
    hosts = f"{HOST}:{port},localhost:{port}"
    origins = f"http://{HOST}:{port},http://localhost:{port}"
    quiet()
    os.environ["MLFLOW_BACKEND_STORE_URI"] = tracking_uri()  # may hold a password; a command line is seen by everybody
    os.environ["MLFLOW_REGISTRY_STORE_URI"] = tracking_uri()
    os.environ["MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"] = "false"
    os.environ["PYTHONWARNINGS"] = "ignore"  # MLflow's of its own libraries
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
               "--app-name", "hpo", "--uvicorn-opts", "--log-level warning",  # no line for each page that is asked for
               "--allowed-hosts", hosts, "--cors-allowed-origins", origins]  # fmt: skip
    _tell(f"studies are at http://{HOST}:{port}/live, MLflow is at http://{HOST}:{port} (Ctrl-C ends it)")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    # a session of its own: the server forks workers, and the signal that ends them is sent here, once
    with subprocess.Popen(command, start_new_session=True) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            os.killpg(server.pid, signal.SIGTERM)
            return 0


def _alone(port: int) -> int:
    """The live pages, where MLflow has a server of its own."""
    import uvicorn

    _tell(f"studies are at http://{HOST}:{port}/live (Ctrl-C ends it), MLflow is at {redact(tracking_uri())}")
    uvicorn.run("hpo.live.alone:app", host=HOST, port=port, log_level="warning")
    return 0


def _tell(line: str) -> None:
    print(of_terminal().retell(line), flush=True)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0
