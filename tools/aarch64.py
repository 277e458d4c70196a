"""Cross-compile the kernels for aarch64 and run tests of them in an emulator.

    python tools/aarch64.py FOLDER [PYTEST ARGUMENT ...]

An arm64 Python of Debian and wheels of NumPy and SciPy are unpacked in FOLDER and run by the user
emulation of qemu, without a chroot. For Debian 12, as root; what is fetched and compiled stays.
Time under emulation says nothing about a processor. With no arguments, builds and prints versions.
"""

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import setup  # noqa: E402

TOOLS = ["qemu-user-static", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]
PACKAGES = [
    "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libpython3.11-dev",
    "libc6", "zlib1g", "libexpat1", "libssl3", "libffi8", "libbz2-1.0", "liblzma5", "libgomp1",
    "libgcc-s1", "libstdc++6", "libuuid1", "libsqlite3-0", "libcrypt1",
]  # fmt: skip
WHEELS = [
    "numpy==2.4.6", "scipy==1.17.1", "pytest", "pluggy", "iniconfig", "packaging", "pygments",
    "hypothesis", "sortedcontainers", "mpmath", "ml_dtypes",
]  # fmt: skip
GLIBC = ("2_28", "2_27", "2_17")
SUFFIX = ".cpython-311-aarch64-linux-gnu.so"
COMPILER = "aarch64-linux-gnu-gcc"


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


def fetch(folder: Path) -> None:
    """Emulator, cross compiler, an arm64 Python and wheels for it."""
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    if shutil.which("qemu-aarch64-static") is None or shutil.which(COMPILER) is None:
        run(*apt, "update")
        run(*apt, "install", "-y", "--no-install-recommends", *TOOLS, stdout=subprocess.DEVNULL)
    if not (folder / "root/usr/bin/python3.11").exists():
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        source = f"deb [signed-by={keys} arch=arm64] http://deb.debian.org/debian bookworm main\n"
        (folder / "sources.list").write_text(source, encoding="ascii")
        for name in ("lists/partial", "debs", "root"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        options = {
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": folder / "lists",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Architecture": "arm64",
            "APT::Architectures::": "arm64",
        }
        for name, value in options.items():
            apt += ["-o", f"{name}={value}"]
        run(*apt, "update")
        run(*apt, "download", *PACKAGES, cwd=folder / "debs")
        for package in (folder / "debs").glob("*.deb"):
            run("dpkg-deb", "-x", package, folder / "root")
    if not (folder / "site/numpy").exists():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:"]
        pip += ["--python-version", "3.11", "--implementation", "cp"]
        for version in GLIBC:
            pip += ["--platform", f"manylinux_{version}_aarch64"]
        run(*pip, "--platform", "manylinux2014_aarch64", "--target", folder / "site", *WHEELS)


def build(folder: Path) -> None:
    """The package in FOLDER/package; what is older than its C file or a header is compiled."""
    package = folder / "package/fastsoftmax"
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "native_f*", "v?_f*")
    shutil.copytree(ROOT / "src/fastsoftmax", package, ignore=ignored, dirs_exist_ok=True)
    setup.TRANSLATED, setup.SETTINGS = folder / "cython", folder / "settings.txt"
    setup.note_settings(COMPILER)
    jobs = os.cpu_count() or 1
    include = [
        ROOT / setup.CORE / "simd",
        folder / "site/numpy/_core/include",
        folder / "root/usr/include/python3.11",
        folder / "root/usr/include",
    ]
    command = [COMPILER, "-shared", "-fPIC", "-fopenmp", "-w", *(f"-I{path}" for path in include)]
    units = []
    for source, c in setup.translate(jobs).items():
        module = Path(source).relative_to("src/fastsoftmax/_core").with_suffix(SUFFIX)
        if not c.stem.endswith("_kernels"):
            flags = ["-O1", "-DFS_FLAGS=" + '"' + " ".join(setup.FLAGS) + '"']
            flags.append("-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION")
            units.append((c, package / "_core" / module, flags))
            continue
        for precision, double in setup.PRECISIONS.items() if c.stem != setup.UNITS else ():
            out = package / f"_core/plain_{precision}" / module.name
            macros = [f"-DFS_DOUBLE={double}", "-DCYTHON_INLINE="]
            units.append((c, out, [*setup.FLAGS, *setup.GCC_ONLY, *macros]))

    headers = [*(ROOT / setup.CORE / "simd").glob("*.h"), setup.SETTINGS]

    def compiled(unit):
        c, out, flags = unit
        out.parent.mkdir(exist_ok=True)
        newest = max(path.stat().st_mtime for path in (c, *headers))
        if not out.exists() or out.stat().st_mtime < newest:
            run(*command, *flags, c, "-o", out)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(compiled, units))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    arguments, tests = parser.parse_known_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    fetch(folder)
    build(folder)
    path = os.pathsep.join(str(p) for p in (folder / "package", folder / "site", ROOT / "tests"))
    emulator = ["qemu-aarch64-static", "-L", str(folder / "root")]
    code = ["-m", "fastsoftmax", "info"]
    if tests:
        code = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {
        "CC": COMPILER,
        "EMULATOR": " ".join(emulator),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": path,
    }
    command = [*emulator, str(folder / "root/usr/bin/python3.11"), *code]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
