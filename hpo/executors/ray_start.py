"""Starts Ray for a study, on this machine alone or by joining a cluster; at the end nothing of it is left."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import hpo.executors.ray_settings  # noqa: F401

# isort: split
import ray

from hpo.disk_faults import naming_full_disk
from hpo.engine import Engine
from hpo.errors import DiskError, Resumable
from hpo.executors.ray_cluster import Servers, join
from hpo.executors.ray_session import cluster_session, private_session
from hpo.executors.watch import ServerWatch
from hpo.processes import end, of
from train_fn.fused.client import MEETING_PLACE

# glibc hands every tensor above 32 MB back to the kernel and takes it anew, page fault by page fault; a worker that
# keeps them trains 1.2 times as fast on the CPU (docs/log.md)
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "THP_MEM_ALLOC_ENABLE": "1",
    "PL_DISABLE_FORK": "1",  # Tune's own: Lightning would fork to look for GPUs, and hang
}
# Ray's servers look for each other before they are all there; by default whoever came too early waits a second
SERVER_ENVIRONMENT = {"RAY_gcs_grpc_initial_reconnect_backoff_ms": "50", "RAY_gcs_grpc_min_reconnect_backoff_ms": "100"}
# Ray gives a node half a minute, and no setting changes that; a machine that is busy now may need longer
STARTS, TOO_BUSY = 3, "timed out during startup"


@contextmanager
def running_ray(engine: Engine) -> Iterator[Path]:
    """Ray on this machine alone, in a private folder; at the end nothing of it is left. Or a cluster, joined.

    Resumable where one of Ray's servers dies: nothing that is under way can go on.
    """
    study, is_cluster = engine.paths.root, engine.study.ray.is_cluster
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    way_out = f"`hpo resume {engine.study.study}`"
    session = cluster_session(study) if is_cluster else private_session(study)
    with session as folder, naming_full_disk(folder, way_out):
        if is_cluster:
            join(engine.study, worker_environment(folder))
        else:
            _start_for(study, folder, way_out)
        for number, handler in handlers.items():
            signal.signal(number, handler)  # ray.init has put its own there
        watch = ServerWatch(engine, Servers().dead) if is_cluster else ServerWatch(engine)
        watch.start()
        try:
            yield folder
        except BaseException as error:
            if watch.error:
                raise watch.error from error
            raise
        finally:
            watch.shutting_down.set()
            ray.shutdown()
            end(of(study, folder), patience=0)  # workers that outlived their raylet, helpers of the trainable
            watch.over.set()


def _start_for(study: Path, folder: Path, way_out: str) -> None:
    """Resumable where Ray is broken, or the machine too busy for it again and again."""
    for tries_left in reversed(range(STARTS)):
        try:
            with naming_full_disk(folder, way_out):
                return start_ray(folder)
        except DiskError:
            raise
        except Exception as error:
            ray.shutdown()
            end(of(study, folder), patience=0)
            if not tries_left or TOO_BUSY not in str(error):
                raise Resumable(
                    f"Ray does not start: {error}; `hpo doctor` says whether it can, then {way_out} goes on"
                ) from error


def start_ray(folder: Path) -> None:
    with inherited({**worker_environment(folder), **SERVER_ENVIRONMENT}):
        ray.init(
            address="local",  # never a cluster that happens to run here
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder / "ray"),  # open to everybody (0777): the folder above keeps others out
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
        )


def worker_environment(folder: Path) -> dict[str, str]:
    """On a cluster the folder is made by whoever meets there."""
    return {**WORKER_ENVIRONMENT, MEETING_PLACE: str(folder / "lanes")}


@contextmanager
def inherited(variables: Mapping[str, str]) -> Iterator[None]:
    """By all processes begun within. A `runtime_env` would wait for an agent of Ray's, and for workers begun anew."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
