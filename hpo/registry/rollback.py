"""`hpo rollback`: the champion before is champion again, after its files have been looked at."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from hpo.errors import UsageError
from hpo.registry import versions
from hpo.registry.model_lock import model_lock
from hpo.registry.promotion import who


@dataclass(frozen=True, kw_only=True)
class Rollback:
    model: str
    version: str  # that was champion
    to: str  # that is champion now
    why: str
    by: str
    at: str  # UTC


def roll_back(model: str, why: str) -> Rollback:
    """A kill in the middle leaves one of the two, and a record of the intent at most."""
    with model_lock(model), versions.mlflow_errors("nothing is rolled back"):
        champion = versions.required_champion(model)
        if champion.previous is None:
            raise UsageError(f"{champion.in_words} is the first champion; there is none before it to go back to")
        previous = versions.version(model, champion.previous)
        with versions.files(previous):
            done = Rollback(
                model=model,
                version=champion.number,
                to=previous.number,
                why=why,
                by=who(),
                at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            versions.tag(champion, {versions.ROLLED_BACK: json.dumps(asdict(done))})
            versions.crown(previous)
    return done
