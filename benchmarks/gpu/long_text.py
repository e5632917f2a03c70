"""Long texts of varied length, one trial: 230 tokens in the mean, 512 at most, about 16,000 a step, bf16.

    python benchmarks/gpu/long_text.py [--rehearse] [--json FILE]

Real tokens per second and the share of the device's peak (788 TFLOP/s in bf16, as measured on an H200) for BERT-base
and ModernBERT-base: ours, transformers.Trainer with dynamic padding, and grouped by length and compiled. Aimed at: half
of the peak, 2.5 times as many tokens as with dynamic padding, 1.3 times as grouped and compiled.
"""

from on_gpu import PEAK, Row, Scale, our_steps, run, started, tokens, trainer_steps
from transformers import PretrainedConfig

MEAN, LONGEST, BATCH = 230, 512, 64
GROUPED = {"train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused", "logging_steps": 1_000_000}


def measure(scale: Scale) -> list[Row]:
    return [row for name in ("bert-base", "modernbert-base") for row in of_model(scale, name)]


def of_model(scale: Scale, name: str) -> list[Row]:
    architecture, steps = scale.architecture(name), scale.of(300, 20)
    mean, longest, batch = scale.of(MEAN, 24), scale.of(LONGEST, 48), scale.of(BATCH, 4)
    train = tokens(scale.of(10_000, 200), mean, longest, architecture.vocab_size)
    setup, state = started(scale, architecture, train, batch_size=batch, max_epochs=10, max_length=longest)
    real = float(train.lengths.mean()) * batch  # tokens of a step without padding

    def speed(milliseconds: list[float]) -> float:
        return real * len(milliseconds) / sum(milliseconds) * 1e3

    compiled = {} if scale.rehearsed else {"torch_compile": True}
    ours = speed(our_steps(setup, state, steps))
    dynamic = speed(trainer_steps(scale, architecture, train, steps, batch))
    grouped = speed(trainer_steps(scale, architecture, train, steps, batch, **GROUPED, **compiled))
    used = ours * flop_per_token(architecture, float(train.lengths.mean())) / PEAK
    return [
        {"name": f"{name}: ours", "unit": "tokens/s", "value": ours},
        {"name": f"{name}: of the device's peak", "unit": "", "value": used, "target": 0.5},
        {"name": f"{name}: over dynamic padding", "unit": "times", "value": ours / dynamic, "target": 2.5},
        {"name": f"{name}: over grouped, compiled", "unit": "times", "value": ours / grouped, "target": 1.3},
    ]


def flop_per_token(architecture: PretrainedConfig, length: float) -> float:
    """Six for each weight of the blocks, and the two products of attention, forwards and backwards."""
    width, inner = architecture.hidden_size, architecture.intermediate_size
    feed_forward = (3 if architecture.model_type == "modernbert" else 2) * width * inner
    return 6.0 * architecture.num_hidden_layers * (4 * width**2 + feed_forward + 2 * length * width)


if __name__ == "__main__":
    run(__doc__, measure)
