"""The studies of a folder as Prometheus reads them, for `dashboards/grafana.json`."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hpo.history import State
from hpo.results import read_all

OF_STUDY = ("study",)


class Studies:
    """A collector: read from the ledgers each time it is asked."""

    def collect(self) -> Iterator[Metric]:
        found, unreadable = read_all()
        trials = GaugeMetricFamily("hpo_trials", "Trials by state.", labels=(*OF_STUDY, "state"))
        planned = GaugeMetricFamily("hpo_trials_planned", "Trials that the study may try.", labels=OF_STUDY)
        best = GaugeMetricFamily("hpo_best", "Value of the winner so far.", labels=(*OF_STUDY, "metric"))
        running = GaugeMetricFamily("hpo_running", "1 while a driver runs the study.", labels=OF_STUDY)
        epochs = CounterMetricFamily("hpo_epochs", "Trained, all trials together.", labels=OF_STUDY)
        seconds = CounterMetricFamily("hpo_worker_seconds", "That workers were occupied.", labels=OF_STUDY)
        gpu_hours = CounterMetricFamily("hpo_gpu_hours", "That GPUs were occupied.", labels=OF_STUDY)
        damaged = GaugeMetricFamily("hpo_unreadable", "1 for a study whose ledger cannot be read.", labels=OF_STUDY)
        for results in found:
            of = (results.study.study,)
            states = Counter(trial.state for trial in results.history.trials)
            for state in State:
                trials.add_metric((*of, state.lower()), states[state])
            planned.add_metric(of, results.study.search.trials)
            running.add_metric(of, results.state == "running")
            if results.winner and (value := results.winner.value(results.objective)) is not None:
                best.add_metric((*of, results.objective.metric), value)
            cost = results.cost
            epochs.add_metric(of, cost["epochs"] or 0.0)
            seconds.add_metric(of, cost["worker_seconds"] or 0.0)
            gpu_hours.add_metric(of, cost["gpu_hours"] or 0.0)
        for name in unreadable:
            damaged.add_metric((name,), 1)
        yield from (trials, planned, best, running, epochs, seconds, gpu_hours, damaged)


def exposition() -> bytes:
    registry = CollectorRegistry()
    registry.register(Studies())
    return generate_latest(registry)
