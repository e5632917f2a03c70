"""Which optimizer steps a run takes, and after which of them it is evaluated."""

from dataclasses import dataclass

from train_fn.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Plan:
    epoch_steps: int  # optimizer steps in one pass over the data
    num_steps: int  # in the whole run
    eval_period: float  # steps from one evaluation to the next; 2.5 = after steps 2, 5, 7, 10 ...

    def next_evaluation(self, step: int) -> int:
        """The number of steps taken at the first evaluation after `step` of them; the last step always has one."""
        done = int(step / self.eval_period + ROUNDING)
        due = int((done + 1) * self.eval_period + ROUNDING)
        while due <= step:  # a period below one step is due more than once in it
            done += 1
            due = int((done + 1) * self.eval_period + ROUNDING)
        return min(due, self.num_steps)


ROUNDING = 1e-9  # 0.1 * 30 is 3.0000000000000004


def plan(config: TrainingConfig, epoch_steps: int) -> Plan:
    return Plan(
        epoch_steps=epoch_steps,
        num_steps=epoch_steps * config.max_epochs,
        eval_period=float(config.eval_steps or max(1.0, config.eval_epochs * epoch_steps)),
    )
