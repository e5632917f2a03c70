"""A trainable in plain PyTorch: a small network that reads handwritten digits, and goes on where it was stopped."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits
from torch.nn import Dropout, Linear, ReLU, Sequential
from torch.nn.functional import cross_entropy

from train_fn import Report


@dataclass(frozen=True, kw_only=True)
class Config:
    learning_rate: float = 1e-3
    width: int = 64
    dropout: float = 0.0
    batch_size: int = 32
    max_epochs: int = 9
    seed: int = 0


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    pixels, digits = map(torch.tensor, load_digits(return_X_y=True))
    train, valid = (pixels.float() / 16).split([1400, 397])
    wanted, expected = digits.split([1400, 397])
    torch.manual_seed(config.seed)
    model = Sequential(Linear(64, config.width), ReLU(), Dropout(config.dropout), Linear(config.width, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
    done = 0
    if resume_from:
        saved = load_file(resume_from / "state.safetensors")
        done = int(saved.pop("epoch"))
        model.load_state_dict({name: saved[f"model.{name}"] for name in model.state_dict()})
        for index, weights in enumerate(model.parameters()):
            optimizer.state[weights] = {name: saved[f"{name}.{index}"] for name in ("step", "exp_avg", "exp_avg_sq")}

    for epoch in range(done + 1, config.max_epochs + 1):
        torch.manual_seed(config.seed + epoch)  # order and dropout of this epoch, whether resumed or not
        for rows in torch.randperm(len(train)).split(config.batch_size):
            optimizer.zero_grad()
            cross_entropy(model.train()(train[rows]), wanted[rows]).backward()
            optimizer.step()
        logits = model.eval()(valid).detach()
        accuracy = (logits.argmax(dim=1) == expected).float().mean().item()
        metrics = {"loss": cross_entropy(logits, expected).item(), "accuracy": accuracy}

        def save(folder: Path, epoch: int = epoch) -> None:  # as safetensors: loading them can run no code
            state = {f"model.{name}": weights for name, weights in model.state_dict().items()}
            for index, weights in enumerate(model.parameters()):
                state |= {f"{name}.{index}": tensor for name, tensor in optimizer.state[weights].items()}
            save_file({"epoch": torch.tensor(epoch), **state}, folder / "state.safetensors")

        yield Report(epoch=epoch, metrics=metrics, save=save)
