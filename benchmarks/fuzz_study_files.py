"""Is every broken study file refused in one line, quickly, in little memory? 100,000 mutants of search_spaces/.

    python benchmarks/fuzz_study_files.py [--count N] [--seed N] [--quick] [--json FILE]

Each is loaded as `hpo check` and `hpo run` load it, in this one process; one that still loads is no fault. Every
thousandth that is refused is also given to the real command line, whose exit code and line are compared, and its time
is taken, the interpreter's start included. Nothing beside us does the same: peers have no study files.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

from hpo.environment import describe
from hpo.errors import UsageError
from hpo.study_file import load_study
from tests.hpo.mutated_study_files import PROJECT, mutated

TARGETS = {"faults": 0, "p99_ms": 300.0, "memory_mb": 250.0}
EACH = 1000  # of the refused ones, how many lie between two that the command line gets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--quick", action="store_true", help="2,000 files")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    count = 2000 if options.quick else options.count
    print(f"seed {options.seed}, {count:,} files")
    with tempfile.TemporaryDirectory() as folder:
        seen = fuzz(Path(folder), count, options.seed, EACH // 10 if options.quick else EACH)
    for name, number in seen.items():
        target = f"  (at most {TARGETS[name]:g})" if name in TARGETS else ""
        print(f"{name:>24} {number:10,.4g}{target}")
    if options.json:
        rows = [
            {"name": f"fuzz_study_files/{name}", "value": number, "unit": name.rpartition("_")[2],
             "target": TARGETS.get(name), "holds": number <= TARGETS[name] if name in TARGETS else None,
             "peers": {}, "spread": None, "environment": describe()}
            for name, number in seen.items()
        ]  # fmt: skip
        options.json.write_text(json.dumps(rows, indent=1))


def fuzz(folder: Path, count: int, seed: int, each: int) -> dict[str, float]:
    path = folder / "study.yaml"
    seconds: list[float] = []
    typed: list[float] = []
    states: Counter[str] = Counter()
    faults = 0
    for one in islice(mutated(seed), count):
        path.write_bytes(one.raw)
        before = time.perf_counter()
        try:
            load_study(path)
            states["loaded"] += 1
            continue
        except UsageError as error:
            message = str(error)
        except Exception as error:
            message = f"traceback: {type(error).__name__}: {error}"
        finally:
            seconds.append(time.perf_counter() - before)
        states[one.kind] += 1
        wrong = not message.startswith((f"{path}:", "--set")) or not message.isprintable()
        refused = states.total() - states["loaded"]
        if not wrong and refused % each == 0:
            before = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "hpo", "check", str(path)], capture_output=True, text=True, cwd=PROJECT
            )
            typed.append(time.perf_counter() - before)
            wrong = (done.returncode, done.stdout, done.stderr) != (2, "", f"error: {message}\n")
        if wrong:
            faults += 1
            kept = Path(tempfile.gettempdir()) / f"study-{seed}-{states.total()}.yaml"
            kept.write_bytes(one.raw)
            print(f"{one.kind} of {one.source}, kept as {kept}: {message[:200]}")
    ranked = sorted(seconds)
    return {
        "faults": faults,
        "loaded": states["loaded"],
        "refused": states.total() - states["loaded"],
        "median_ms": 1000 * statistics.median(ranked),
        "p99_ms": 1000 * ranked[len(ranked) * 99 // 100],
        "longest_ms": 1000 * ranked[-1],
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "command_lines": len(typed),
        "command_line_median_ms": 1000 * statistics.median(typed) if typed else 0.0,
        "command_line_p99_ms": 1000 * sorted(typed)[len(typed) * 99 // 100] if typed else 0.0,
        **{f"refused_{kind}": number for kind, number in sorted(states.items()) if kind != "loaded"},
    }


if __name__ == "__main__":
    main()
