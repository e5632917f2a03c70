"""What a study may spend: the search ends when the first of its caps is reached, however often it was resumed."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hpo.account import Account
from hpo.objective import Objective


class Budget(BaseModel):
    """`{hours: 8, target: 0.93}`: caps beside `search.trials`, and a value that is good enough."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    epochs: float | None = Field(default=None, gt=0)  # of all trials together
    hours: float | None = Field(default=None, gt=0)  # during which trials run
    gpu_hours: float | None = Field(default=None, gt=0)  # occupied, by all trials together
    money: float | None = Field(default=None, gt=0)  # in the currency of the price
    price_per_gpu_hour: float | None = Field(default=None, gt=0)
    target: float | None = None  # value of the objective
    noise_repeats: int | None = Field(default=None, ge=2, le=20)  # of the first whole trial; see hpo/noise_floor.py

    @model_validator(mode="after")
    def _priced(self) -> "Budget":
        if self.money is not None and self.price_per_gpu_hour is None:
            raise ValueError(f"money is {self.money:g}, but nothing has a price; add price_per_gpu_hour")
        return self

    def cost(self, account: Account) -> float | None:
        """None where nothing has a price."""
        return None if self.price_per_gpu_hour is None else account.gpu_seconds / 3600 * self.price_per_gpu_hour

    def spent(self, account: Account) -> str | None:
        """Which cap is reached, in words; None while there is something left."""
        caps = {
            "epochs": (account.epochs, self.epochs),
            "hours": (account.seconds / 3600, self.hours),
            "GPU-hours": (account.gpu_seconds / 3600, self.gpu_hours),
            "in money": (self.cost(account) or 0.0, self.money),
        }
        for unit, (used, cap) in caps.items():
            if cap is not None and used >= cap:
                return f"the budget of {cap:g} {unit} is spent"
        return None

    def reached(self, value: float | None, objective: Objective) -> str | None:
        """That the target is, in words."""
        if self.target is None or value is None or objective.sign * value < objective.sign * self.target:
            return None
        return f"the target is reached: {objective.metric} {value:.4g}, asked for was {self.target:g}"
