"""MLflow's own pages, served to this machine alone."""

import os
import signal
import socket
import subprocess
import sys

from hpo.errors import UsageError
from hpo.tracking.mlflow import quiet, tracking_uri

HOST = "127.0.0.1"


def serve(port: int) -> int:
    """Run MLflow's server until it is interrupted; its exit code.

    The hosts are named one by one: MLflow's default list lets `10.evil.com` pass, which is open to DNS rebinding.
    """
    if tracking_uri().startswith("http"):
        raise UsageError(f"MLflow is served at {tracking_uri()} (MLFLOW_TRACKING_URI); open that address")
    if not _free(port):
        raise UsageError(f"port {port} is taken; choose another with --port {port + 1}")
    hosts = f"{HOST}:{port},localhost:{port}"
    origins = f"http://{HOST}:{port},http://localhost:{port}"
    quiet()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # read by the server: it runs nobody's code
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking_uri(), "--host", HOST,
               "--port", str(port), "--workers", "1",
               "--allowed-hosts", hosts, "--cors-allowed-origins", origins]  # fmt: skip
    print(f"MLflow is at http://{HOST}:{port} (Ctrl-C ends it)", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    # a session of its own: the server forks workers, and the signal that ends them is sent here, once
    with subprocess.Popen(command, start_new_session=True) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            os.killpg(server.pid, signal.SIGTERM)
            return 0


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0
