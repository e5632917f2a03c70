"""A real MLflow server on a free port of this machine, and a proxy before it that fails in every way a network can."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Its address; on a database `mlflow.db` in the folder unless the options say otherwise."""
    port = free_port()
    store = [] if "--backend-store-uri" in options else ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    kept = [] if "--artifacts-destination" in options else ["--artifacts-destination", f"{folder}/artifacts"]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               *store, *kept, *options]  # fmt: skip
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **quiet, **(environment or {})}
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            with urllib.request.urlopen(address, timeout=5):
                return
        time.sleep(0.1)
    raise RuntimeError(f"no answer at {address}: {log.read_text()[-2000:]}")


HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}
WAYS = ("refuses", "drops", "answers 500", "loses the reply", "delays")


@dataclass
class Faults:
    """How often each request fails, in what way, and what has happened so far."""

    rate: float = 0.0
    ways: tuple[str, ...] = WAYS
    delay: float = 0.05  # seconds
    most: int = 10**9  # faults, from which on the network is well
    down: bool = False  # nothing gets through
    random: Random = field(default_factory=lambda: Random(0))
    happened: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def next(self) -> str:
        self.requests += 1
        if self.down:
            return "drops"
        if self.happened.total() < self.most and self.random.random() < self.rate:
            way = self.random.choice(self.ways)
            self.happened[way] += 1
            return way
        return ""


@contextlib.contextmanager
def proxy(target: str, faults: Faults) -> Iterator[str]:
    """Passes each request on, or not; `loses the reply` after the server has done what it was asked for."""
    host, port = target.removeprefix("http://").split(":")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def pass_on(self) -> None:
            body = self.body()
            way = faults.next()
            if way in ("refuses", "drops"):
                return self.hang_up()
            if way == "answers 500":
                return self.answer(500, b'{"error_code": "INTERNAL_ERROR", "message": "made up"}')
            if way == "delays":
                time.sleep(faults.delay)
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            try:
                headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
                connection.request(self.command, self.path, body, {**headers, "Connection": "close"})
                reply = connection.getresponse()
                content = reply.read()
            except (OSError, http.client.HTTPException):
                return self.hang_up()
            finally:
                connection.close()
            if way == "loses the reply":
                return self.hang_up()
            with contextlib.suppress(OSError):
                self.answer(reply.status, content, reply.headers.get("Content-Type", "application/json"))

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":  # as an empty file is sent
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole

        def answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

    relay = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    relay.daemon_threads = True
    thread = threading.Thread(target=relay.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{relay.server_port}"
    finally:
        relay.shutdown()
        relay.server_close()
        thread.join()


@contextlib.contextmanager
def team(folder: Path, database: str) -> Iterator[dict[str, str]]:
    """What a team has: MLflow with passwords, on a PostgreSQL database and an S3 store; the environment to reach it."""
    with s3(folder, "models") as store:
        config = folder / "auth.ini"
        config.write_text(
            "[mlflow]\ndefault_permission = READ\nadmin_username = admin\n"
            f"database_uri = sqlite:///{folder}/users.db\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        password = "a-long-one-of-the-test"
        environment = {
            **store,
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_PASSWORD": password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of-the-test",
        }
        options = [
            "--app-name",
            "basic-auth",
            "--backend-store-uri",
            database,
            "--artifacts-destination",
            "s3://models",
        ]
        with server(folder, *options, environment=environment) as address:
            yield {
                "MLFLOW_TRACKING_URI": address,
                "MLFLOW_TRACKING_USERNAME": "admin",
                "MLFLOW_TRACKING_PASSWORD": password,
            }


@contextlib.contextmanager
def s3(folder: Path, bucket: str) -> Iterator[dict[str, str]]:
    """A store as Amazon's with one empty bucket; the environment to reach it."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (folder / "s3.log").open("ab") as log:
        store = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log, cwd="/"
        )
    try:
        wait_for(f"{address}/moto-api/", store, folder / "s3.log")
        urllib.request.urlopen(urllib.request.Request(f"{address}/{bucket}", method="PUT"), timeout=30).close()
        yield {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": address,
            "MLFLOW_S3_ENDPOINT_URL": address,
        }
    finally:
        store.kill()
        store.wait()
