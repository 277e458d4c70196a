"""Compile every module for macOS and Windows with zig's clang.

    python tools/cross.py FOLDER [TARGET ...]

Each kernel for each precision and level, with the target's own NumPy headers (from its wheel), the
Python headers of this machine, Windows' pyconfig.h (of Debian's source package) and LLVM's omp.h
(of Debian). Warnings are errors. Debian only, as root; what has been fetched stays in FOLDER.

It proves syntax, types and the widths of Windows' integers (LLP64), and nothing that is linked or
run: docs/design/release.md says what remains.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import setup  # noqa: E402

NUMPY, ZIG, PYTHON = "2.4.6", "0.17.1", "3.11"
LEVELS = {"v2": "x86_64_v2", "v3": "x86_64_v3", "v4": "x86_64_v4"}
INTEL = {level: [f"-mcpu={cpu}"] for level, cpu in LEVELS.items()}
TARGETS = {  # name: (tag of wheels, levels)
    "aarch64-macos": ("macosx_14_0_arm64", {"plain": []}),
    "x86_64-macos": ("macosx_14_0_x86_64", INTEL),
    "x86_64-windows-gnu": ("win_amd64", INTEL),
}
FLAGS = [flag for flag in setup.FLAGS if not flag.startswith("-O")]  # -O1 takes half of the time
# Cython's macro for the digits of an int is abs of a Py_ssize_t, but for Microsoft's compilers
WARNINGS = ["-Werror", "-Wno-ignored-attributes", "-Wno-absolute-value"]
WINDOWS = ["-DMS_WIN64"]  # which Windows' pyconfig.h derives for Microsoft's compilers only


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


def fetched(folder: Path) -> Path:
    """The Python of an environment with zig, and the headers beside it."""
    python = folder / "zig/bin/python"
    if not python.exists():
        venv.create(folder / "zig", with_pip=True)
        run(python, "-m", "pip", "install", "-q", f"ziglang=={ZIG}", "cython>=3.1", "setuptools")
    for tag, _ in TARGETS.values():
        if (folder / tag).exists():
            continue
        options = ["--no-deps", "--only-binary", ":all:", "--python-version", PYTHON]
        options += ["--platform", tag, "-d", folder / "wheels", f"numpy=={NUMPY}"]
        run(python, "-m", "pip", "download", "-q", *options)
        (wheel,) = (folder / "wheels").glob(f"numpy-*{tag}.whl")
        with zipfile.ZipFile(wheel) as opened:
            names = [name for name in opened.namelist() if name.endswith(".h")]
            opened.extractall(folder / tag, names)
    headers = folder / "openmp"
    if not headers.exists():
        run("apt-get", "-qq", "update")
        download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download"]
        run(*download, "libomp-16-dev", cwd=folder)
        (package,) = folder.glob("libomp-16-dev_*.deb")
        run("dpkg-deb", "-x", package, folder / "libomp")
        headers.mkdir()
        (header,) = (folder / "libomp").rglob("omp.h")
        shutil.copy2(header, headers)
    windows = folder / "windows"
    if not windows.exists():
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        source = f"deb-src [signed-by={keys}] http://deb.debian.org/debian bookworm main\n"
        (folder / "sources.list").write_text(source, encoding="ascii")
        (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
        apt = ["apt-get", "-qq", "-o", f"Dir::Etc::sourcelist={folder}/sources.list"]
        apt += ["-o", "Dir::Etc::sourceparts=/dev/null", "-o", f"Dir::State::lists={folder}/lists"]
        apt += ["-o", "APT::Sandbox::User=root"]
        run(*apt, "update")
        run(*apt, "source", "--download-only", "python3.11", cwd=folder)
        (archive,) = folder.glob("python3.11_*.orig.tar.*z")
        windows.mkdir()
        unpack = ["tar", "-xf", archive, "-C", windows, "--wildcards", "--strip-components=2"]
        run(*unpack, "*/PC/pyconfig.h", "*/Include/*")  # Include without its own folder name
    return python


def units(levels: dict[str, list[str]], c_of: dict[str, Path]):
    """(name, C file, flags) of each object file."""
    for c in sorted(c_of.values()):
        if not c.stem.endswith("_kernels"):
            yield c.stem, c, ["-O1", '-DFS_FLAGS=""', "-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION"]
            continue
        if c.stem == setup.UNITS:  # emulated: the units are Linux's
            if "v4" in levels:
                macros = ["-DFS_DOUBLE=0", "-DCYTHON_INLINE="]
                yield f"v4_amx_emulated_f32.{c.stem}", c, ["-O1", *FLAGS, *levels["v4"], *macros]
            continue
        for level, cpu in levels.items():
            for precision, double in setup.PRECISIONS.items():
                macros = [f"-DFS_DOUBLE={double}", "-DCYTHON_INLINE="]
                yield f"{level}_{precision}.{c.stem}", c, ["-O1", *FLAGS, *cpu, *macros]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python = fetched(folder)
    os.chdir(ROOT)
    setup.TRANSLATED, setup.SETTINGS = folder / "cython", folder / "settings.txt"
    setup.note_settings(f"zig {ZIG}")
    jobs = os.cpu_count() or 1
    c_of = setup.translate(jobs)
    failed = 0
    for target in arguments.targets:
        tag, levels = TARGETS[target]
        windows = target.startswith("x86_64-windows")
        headers = folder / "windows" if windows else Path(sysconfig.get_path("include"))
        include = [ROOT / setup.CORE / "simd", folder / tag / "numpy/_core/include", headers]
        include = [f"-I{path}" for path in include]
        include += [f"-isystem{folder / 'openmp'}"]
        openmp = ["-fopenmp"] if not target.endswith("macos") else ["-Xpreprocessor", "-fopenmp"]
        rest = [*WARNINGS, *include, *openmp, *(WINDOWS if windows else [])]
        began = time.perf_counter()

        def compiled(unit, target=target, rest=rest):
            name, c, flags = unit
            out = folder / "objects" / target / f"{name}.o"
            out.parent.mkdir(parents=True, exist_ok=True)
            command = [python, "-m", "ziglang", "cc", "-target", target, "-c", c, "-o", out]
            command = [str(part) for part in (*command, *flags, *rest)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return name, done.returncode, done.stderr

        with ThreadPoolExecutor(jobs) as pool:
            results = list(pool.map(compiled, units(levels, c_of)))
        wrong = [(name, text) for name, code, text in results if code]
        failed += len(wrong)
        seconds = time.perf_counter() - began
        print(f"{target}: {len(results) - len(wrong)} of {len(results)} units, {seconds:.0f} s")
        for name, text in wrong[:5]:
            print(f"  {name}\n{text[:1500]}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
