"""Whether Ray starts as a study starts it, and on which addresses it then listens."""

import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from hpo.doctor.finding import Finding, Orders, fault, ok, warning
from hpo.errors import UsageError
from hpo.executors.ray_session import PLACE, clear, refuse_open_ray

SECONDS = 120.0


def ray(orders: Orders) -> Iterator[Finding]:
    """Started in a process of its own, which may fail or hang, and ended with all that it started."""
    try:
        refuse_open_ray()
    except UsageError as error:
        yield fault("Ray", str(error))
        return
    owner = PLACE / f"hpo-doctor-{os.getpid()}"  # no study's folder: a name to know its processes by
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "hpo.executors.ray_probe", str(owner)],
            capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        found = json.loads(asked.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        yield fault("Ray", f"has not started within {SECONDS:.0f} s; is the machine short of memory?")
        return
    except (ValueError, IndexError):
        last = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
        yield fault("Ray", f"does not start: {last[:200]}; `hpo run FILE --in-process` does without it")
        return
    finally:
        clear(owner)
    yield ok("Ray", f"{found['version']} starts in {found['seconds']:.0f} s, with its token in a folder of mode 0700")
    yield _addresses(found["listening"])


def _addresses(listening: list[tuple[str, int]]) -> Finding:
    outside = [address for address, _ in listening if not ipaddress.ip_address(address).is_loopback]
    if not outside:
        return ok("Ray", f"listens on {len(listening)} ports of this machine alone")
    return warning(
        "Ray",
        f"listens on {len(outside)} ports that the network can reach ({', '.join(sorted(set(outside)))}) while a study "
        "runs, whatever it is told; its token refuses strangers: in a network with strangers close them by a firewall",
    )
