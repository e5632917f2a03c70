"""Numbers to be predicted, brought to mean 0 and deviation 1: learning rates then fit any unit they come in."""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from train_fn.errors import DataError

LARGEST = 1e30  # well inside of fp32, in which the saved model answers
APART = 1e-5  # smallest deviation over the largest label: fp32 rounds a number by up to 6e-8 of it (assumption)


@dataclass(frozen=True, kw_only=True)
class TargetScale:
    mean: float
    deviation: float

    def scaled(self, targets: torch.Tensor) -> torch.Tensor:
        """From the data's float64 to the fp32 of training."""
        return ((targets - self.mean) / self.deviation).float()

    def unscaled(self, outputs: torch.Tensor) -> torch.Tensor:
        """Float64 again."""
        return outputs.double() * self.deviation + self.mean

    def into_head(self, model: PreTrainedModel, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The same weights but for the last layer, which then speaks in the unit of the data."""
        name, layer = last_layer(model)
        scaled = {f"{name}.weight": weights[f"{name}.weight"] * self.deviation}
        if layer.bias is not None:
            scaled[f"{name}.bias"] = self.unscaled(weights[f"{name}.bias"]).float()
        return weights | scaled

    @torch.no_grad()
    def take_from_head(self, model: PreTrainedModel) -> None:
        """The other way round, in place: a head that speaks in the unit of the data says the same in ours."""
        _, layer = last_layer(model)
        layer.weight.div_(self.deviation)
        if layer.bias is not None:
            layer.bias.copy_(self.scaled(layer.bias.double()))


def target_scale(targets: torch.Tensor, model: PreTrainedModel) -> TargetScale:
    """Of the training split. A head without a bias, as GPT-2's, could not add the mean: it is left in the targets.

    Raises a DataError for labels that a saved model could not say, or not tell apart.
    """
    deviation, low, high = float(targets.std(correction=0)), float(targets.min()), float(targets.max())
    largest = max(-low, high)
    if largest > LARGEST or 0 < deviation < 1 / LARGEST:
        raise DataError(
            f"labels must be of a size that fp32 can hold, got train labels from {low!r} to {high!r}; "
            "give them in another unit"
        )
    if deviation <= APART * largest:
        raise DataError(
            f"labels must differ by more than fp32 can tell at their size, got train labels from {low!r} to {high!r}; "
            "take a constant off them, or raise max_train_rows"
        )
    mean = float(targets.mean()) if last_layer(model)[1].bias is not None else 0.0
    return TargetScale(mean=mean, deviation=deviation)


def last_layer(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    """The linear layer that gives the model's outputs."""
    *_, last = (
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and module.out_features == model.config.num_labels
        and not name.startswith(f"{model.base_model_prefix}.")
    )
    return last
