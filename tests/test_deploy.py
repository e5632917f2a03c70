"""What lies in deploy/ is as right as it can be seen to be without the systems that it is for."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from hpo.environment import describe

DEPLOY = Path(__file__).parents[1] / "deploy"
SCRIPTS = sorted(DEPLOY.glob("*.sh"))
KUBERAY = list(yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text()))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_fault_that_can_be_seen(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.stat().st_mode & stat.S_IXUSR
    if shellcheck := shutil.which("shellcheck"):
        found = subprocess.run([shellcheck, str(script)], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout


def stub(folder: Path, name: str, does: str) -> None:
    (folder / name).write_text(f'#!/bin/bash\necho "{name} $*" >> "$SAID"\n{does}\n')
    (folder / name).chmod(0o700)


def slurm(folder: Path, hpo: str, *, begun: bool = False) -> tuple[int, str, list[str]]:
    """The script with stand-ins for Slurm, Ray and hpo: its exit code, its output, and what it ran."""
    programs = folder / "bin"
    programs.mkdir()
    stub(programs, "scontrol", "[ $1 != show ] || seq -f node%.0f 100000")  # more than a pipe holds
    stub(programs, "srun", "true")
    stub(programs, "ray", "true")
    stub(programs, "hpo", hpo)
    (folder / "mine.yaml").write_text("study: mine  # a name\n")
    if begun:
        (folder / "studies/mine").mkdir(parents=True)
    environment = {
        **os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "SAID": str(folder / "said"),
        "SLURM_JOB_ID": "77", "SLURM_JOB_NODELIST": "node[1-3]", "SLURM_JOB_NUM_NODES": "3",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", str(DEPLOY / "slurm.sh"), "mine.yaml"], cwd=folder, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stderr, sorted((folder / "said").read_text().splitlines())


def test_a_job_of_slurm_starts_a_head_and_the_rest_and_begins_the_study(tmp_path: Path) -> None:
    code, err, said = slurm(tmp_path, "exit 0")
    assert code == 0 and err == ""
    assert "hpo run mine.yaml --set ray.address=node1:20077" in said
    starts = [line for line in said if "ray start" in line]
    assert len(starts) == 2 and "--nodelist=node1" in " ".join(starts) and "--nodes=2 --ntasks=2" in " ".join(starts)
    assert not any("requeue" in line for line in said)
    assert not list((tmp_path / ".ray").iterdir()), "the token ends with the job"


def test_a_job_of_slurm_that_is_preempted_goes_on_later(tmp_path: Path) -> None:
    """Slurm signals the script alone; the driver hears of it, ends in 75, and the job is queued again."""
    told = "trap 'exit 75' TERM; kill -TERM $PPID; for _ in {1..200}; do sleep 0.05; done; exit 1"
    code, _, said = slurm(tmp_path, told, begun=True)
    assert code == 75 and "hpo resume mine --set ray.address=node1:20077" in said
    assert "scontrol requeue 77" in said


def test_the_recipe_makes_a_token_for_this_user_alone_and_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    stub(tmp_path / "bin", "ray", 'echo "$RAY_AUTH_MODE $RAY_AUTH_TOKEN_PATH" >> "$SAID"')
    environment = {
        **os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path),
        "SAID": str(tmp_path / "said"),
    }  # fmt: skip
    environment.pop("RAY_AUTH_TOKEN_PATH", None)
    tokens = []
    for words in (["--head", "--port=6379"], ["--address=head:6379"]):
        subprocess.run([str(DEPLOY / "ray_start.sh"), *words], env=environment, check=True)
        tokens.append((tmp_path / ".ray/auth_token").read_text())
    assert re.fullmatch("[0-9a-f]{64}", tokens[0]) and tokens[0] == tokens[1]
    assert stat.S_IMODE((tmp_path / ".ray/auth_token").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".ray").stat().st_mode) == 0o700
    said = (tmp_path / "said").read_text().splitlines()
    assert said[0] == "ray start --disable-usage-stats --head --port=6379"
    assert said[1] == f"token {tmp_path}/.ray/auth_token" and said[2].endswith("--address=head:6379")
    assert tokens[0] not in json.dumps(said), "in no command line"


# the part of KubeRay's schema (ray.io/v1, 1.5.1) that the manifest uses: key -> type, or the keys below it
CONTAINERS = {"name": str, "image": str, "ports": list, "env": list, "resources": dict, "volumeMounts": list}
POD = {
    "securityContext": dict,
    "serviceAccountName": str,
    "terminationGracePeriodSeconds": int,
    "containers": [CONTAINERS],
    "volumes": list,
}
GROUP = {"rayStartParams": dict, "template": {"spec": POD}}
WORKERS = {"groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int, **GROUP}
SPEC = {"rayVersion": str, "authOptions": {"mode": str}, "headGroupSpec": GROUP, "workerGroupSpecs": [WORKERS]}
CLUSTER = {"apiVersion": str, "kind": str, "metadata": dict, "spec": SPEC}


def misfits(value: object, schema: object, place: str = "") -> list[str]:
    if isinstance(schema, type):
        return [] if isinstance(value, schema) else [f"{place} is no {schema.__name__}"]
    if isinstance(schema, list):
        assert isinstance(value, list)
        return [one for index, item in enumerate(value) for one in misfits(item, schema[0], f"{place}[{index}]")]
    assert isinstance(schema, dict) and isinstance(value, dict)
    known = [one for key in value.keys() & schema.keys() for one in misfits(value[key], schema[key], f"{place}.{key}")]
    return [*known, *(f"{place}.{key} is no key" for key in value.keys() - schema.keys())]


def test_the_manifest_of_kuberay_is_one() -> None:
    volume, cluster = KUBERAY
    assert volume["kind"] == "PersistentVolumeClaim" and cluster["kind"] == "RayCluster"
    assert misfits(cluster, CLUSTER) == []
    spec = cluster["spec"]
    assert spec["rayVersion"].split(".")[:2] == describe()["ray"].split(".")[:2], "that of the driver"
    assert spec["authOptions"] == {"mode": "token"}
    pods = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for pod in (one["template"]["spec"] for one in pods):
        volumes = {one["name"] for one in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]
            secret = [one for one in container["env"] if "KEY" in one["name"] or "TOKEN" in one["name"]]
            assert not secret, "keys come from the role of the pod, the token from KubeRay"
    assert all(isinstance(value, str) for pod in pods for value in pod["rayStartParams"].values())
