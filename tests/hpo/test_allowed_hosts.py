"""`hpo ui` answers to two names of this machine and to no other, whatever a page in a browser makes of its own name."""

import http.client
import random
import signal
import string
import subprocess
from pathlib import Path

import pytest

from tests.mlflow_server import free_port, wait_for
from tests.test_main_job import HPO

NAMES = ["localhost", "127.0.0.1", "10.evil.com", "192.168.attacker.io", "127.0.0.1.evil.com", "localhost.evil.com",
         "[::1]", "0.0.0.0", "2130706433", "LOCALHOST", "127.0.0.1.", "localhost.", "127.1"]  # fmt: skip
LETTERS = string.ascii_lowercase + string.digits + ".-"


@pytest.mark.hard
def test_of_ten_thousand_host_headers_only_the_two_allowed_are_served(folder: Path) -> None:
    chance, port = random.Random(0), free_port()
    with (folder / "ui.log").open("wb") as log:
        served = subprocess.Popen([HPO, "ui", "--port", str(port)], stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", served, folder / "ui.log")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        answered: dict[str, int] = {}
        for number in range(10_000):
            made = "".join(chance.choice(LETTERS) for _ in range(chance.randint(1, 30)))
            host = chance.choice(NAMES) if number % 2 else made
            host += chance.choice(["", f":{port}", ":80", f":{chance.randint(1, 65535)}"])
            connection.putrequest("GET", "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0", skip_host=True)
            connection.putheader("Host", host)
            connection.endheaders()
            reply = connection.getresponse()
            reply.read()
            answered[host] = reply.status
        connection.close()
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait()
    assert {host for host, status in answered.items() if status == 200} == {f"127.0.0.1:{port}", f"localhost:{port}"}
    assert set(answered.values()) == {200, 403}
