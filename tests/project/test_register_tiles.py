"""What `tools/register_tiles.py` counts in a disassembly, by hand."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if not (ROOT / ".git").exists() or shutil.which("git") is None:
    pytest.skip("no git checkout", allow_module_level=True)
spec = importlib.util.spec_from_file_location("register_tiles", ROOT / "tools/register_tiles.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
PRODUCTS = ["fmla\tv0.4s, v1.4s, v2.4s"] * 16


def disassembly(*code):
    """Instructions at addresses from 0x1000; TOP stands for that of the first."""
    lines = (f"    {0x1000 + 4 * i:x}:\t{text}" for i, text in enumerate(code))
    return "0000000000001000 <kernel>:\n" + "\n".join(lines).replace("TOP", "1000 <kernel>")


@pytest.mark.parametrize(
    ("rest", "on_stack"),
    [
        (["ldr\tq1, [x0], #16", "str\tx3, [sp, #8]"], 0),  # an address may be there
        (["ldr\tq1, [sp, #32]", "ld1\t{v2.4s}, [x1]"], 1),
        (["stp\tq1, q2, [sp]", "ld1\t{v2.4s}, [sp]"], 2),
    ],
)
def test_a_tile(rest, on_stack):
    found = module.tiles(disassembly(*rest, *PRODUCTS, "subs\tx2, x2, #0x1", "b.ne\tTOP"))
    assert found == [(16, 20, on_stack)]


@pytest.mark.parametrize(
    "code",
    [
        [*PRODUCTS, "b.ne\t2000 <other>"],  # no loop
        [*PRODUCTS, "bl\t2000 <other>", "b.ne\tTOP"],
        [*PRODUCTS[1:], "b.ne\tTOP"],
        [*PRODUCTS, *["nop"] * 60, "b.ne\tTOP"],
        ["fmla\tv0.2s, v1.2s, v2.2s"] * 20 + ["b.ne\tTOP"],  # of half a vector
    ],
)
def test_what_is_no_tile(code):
    assert module.tiles(disassembly(*code)) == []


def test_the_loop_around_a_tile_is_none():
    inner = [*PRODUCTS, "cbnz\tx2, 1004 <kernel+0x4>"]
    found = module.tiles(disassembly("str\tq1, [sp]", *inner, *PRODUCTS, "b.ne\tTOP"))
    assert found == [(16, 17, 0)]
