"""Joins a Ray cluster that is there already, and brings it the code. The cluster stays as it was when the driver goes.

The code is the working folder: Ray packs it, names it by its content, and unpacks it on each machine, also on one that
joins later. Who may join is known by the cluster's token, which Ray takes from RAY_AUTH_TOKEN, from the file that
RAY_AUTH_TOKEN_PATH names, or from ~/.ray/auth_token.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

import ray

from hpo.environment import EXPECTED, libraries
from hpo.errors import Resumable, UsageError
from hpo.processes import has_ended, is_named, mentioning
from hpo.study import Study

# of the working folder: what hpo itself writes there, what can be made again, and where keys are kept
LEFT_OUT = [
    "/studies",
    "/mlflow.db*",
    "/mlartifacts",
    ".git",
    ".venv",
    "venv",
    "__pycache__",
    ".env*",
    "*.pem",
    "*.key",
]
SECONDS_UNHEARD = 10.0  # of the head, after which it counts as gone


def join(study: Study, environment: Mapping[str, str]) -> None:
    """UsageError where the working folder cannot be brought, or anybody may join; Resumable where there is no cluster,
    or not for us."""
    address, way_out = study.ray.address, f"`hpo resume {study.study}` goes on when there is"
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            configure_logging=False,
            runtime_env={
                "working_dir": os.getcwd(),
                "excludes": LEFT_OUT,
                "env_vars": {**environment, EXPECTED: json.dumps(libraries())},
            },
        )
    except ray.exceptions.AuthenticationError as error:
        raise Resumable(f"the Ray cluster at {address} wants another token: {error}; {way_out} one it takes") from None
    except (ConnectionError, TimeoutError, RuntimeError) as error:
        if "working_dir" in str(error) or "size" in str(error):
            raise UsageError(
                f"the working folder cannot be brought to the cluster: {error}; keep data elsewhere, or name it in "
                ".rayignore"
            ) from None
        raise Resumable(f"there is no Ray cluster at {address}: {error}; {way_out}") from None
    if lets_anybody_in(ray._private.worker._global_node.gcs_address):
        raise UsageError(
            f"the Ray cluster at {address} lets anybody in, to run code as you; start it with a token, as "
            "deploy/ray_start.sh does"
        )


def lets_anybody_in(head: str) -> bool:
    """Whether somebody without the token is answered; a process of its own, for Ray reads the token once."""
    asks = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
    stranger = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    asked = subprocess.run(
        [sys.executable, "-c", asks, head],
        env={**stranger, "RAY_AUTH_MODE": "disabled"}, capture_output=True,
    )  # fmt: skip
    return asked.returncode == 0


class Servers:
    """Of the cluster, those without which nothing goes on: the raylet of this machine, and the head."""

    def __init__(self) -> None:
        node = ray._private.worker._global_node
        host, _, port = node.gcs_address.rpartition(":")
        self.head = host, int(port)
        self.raylet = [one for one in mentioning(node.raylet_socket_name) if is_named(one, "raylet")]
        self.heard = time.monotonic()

    def dead(self) -> str | None:
        """The name of one that is."""
        if self.raylet and all(map(has_ended, self.raylet)):
            return "raylet"
        try:
            socket.create_connection(self.head, timeout=1.0).close()
            self.heard = time.monotonic()
        except OSError:
            if time.monotonic() - self.heard > SECONDS_UNHEARD:
                return "head node"
        return None
