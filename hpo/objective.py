"""What a study makes large or small: one metric, or several of which each costs some of the others."""

from functools import cached_property

from pydantic import BaseModel, ConfigDict, model_validator


class Objective(BaseModel):
    """`{maximize: f1_weighted}` or `{minimize: loss}`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    maximize: str | None = None
    minimize: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Objective":
        if (self.maximize is None) == (self.minimize is None):
            raise ValueError("takes one metric: {maximize: f1_weighted} or {minimize: loss}")
        return self

    def __str__(self) -> str:
        return f"{'maximize' if self.maximize else 'minimize'} {self.metric}"

    @cached_property  # as `sign`: asked several times for every decision of a scheduler
    def metric(self) -> str:
        return self.maximize or self.minimize or ""

    @cached_property
    def sign(self) -> int:
        """+1 where larger is better, else -1."""
        return 1 if self.maximize else -1
