"""Whether torch can compute on the GPUs that are there: `python -m train_fn.gpus` prints what it found as JSON."""

import json

import torch


def look() -> dict[str, object]:
    """CUDA version of the build, GPUs that computed a product of matrices, and the first error in one line."""
    try:
        for index in range(torch.cuda.device_count()):
            ones = torch.ones(64, 64, device=f"cuda:{index}")
            assert float((ones @ ones).sum()) == 64**3
        error = "" if torch.cuda.is_available() else "torch sees none"
    except Exception as problem:
        error = " ".join(f"{type(problem).__name__}: {problem}".split())[:200]
    return {"cuda": torch.version.cuda, "gpus": torch.cuda.device_count(), "error": error}


if __name__ == "__main__":
    print(json.dumps(look()))
