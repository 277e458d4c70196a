"""What is installed here, and which build of the kernels runs."""

import os
import platform

from fastsoftmax import _core
from fastsoftmax._core import _cpu
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.version import __version__


def processor() -> str:
    """The processor's name, as far as the system tells it; with what tells generations apart."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = [[part.strip() for part in line.split(":", 1)] for line in file if ":" in line]
        names = [value for field, value in lines if field == "model name"]
        of_last = dict(lines)
        generation = f"family {of_last['cpu family']}, model {of_last['model']}"
        return f"{names[0]} ({generation}), {len(names)} logical processors"
    except (OSError, IndexError, KeyError):
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} logical processors"


def versions() -> dict[str, str]:
    """Versions and choices that a bug report needs, name to text."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    openmp = _cpu.openmp_version()
    found = {"fastsoftmax": __version__, "Python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-learn", "matplotlib"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    built = [level for level in _core.LEVELS if _core.is_built(level)]
    runtime = os.path.basename(_core.openmp_library) or "a runtime of unknown name"
    compiler, flags = _cpu.built_by()
    return found | {
        "system": platform.platform(),
        "processor": processor(),
        "kernels": f"{_core.level}, of those built: {', '.join(built)}",
        "caches": f"{_core.caches} per core",
        "vectors": "{} bytes".format(_core.kernels("f4").elementwise.vector_bytes()),
        "compiler": compiler,
        "flags": flags,
        "OpenMP": f"{runtime}, specification of {openmp}" if openmp else "none: one thread",
        "threads": f"{available_threads()}, {_core.waiting()}",
    }


def show_versions() -> None:
    """Print versions, processor build, OpenMP and threads: paste it into a bug report.

    Examples
    --------
    >>> import fastsoftmax
    >>> fastsoftmax.show_versions()  # doctest: +ELLIPSIS
    fastsoftmax...
    """
    entries = versions()
    width = max(map(len, entries))
    for name, value in entries.items():
        print(f"{name:<{width}}  {value}")


def processor_level() -> str:
    """The processor level for which the kernels of this process were built."""
    return _core.level
