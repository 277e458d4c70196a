"""How large a core's caches are: what the kernels' blocks are cut to (`linear/linear_plan.pxd`).

Sizes decide which numbers stay near, never in which order they are summed: results do not depend
on them. `FASTSOFTMAX_CACHES`, such as "48K,1M,32M", takes the place of what the system says.
"""

import ctypes
import os
import re
import sys
from typing import NamedTuple

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Caches(NamedTuple):
    """Bytes of data per core: its first and second cache, and its share of the third."""

    l1: int
    l2: int
    l3: int

    def __str__(self) -> str:
        return ",".join(f"{size >> 10}K" for size in self)


#: where the system does not tell: no more than any processor of these years has
DEFAULT = Caches(32 << 10, 512 << 10, 2 << 20)
OF_LINUX = "/sys/devices/system/cpu/cpu0/cache"
MOST = 1 << 40  # bytes: more than any cache has, and few enough to count with


def parsed(text: str) -> Caches:
    """The sizes that a user names."""
    found = [re.fullmatch(r"([0-9]+)([KMG]?)", part.strip().upper()) for part in text.split(",")]
    sizes = [int(each[1]) * UNITS[each[2]] for each in found if each]
    usable = len(found) == len(sizes) == 3 and 4096 <= sizes[0] <= sizes[1] <= sizes[2] <= MOST
    if not usable:
        raise ImportError(
            "FASTSOFTMAX_CACHES: expected three sizes of 4K to 1024G, the smallest first, "
            f"such as 48K,1M,32M, got {text!r}"
        )
    return Caches(*sizes)


def _processors(listed: str) -> int:
    """How many a list such as 0-3,8 names."""
    ends = [part.split("-") for part in listed.split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


def _read(*path: str) -> str:
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read().strip()


def of_linux(folder: str | os.PathLike[str]) -> dict[int, int]:
    """Level to bytes per core: a cache is shared out among the cores that share it."""
    sizes, sharing = {}, {}
    for cache in os.listdir(folder):
        if not cache.startswith("index"):
            continue
        kind, level, size, shared = (
            _read(folder, cache, name) for name in ("type", "level", "size", "shared_cpu_list")
        )
        if kind != "Instruction":
            sizes[int(level)] = int(size[:-1]) * UNITS[size[-1]]
            sharing[int(level)] = _processors(shared)
    of_a_core = sharing.get(1, 1)
    return {level: size * of_a_core // sharing[level] for level, size in sizes.items()}


def of_macos(asked) -> dict[int, int]:
    """The same by `asked(name)`, the system's numbers; of the fast cores, if some are slower."""
    prefix = "hw.perflevel0." if asked("hw.perflevel0.l2cachesize") else "hw."
    sharing = asked(prefix + "cpusperl2") or 1
    return {
        1: asked(prefix + "l1dcachesize"),
        2: asked(prefix + "l2cachesize") // sharing,
        3: asked("hw.l3cachesize") // (asked("hw.physicalcpu") or 1),
    }


def _sysctl(name: str) -> int:
    value, size = ctypes.c_int64(0), ctypes.c_size_t(8)
    found = ctypes.CDLL(None).sysctlbyname(
        name.encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return value.value if found == 0 else 0


def completed(found: dict[int, int]) -> Caches:
    """With the defaults for what is not known, and no cache smaller than the one before."""
    l1, l2, l3 = (found.get(level) or DEFAULT[level - 1] for level in (1, 2, 3))
    return Caches(l1, max(l1, l2), max(l1, l2, l3))


def detect(folder: str | os.PathLike[str] = OF_LINUX) -> Caches:
    """The caches of this machine, on Linux from a folder, or what the environment says of them."""
    named = os.environ.get("FASTSOFTMAX_CACHES", "").strip()
    if named:
        return parsed(named)
    try:
        if sys.platform == "darwin":
            return completed(of_macos(_sysctl))
        return completed(of_linux(folder))
    except (OSError, ValueError, KeyError, IndexError, AttributeError):
        return DEFAULT
