"""A study on a cluster whose machines share nothing but a bucket and a database; they are killed, and others join."""

import shutil
from pathlib import Path

import psutil
import pytest

from hpo import results, storage
from hpo.driver import resume
from hpo.executors import ray_session
from tests.faults.ray_kills import Running, begin, wait_for, wait_for_lines
from tests.faults.ray_nodes import Node, Nodes, cluster, namespaces
from tests.mlflow_server import s3
from tests.oracle import Evidence, violations
from tests.postgresql import PASSWORD, Cluster
from tests.toy import noted

pytestmark = pytest.mark.hard

TRIALS, SECONDS = 10, 0.4
WORKER = "ResourceTrainable"  # in the name of a process of Tune's that trains
STUDY = """\
study: toy
trainable: toy:epochs
objective: {{maximize: score}}
config: {{max_epochs: 4, seconds: {seconds}, witness: {witness}}}
search_space:
  x: {{uniform: [-5.0, 5.0]}}
search: {{searcher: tpe, scheduler: fifo, trials: {trials}, seed: 0}}
ray: {{address: "{address}", storage: "s3://of-a-cluster/hpo"}}
"""


@pytest.mark.timeout(600)
def test_nothing_is_lost_when_a_node_is_killed_one_joins_and_the_driver_is_killed(
    folder: Path, postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N1 to N9, with the ledger in PostgreSQL, checkpoints in S3, and nodes that do not have the driver's folder."""
    elsewhere, blind_to = tmp_path_factory.mktemp("elsewhere"), [folder] if namespaces() else []
    witness = elsewhere / "witness.jsonl"
    with s3(elsewhere, "of-a-cluster") as bucket, cluster(bucket) as nodes:
        for name, value in {**nodes.environment, "HPO_LEDGER": postgresql.url}.items():
            monkeypatch.setenv(name, value)
        shutil.copy(Path(__file__).with_name("toy.py"), folder / "toy.py")
        text = STUDY.format(seconds=SECONDS, witness=witness, trials=TRIALS, address=nodes.address)
        (folder / "study.yaml").write_text(text)
        doomed = nodes.add(f"--address={nodes.address}", blind_to=blind_to)
        nodes.wait_for(doomed)
        driver = begin(folder, "run", "study.yaml")
        wait_until_it_trains(doomed, driver, witness)
        doomed.kill()
        joined = nodes.add(f"--address={nodes.address}", blind_to=blind_to)
        evidence = Evidence(
            folder=folder, study="toy", trials=TRIALS, crashes=2, at_once=3, seen=witness,
            server=postgresql.url.replace("+psycopg", ""),
        )  # fmt: skip
        wait_for(lambda: bool(evidence.rows("lost")) or driver.process.poll() is not None)
        assert driver.process.poll() is None, driver.end()
        driver.process.kill()
        driver.process.communicate()
        nodes.wait_for(joined)
        driver = begin(folder, "resume", "toy")
        assert wait_for_lines(driver, 1, witness), driver.end()
        for session in session_of(folder) if blind_to else []:
            joined.lose_sight_of(session)
        wait_until_it_trains(joined, driver, witness)
        code, out, err = driver.end()
        assert code == 0, (out, err)
        judge(evidence)
        print(f"utilisation: {utilisation(witness, nodes):.0%} of {len(nodes.all)} nodes, from first to last epoch")
        assert storage.folders("s3://of-a-cluster/hpo") == set(), "the winner is at home, and nothing else is kept"
        assert not (left := [one.cmdline() for one in workers(nodes)]), left


def wait_until_it_trains(node: Node, driver: Running, witness: Path) -> None:
    def trains() -> bool:
        return bool(pids(node.process.pid) & {line["pid"] for line in noted(witness)})

    wait_for(lambda: trains() or driver.process.poll() is not None)
    assert driver.process.poll() is None, driver.end()


def session_of(folder: Path) -> list[Path]:
    """What the driver keeps on its own machine while it runs."""
    return [session for session, study in ray_session.folders().items() if study == folder / "studies" / "toy"]


def judge(evidence: Evidence) -> None:
    assert violations(evidence, results.read("toy").as_json()) == []
    reasons = {row["payload"]["reason"] for row in evidence.rows("lost")}
    assert reasons <= {"its machine died", "the worker process died", "the driver ended"} and len(reasons) > 1, reasons
    before = evidence.rows()
    resume("toy")
    assert evidence.rows() == before, "N9: a second resume changes nothing"
    files = [path for path in evidence.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]


def utilisation(witness: Path, nodes: Nodes) -> float:
    """Of the CPUs that were there, the share of the time in which an epoch was trained."""
    trained = noted(witness)
    first, last = trained[0]["at"], trained[-1]["at"] + SECONDS
    there = sum(max(0.0, min(last, node.ended or last) - max(first, node.began)) for node in nodes.all)
    return len(trained) * SECONDS / there


def pids(parent: int) -> set[int]:
    try:
        return {child.pid for child in psutil.Process(parent).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def workers(nodes: Nodes) -> list[psutil.Process]:
    """Those of the study; a cluster keeps some idle ones, which have no name yet."""
    below = [one for node in nodes.all if not node.ended for one in psutil.Process(node.process.pid).children(True)]
    return [one for one in below if one.is_running() and WORKER in "".join(one.cmdline())]


def test_a_cluster_that_lets_anybody_in_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a driver that has a token, for nobody asks for it."""
    (folder / "token").write_text("0" * 64)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(folder / "token"))
    with cluster({}, open_to_all=True) as nodes:
        text = STUDY.format(seconds=0, witness="x.jsonl", trials=1, address=nodes.address)
        text = text.replace("s3://of-a-cluster/hpo", str(folder / "shared"))
        shutil.copy(Path(__file__).with_name("toy.py"), folder / "toy.py")
        (folder / "study.yaml").write_text(text)
        code, _, err = begin(folder, "run", "study.yaml").end()
    assert code == 2 and err.startswith("error: the Ray cluster at 127.0.0.1:") and "lets anybody in" in err, err
