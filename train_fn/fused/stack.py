"""The weights of several models as one: a tensor for each name, whose first axis is the lanes.

Each model keeps its parameters, which become views of the whole: whatever reads or writes one lane's weights, an
optimizer, a checkpoint or an average, need not know of the others (horizontally fused arrays, Wang et al. 2021, MLSys,
arXiv:2102.02344).
"""

from collections.abc import Mapping, Sequence

import torch
from torch.func import functional_call, vmap
from transformers import PreTrainedModel

from train_fn.fused.dropout import keyed_dropouts, keys

Tensors = dict[str, torch.Tensor]  # of shape (lanes, ...)


class Stack:
    def __init__(self, models: Sequence[PreTrainedModel], seeds: Sequence[int]) -> None:
        """`seeds` are those of each lane's dropout."""
        self.base = models[0]  # which calls the layers, with everybody's weights
        named = [dict(model.named_parameters()) for model in models]
        self.parameters = {name: [of_model[name] for of_model in named] for name in named[0]}
        self.weights: Tensors = {}
        for name, same in self.parameters.items():
            self.weights[name] = torch.stack([parameter.detach() for parameter in same])
            for place, parameter in enumerate(same):
                parameter.data = self.weights[name][place]
        device = next(iter(self.weights.values())).device
        self.seeds = torch.tensor(seeds, device=device)
        self.rates: Tensors = {}
        dropouts = [dict(keyed_dropouts(model)) for model in models]
        self.dropouts = list(dropouts[0])
        for name, module in dropouts[0].items():
            rates = [one[name].p for one in dropouts]
            module.idle = not any(rates)
            if not module.idle:
                self.rates[name] = torch.tensor(rates, device=device)

    def leaves(self, count: int) -> Tensors:
        """The weights of the first lanes, to gather gradients; what learns in none of them needs none."""
        found = {}
        for name, weights in self.weights.items():
            learns = any(parameter.requires_grad for parameter in self.parameters[name][:count])
            found[name] = weights[:count].detach().requires_grad_(learns)
        return found

    def weights_of(self, places: Sequence[int]) -> Tensors:
        """A copy, unless these are all lanes or the first ones."""
        if list(places) == list(range(len(places))):
            return {name: weights[: len(places)] for name, weights in self.weights.items()}
        return {name: weights[list(places)] for name, weights in self.weights.items()}

    def hand_out(self, leaves: Tensors) -> None:
        """To each parameter its lane's gradient."""
        for name, leaf in leaves.items():
            if leaf.grad is not None:
                for parameter, gradient in zip(self.parameters[name], leaf.grad.unbind(), strict=False):
                    parameter.grad = gradient if parameter.requires_grad else None

    def drawn(self, steps: Sequence[int], part: int) -> Tensors:
        """Rates and keys of the first lanes' dropouts, at the steps that they have taken."""
        count = len(steps)
        taken = torch.tensor(steps, device=self.seeds.device)
        # also for those that are idle: a key must not depend on what the others drop
        drawn = keys(self.seeds[:count], taken, part, len(self.dropouts))
        of_keys = {f"{name}.key": key for name, key in zip(self.dropouts, drawn, strict=True) if name in self.rates}
        return of_keys | {f"{name}.rate": rates[:count] for name, rates in self.rates.items()}

    def outputs(self, weights: Tensors, buffers: Tensors, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Of inputs (lanes, rows, ...): (lanes, rows, num_labels)."""
        found: torch.Tensor = vmap(self._of_one)(weights, buffers, dict(inputs))
        return found

    def _of_one(self, weights: Tensors, buffers: Tensors, inputs: Tensors) -> torch.Tensor:
        logits: torch.Tensor = functional_call(self.base, (weights, buffers), (), inputs).logits
        return logits
