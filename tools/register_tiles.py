"""Instructions per multiply-add in the register tiles of a library for aarch64.

    python tools/register_tiles.py FILE ...

The time under an emulator says nothing; this is counted in the disassembly. A tile is an innermost
loop without a call, of at least 16 multiply-adds of whole vectors and at most four times as many
instructions. One that moves vectors to the stack or back is an error: its sums do not fit the
registers.
"""

import re
import subprocess
import sys
from bisect import bisect_left
from typing import NamedTuple

OBJDUMP = "aarch64-linux-gnu-objdump"
LEAST = 16  # multiply-adds
MOST = 4.0  # instructions for each
LINE = re.compile(r"\s*([0-9a-f]+):\t(\S+)\s*(.*)")
CALLS = {"bl", "blr", "br", "ret"}
BRANCHES = ("b", "cbz", "cbnz", "tbz", "tbnz")


class Tile(NamedTuple):
    """What an innermost loop consists of."""

    multiply_adds: int
    instructions: int
    on_stack: int  # loads and stores of vectors


def tiles(disassembly: str) -> list[Tile]:
    """The tiles, by what they consist of."""
    code = [
        (int(found[1], 16), found[2], found[3])
        for found in map(LINE.match, disassembly.splitlines())
        if found
    ]
    addresses = [address for address, _, _ in code]
    loops = []  # first and last instruction
    for last, (address, name, operands) in enumerate(code):
        target = re.search(r"\b([0-9a-f]+) <", operands)
        if target and name.partition(".")[0] in BRANCHES and int(target[1], 16) < address:
            loops.append((bisect_left(addresses, int(target[1], 16)), last))
    found = []
    end = -1
    for first, last in sorted(loops, key=lambda loop: loop[1]):
        if first <= end:  # a loop that ended before lies in it
            continue
        end = last
        body = code[first : last + 1]
        n = sum(
            name == "fmla" and re.search(r"\.(4s|2d)\b", rest) is not None for _, name, rest in body
        )
        stack = sum(
            "[sp" in rest and re.match(r"\{?[qv]\d", rest) is not None for _, _, rest in body
        )
        if n >= max(LEAST, len(body) / MOST) and CALLS.isdisjoint(name for _, name, _ in body):
            found.append(Tile(n, len(body), stack))
    return sorted(found)


def main() -> int:
    spilled = 0
    for file in sys.argv[1:]:
        command = [OBJDUMP, "-d", "--no-show-raw-insn", file]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = tiles(done.stdout)
        if not found:
            print(f"{file}: no tiles")
            continue
        ratios = sorted(tile.instructions / tile.multiply_adds for tile in found)
        moved = [tile for tile in found if tile.on_stack]
        spilled += len(moved)
        print(
            f"{file}: {len(found)} tiles of {LEAST} to {max(found).multiply_adds} multiply-adds, "
            f"{ratios[0]:.2f} to {ratios[-1]:.2f} instructions for each, "
            f"median {ratios[len(ratios) // 2]:.2f}; {len(moved)} use the stack"
        )
    return int(spilled > 0)


if __name__ == "__main__":
    sys.exit(main())
