"""What Prometheus reads, and what Grafana draws from it."""

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from hpo.live.alone import app
from hpo.results import read
from tests.hpo.test_engine import new_engine, run, toy_study

GRAFANA = Path(__file__).parents[2] / "dashboards" / "grafana.json"
OF_RAY = {  # https://docs.ray.io/en/latest/ray-observability/reference/system-metrics.html
    "ray_node_cpu_utilization",
    "ray_node_mem_used",
    "ray_node_mem_total",
    "ray_node_gpus_utilization",
    "ray_node_gram_used",
}


def scraped() -> dict[tuple[str, ...], float]:
    """By name and labels, the names of the labels in their order."""
    text = TestClient(app, base_url="http://127.0.0.1").get("/metrics").text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_what_show_says(folder: Path) -> None:
    run(new_engine(folder, toy_study()))
    seen, shown = scraped(), read("toy").as_json()
    assert seen["hpo_best", "score", "toy"] == shown["best"]["value"]
    assert seen["hpo_epochs_total", "toy"] == shown["cost"]["epochs"]
    pruned = sum(trial["state"] == "PRUNED" for trial in shown["trials"])
    assert seen["hpo_trials", "pruned", "toy"] == pruned > 0 == seen["hpo_running", "toy"]
    assert seen["hpo_trials_planned", "toy"] == 12


def test_a_damaged_ledger_hides_no_other_study(folder: Path) -> None:
    run(new_engine(folder, toy_study()))
    other = folder / "studies" / "other"
    other.mkdir()
    (other / "ledger.db").write_bytes(b"no database" * 1000)
    seen = scraped()
    assert seen["hpo_unreadable", "other"] == 1 and ("hpo_best", "score", "toy") in seen


def test_grafana_draws_only_what_is_there(folder: Path) -> None:
    run(new_engine(folder, toy_study()))
    (folder / "studies" / "damaged").mkdir()
    (folder / "studies" / "damaged" / "ledger.db").write_bytes(b"no database" * 1000)
    there = {name for name, *_ in scraped()} | OF_RAY
    board = json.loads(GRAFANA.read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = {name for text in expressions for name in re.findall(r"\b(?:hpo|ray)_\w+", text)}
    assert asked <= there and len(asked) > 10
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
