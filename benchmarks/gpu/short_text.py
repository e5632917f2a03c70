"""Short texts, one trial: BERT-base, 26 tokens in the mean, 32 rows a step, bf16, dropout, clipping, layer-wise rates.

    python benchmarks/gpu/short_text.py [--rehearse] [--json FILE]

Milliseconds of a step after warm-up: ours, transformers.Trainer with its defaults, and with its best flags (grouped by
length, compiled, fused AdamW, no logging). Aimed at: four times as fast as the defaults, 1.8 times as the best flags.
"""

from on_gpu import Row, Scale, our_steps, run, spread, started, tokens, trainer_steps

BEST = {
    "train_sampling_strategy": "group_by_length",
    "optim": "adamw_torch_fused",
    "logging_steps": 1_000_000,
}


def measure(scale: Scale) -> list[Row]:
    architecture, steps, batch_size = scale.architecture("bert-base"), scale.of(2_000, 20), 32
    train = tokens(scale.of(20_000, 800), 26, 64, architecture.vocab_size)
    setup, state = started(
        scale, architecture, train, batch_size=batch_size, max_epochs=10, learning_rate=3e-5, layer_decay=0.9
    )
    ours = spread(our_steps(setup, state, min(steps, setup.plan.num_steps)))
    compiled = {} if scale.rehearsed else {"torch_compile": True}
    default = spread(trainer_steps(scale, architecture, train, steps, batch_size))
    best = spread(trainer_steps(scale, architecture, train, steps, batch_size, **BEST, **compiled))
    return [
        {"name": "ours, a step", "unit": "ms", **ours},
        {"name": "Trainer, defaults", "unit": "ms", **default},
        {"name": "Trainer, best flags", "unit": "ms", **best},
        {"name": "defaults over ours", "unit": "times", "value": default["value"] / ours["value"], "target": 4.0},
        {"name": "best flags over ours", "unit": "times", "value": best["value"] / ours["value"], "target": 1.8},
    ]


if __name__ == "__main__":
    run(__doc__, measure)
