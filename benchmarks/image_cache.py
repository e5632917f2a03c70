"""What do the four ways to keep decoded images cost? Time of the first epoch and of later ones, disk and memory.

    python benchmarks/image_cache.py [--images N] [--size N] [--workers N] [--quick] [--json FILE]

2,000 generated photos of 256 to 512 pixels, three JPEG for each PNG, are brought to 224 x 224 and read in batches of
64, in a new order each epoch, as training reads them; nothing is computed with them. Each way has a fresh process and
an empty cache. The first epoch holds whatever the way has to do before it. Memory is what the process takes beyond its
imports, at the highest moment seen after a batch: its own, and pages of files that the kernel shares between processes
and takes back where room is wanted. The files were written a moment before, so that the disk's own speed shows in none.

All ways must give the same pixels: the sum over each image is compared.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy

from hpo.environment import describe

WAYS = ("none", "files", "array", "chunks")
BATCH = 64
EPOCHS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--size", type=int, default=224, help="pixels of each side")
    parser.add_argument("--workers", type=int, default=2, help="threads that decode")
    parser.add_argument("--quick", action="store_true", help="200 images")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    images = 200 if arguments.quick else arguments.images
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        write_photos(photos, images)
        megabytes = sum(path.stat().st_size for path in photos.iterdir()) / 1e6
        found = {way: in_a_fresh_process(way, photos, arguments.size, arguments.workers) for way in WAYS}
    if len({one["pixels"] for one in found.values()}) > 1:
        sys.exit("error: all ways must give the same pixels, got others")

    print(
        f"{images:,} images, {megabytes:.0f} MB, to {arguments.size} x {arguments.size}; {arguments.workers} threads\n"
    )
    print(f"{'':8}{'first epoch':>13}{'a later one':>13}{'images/s':>10}{'disk':>11}{'memory':>11}{'shared pages':>14}")
    for way, one in found.items():
        print(
            f"{way:8}{one['first_s']:11.2f} s{one['later_s']:11.2f} s{images / one['later_s']:10,.0f}"
            f"{one['disk_mb']:8.0f} MB{one['memory_mb']:8.0f} MB{one['pages_mb']:11.0f} MB"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(found), indent=1) + "\n", encoding="utf-8")


def write_photos(folder: Path, images: int) -> None:
    """Smooth colours with a little noise, which compress about as photos do."""
    from PIL import Image

    folder.mkdir()
    random = numpy.random.default_rng(0)
    for index in range(images):
        width, height = (int(side) for side in random.integers(256, 513, 2))
        coarse = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=numpy.uint8))
        smooth = numpy.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(numpy.int16)
        noisy = (smooth + random.integers(-12, 13, smooth.shape)).clip(0, 255).astype(numpy.uint8)
        if index % 4:
            Image.fromarray(noisy).save(folder / f"{index:06}.jpg", quality=90)
        else:
            Image.fromarray(noisy).save(folder / f"{index:06}.png")


def in_a_fresh_process(way: str, photos: Path, size: int, workers: int) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, way, photos, size, workers).result()


def measure(way: Any, photos: Path, size: int, workers: int) -> dict[str, Any]:
    from train_fn.image_cache import open_images

    paths, random = sorted(photos.iterdir()), numpy.random.default_rng(0)
    sums = numpy.zeros(len(paths), dtype=numpy.int64)
    with tempfile.TemporaryDirectory() as cache:
        seconds, before = [], memory()
        peak = dict(before)
        pixels = None
        for _ in range(EPOCHS):
            order = random.permutation(len(paths))
            batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
            began = time.perf_counter()
            if pixels is None:
                entry = Path(cache) / "images" / "photos"
                pixels = open_images({"train": paths}, entry, size=size, way=way, num_workers=workers, limit_gb=100.0)[
                    "train"
                ]
            pixels.expect(batches)
            for rows in batches:
                taken = pixels.take(rows)
                now = memory()
                peak = {kind: max(peak[kind], now[kind]) for kind in peak}
                sums[rows] = taken.sum(axis=(1, 2, 3), dtype=numpy.int64)
            seconds.append(time.perf_counter() - began)
        disk = sum(path.stat().st_size for path in Path(cache).rglob("*") if path.is_file())
    return {
        "first_s": seconds[0],
        "later_s": statistics.median(seconds[1:]),
        "spread_s": [min(seconds[1:]), max(seconds[1:])],
        "disk_mb": disk / 1e6,
        "memory_mb": (peak["RssAnon"] - before["RssAnon"]) / 1e6,
        "pages_mb": (peak["RssFile"] - before["RssFile"]) / 1e6,
        "pixels": hashlib.sha256(sums.tobytes()).hexdigest(),
    }


def memory() -> dict[str, int]:
    """Bytes of this process: its own, and mapped files."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {kind: int(told[kind].split()[0]) * 1024 for kind in ("RssAnon", "RssFile")}


def measurements(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    environment = {**describe(), "load": " ".join(f"{load:.1f}" for load in os.getloadavg())}
    units = {"first_s": "s", "later_s": "s", "disk_mb": "MB", "memory_mb": "MB", "pages_mb": "MB"}
    return [
        {
            "name": f"{way}: {name.rpartition('_')[0]}",
            "value": one[name],
            "unit": unit,
            "target": None,
            "holds": None,
            "peers": {other: theirs[name] for other, theirs in found.items() if other != way},
            "spread": one["spread_s"] if name == "later_s" else None,
            "environment": environment,
        }
        for way, one in found.items()
        for name, unit in units.items()
    ]


if __name__ == "__main__":
    main()
