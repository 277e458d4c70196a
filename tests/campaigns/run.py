"""Run the campaign, or a shard of it: python tests/campaigns/run.py --shard 1/40 --out FOLDER.

Writes a line of JSON for each problem to FOLDER/shard-1-of-40.jsonl, and goes on where a run before
it ended. Problems are fitted in a process of their own, so that a crash, or a fit that doesn't end,
is one line of the record.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.families import FAMILIES, problem  # noqa: E402
from campaigns.judge import faults, judged  # noqa: E402

LIMIT = 300  # seconds for a problem


def work(keys, results) -> None:
    """Judge problems, one by one."""
    for name, seed in keys:
        results.send(judged(problem(name, seed)))


def run(keys, out: Path, minutes: float) -> None:
    """Append the records of problems to a file, for so many minutes."""
    lines = out.read_text().splitlines(keepends=True) if out.exists() else []
    if lines and not lines[-1].endswith("\n"):  # interrupted within a line
        out.write_text("".join(lines[:-1]))
        lines = lines[:-1]
    done = {(r["family"], r["seed"]) for r in map(json.loads, lines)}
    keys = [key for key in keys if key not in done]
    end = time.monotonic() + 60 * minutes
    with out.open("a") as file:
        while keys and time.monotonic() < end:
            results, sender = multiprocessing.Pipe(duplex=False)
            worker = multiprocessing.Process(target=work, args=(keys, sender), daemon=True)
            worker.start()
            sender.close()
            while keys and time.monotonic() < end:
                name, seed = keys[0]
                try:
                    ended = not results.poll(LIMIT)
                    record = None if ended else results.recv()
                except EOFError:
                    ended, record = True, {"error": "the process crashed"}
                if record is None:
                    record = {"error": f"no end within {LIMIT} s"}
                record = {"family": name, "seed": seed, "traits": [], **record}
                file.write(json.dumps(record) + "\n")
                file.flush()
                keys = keys[1:]
                if ended:
                    break
            worker.kill()
            worker.join()
    print(f"{out}: {len(done)} were done, {len(keys)} are left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=20_000)
    parser.add_argument("--shard", default="1/1", help="i/N")
    parser.add_argument("--minutes", type=float, default=18)
    parser.add_argument("--out", type=Path, default=Path("campaign"))
    parser.add_argument("--show", nargs=2, metavar=("FAMILY", "SEED"), help="one problem alone")
    options = parser.parse_args()
    if options.show:
        record = judged(problem(options.show[0], int(options.show[1])))
        print(json.dumps(record, indent=1), faults(record) if "told" in record else "")
        return
    i, n = map(int, options.shard.split("/"))
    seeds = range(i - 1, options.problems // len(FAMILIES) + 1, n)
    keys = [(name, seed) for seed in seeds for name in FAMILIES]
    options.out.mkdir(parents=True, exist_ok=True)
    run(keys, options.out / f"shard-{i}-of-{n}.jsonl", options.minutes)


if __name__ == "__main__":
    main()
