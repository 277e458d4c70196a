"""The shared libraries that a process has loaded, as Linux tells of them in /proc and ELF files."""

import os
from enum import IntEnum
from struct import unpack

LONGEST = 256  # bytes of a name


class Segment(IntEnum):
    """Types of segments of an ELF file."""

    LOADED = 1
    DYNAMIC = 2


class Tag(IntEnum):
    """Tags of entries of the dynamic section."""

    NEEDED = 1
    STRINGS = 5
    NAME = 14


def libraries(process: int | str = "self") -> dict[str, str]:
    """The path of each file that is mapped, and where it begins; none where that is not told."""
    try:
        with open(f"/proc/{process}/maps", "rb") as maps:
            lines = os.fsdecode(maps.read()).split("\n")
    except OSError:
        return {}
    starts: dict[str, str] = {}
    for line in lines:
        if "/" in line:
            starts.setdefault(line[line.index("/") :], line.partition("-")[0])
    return starts


def file_of(path: str) -> str:
    """The file that a path leads to, and "" for "", which `realpath` takes for the folder."""
    return os.path.realpath(path) if path else ""


def names(path: str) -> tuple[str, list[str]]:
    """What a library is called, and the names of those that it needs."""
    with open(path, "rb") as file:

        def read(at, layout, size):
            file.seek(at)
            return unpack(layout, file.read(size))

        if file.read(6) != b"\x7fELF\x02\x01":  # of 64 bits, the lowest byte first
            return os.path.basename(path), []
        (table,), (n,) = read(32, "<Q", 8), read(56, "<H", 2)
        segments = [read(table + 56 * i, "<IIQQQQ", 40) for i in range(n)]
        tags = [
            read(at, "<QQ", 16)
            for kind, _, start, _, _, size in segments
            if kind == Segment.DYNAMIC
            for at in range(start, start + size, 16)
        ]
        strings = next(value for tag, value in tags if tag == Tag.STRINGS)
        start = next(
            start + strings - address
            for kind, _, start, address, _, size in segments
            if kind == Segment.LOADED and address <= strings < address + size
        )

        def text(value):
            file.seek(start + value)
            return file.read(LONGEST).partition(b"\0")[0].decode(errors="replace")

        called = [text(value) for tag, value in tags if tag == Tag.NAME]
        needed = [text(value) for tag, value in tags if tag == Tag.NEEDED]
        return called[0] if called else os.path.basename(path), needed
