"""What a scheduler says after a report."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Decision:
    """Go on or stop, in words for a person and with the numbers it was taken on."""

    stop: bool = False
    reason: str = ""
    inputs: dict[str, float | int] = field(default_factory=dict)  # empty: there was nothing to decide


GO_ON = Decision()
