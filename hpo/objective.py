"""What a study makes large or small."""

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

    @property
    def metric(self) -> str:
        return self.maximize or self.minimize or ""

    @property
    def sign(self) -> int:
        """+1 where larger is better, else -1."""
        return 1 if self.maximize else -1
