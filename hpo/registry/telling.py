"""A promotion in a few lines, for a terminal."""

from collections.abc import Iterator

from hpo.registry.promotion import Promotion
from hpo.wording import count


def lines(done: Promotion) -> Iterator[str]:
    yield f"{done.model} version {done.version} is champion: trial {done.trial:03d} of {done.study}"
    tested = (
        f", {done.test[done.metric]:.4f} on the sealed test ({count(done.rows, 'row')})"
        if done.metric in done.test
        else ""
    )
    yield f"  {done.metric} {done.validation:.4f} on validation{tested or '; no sealed test split'}"
    if done.metric in done.baseline:
        yield f"  {done.baseline_model}: {done.baseline[done.metric]:.4f} on the same test rows"
    if done.baseline_is_better:
        yield "  on these rows the baseline is better than the champion, and costs less"
    if found := done.measured["difference"]:
        yield (
            f"  {found['metric']} {found['gain']:+.4f} against version {done.previous}, at least {found['low']:+.4f}; "
            f"the champion's was {found['champion']:.4f}"
        )
    if done.forced is not None and done.refused_by:
        yield f"  against {count(len(done.refused_by), 'gate')}, because: {done.forced}"
    yield f"  {done.measured['size_mb']:.3g} MB" + (
        f", {done.measured['latency_ms']:.1f} ms for one row" if done.measured["latency_ms"] is not None else ""
    )
