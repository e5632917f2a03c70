"""Numbers to be predicted, brought to mean 0 and deviation 1: learning rates then fit any unit they come in."""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class TargetScale:
    mean: float
    deviation: float

    def scaled(self, targets: torch.Tensor) -> torch.Tensor:
        return (targets - self.mean) / self.deviation

    def unscaled(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs * self.deviation + self.mean

    def into_head(self, model: PreTrainedModel, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The same weights but for the last layer, which then speaks in the unit of the data."""
        name, layer = last_layer(model)
        scaled = {f"{name}.weight": weights[f"{name}.weight"] * self.deviation}
        if layer.bias is not None:
            scaled[f"{name}.bias"] = self.unscaled(weights[f"{name}.bias"])
        return weights | scaled


def target_scale(targets: torch.Tensor, model: PreTrainedModel) -> TargetScale:
    """Of the training split. A head without a bias, as GPT-2's, could not add the mean: it is left in the targets."""
    deviation = float(targets.std(correction=0))
    mean = float(targets.mean()) if last_layer(model)[1].bias is not None else 0.0
    return TargetScale(mean=mean, deviation=deviation)


def last_layer(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    """The linear layer that gives the model's one output."""
    *_, last = (
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == 1 and not name.startswith(model.base_model_prefix)
    )
    return last
