"""Build: what Python calls once, kernels once for each precision and processor level.

Environment:
    FASTSOFTMAX_BUILD_ISA     levels to build, e.g. "v3" or "v2,v4"; "native" for this machine only
    FASTSOFTMAX_BUILD_OPENMP  0 to build without OpenMP (one thread)
    FASTSOFTMAX_BUILD_JOBS    parallel compiler processes (default: the processors there are)

A second build in the same tree compiles what has changed.
"""

import ast
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

CORE = Path("src/fastsoftmax/_core")
TRANSLATED = Path("build/cython")
SETTINGS = Path("build/settings.txt")  # newer than what was built otherwise
# Whole-program shortcuts such as -ffast-math stay out: they break NaN and infinity for the user.
FLAGS = [
    "-O3",
    "-g0",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-Wno-attributes",  # Cython declares a variable of each return type, attribute and all
]
# GCC's alone, so that the sums of a register tile stay in registers: a loop that clears them must
# not become a call of memset, and on aarch64 loads must not move ahead of the sums that use them
GCC_ONLY = ["-fno-tree-loop-distribute-patterns", "-fno-schedule-insns"]
PRECISIONS = {"f32": 0, "f64": 1}
LEVELS = {
    "v2": ["-march=x86-64-v2"],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}
# One module takes the place of one of v4's, in float32: for matrix units, and for their emulation
UNITS = "matrix_units_kernels"
AMX = ["-mamx-tile", "-mamx-bf16", "-mavx512bf16"]
NATIVE = ["-march=native", "-mprefer-vector-width=512"]

OPENMP_PROBE = """
#include <omp.h>
#include <stdio.h>
int main(void) {
    int n = 0;
    #pragma omp parallel reduction(+ : n)
    n += 1;
    printf("%d threads, limit %d\\n", n, omp_get_max_threads());
    return n < 1;
}
"""
OPENMP_MISSING = """
fastsoftmax: this compiler cannot build and run an OpenMP program ({reason}).
  Debian, Ubuntu   apt install gcc        (libgomp comes with it)
  Fedora           dnf install gcc libgomp
  macOS            brew install libomp, then CPPFLAGS="-I$(brew --prefix libomp)/include"
                   and LDFLAGS="-L$(brew --prefix libomp)/lib"
or build for one thread: FASTSOFTMAX_BUILD_OPENMP=0 pip install .
"""


def levels():
    """Name -> compiler flags of the processor levels to build."""
    chosen = os.environ.get("FASTSOFTMAX_BUILD_ISA", "").strip()
    if chosen == "native":
        return {"native": NATIVE if platform.machine() in ("x86_64", "AMD64") else ["-mcpu=native"]}
    if platform.machine() not in ("x86_64", "AMD64"):
        return {"plain": []}
    if not chosen:
        return LEVELS
    unknown = sorted(set(chosen.split(",")) - set(LEVELS))
    if unknown:
        sys.exit(
            f"FASTSOFTMAX_BUILD_ISA: expected 'native' or some of {', '.join(LEVELS)} joined by "
            f"commas, got {chosen!r}"
        )
    return {name: LEVELS[name] for name in chosen.split(",")}


def jobs():
    """Compiler processes at a time."""
    wanted = os.environ.get("FASTSOFTMAX_BUILD_JOBS", "").strip() or str(os.cpu_count() or 1)
    if not (wanted.isdecimal() and int(wanted)):
        sys.exit(f"FASTSOFTMAX_BUILD_JOBS: expected a positive integer, got {wanted!r}")
    return int(wanted)


def openmp_flags(compiler):
    """(compile, link) flags with which an OpenMP program compiles, links and runs."""
    if os.environ.get("FASTSOFTMAX_BUILD_OPENMP") == "0":
        return [], []
    if sys.platform == "darwin":
        flags = ["-Xpreprocessor", "-fopenmp"], ["-lomp"]
    else:
        flags = ["-fopenmp"], ["-fopenmp"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(OPENMP_PROBE)
        try:
            objects = compiler.compile([str(source)], output_dir="/", extra_postargs=flags[0])
            program = str(Path(folder, "probe"))
            compiler.link_executable(objects, program, extra_postargs=flags[1])
            subprocess.run([program], check=True, capture_output=True, timeout=60)
        except Exception as error:  # the compiler classes of setuptools share no narrower base
            sys.exit(OPENMP_MISSING.format(reason=str(error).splitlines()[0]))
    return flags


def is_taken(compiler, *flags):
    """Whether the compiler knows the flags."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("int fs_probe;\n")
        try:
            compiler.compile([str(source)], output_dir="/", extra_postargs=["-Werror", *flags])
        except Exception:  # the compiler classes of setuptools share no narrower base
            return False
    return True


def kernel_groups():
    """(folder, group) of the kernels that the package loads."""
    body = ast.parse((CORE / "__init__.py").read_text(encoding="utf-8")).body
    assignments = [node for node in body if isinstance(node, ast.Assign)]
    (groups,) = (
        ast.literal_eval(node.value)
        for node in assignments
        if ast.unparse(node.targets[0]) == "KERNELS"
    )
    return [(folder, group) for folder, names in groups.items() for group in names]


def sources():
    """Every .pyx, none that the package loads missing."""
    for folder, group in kernel_groups():
        for name in (f"{group}.pyx", f"{group}_kernels.pyx", f"{group}_kernels.pxd"):
            if not (path := CORE / folder / name).is_file():
                sys.exit(f"fastsoftmax: the source of a kernel is missing: {path}")
    return sorted(CORE.rglob("*.pyx"))


def extensions():
    """A module that Python calls is one extension, one of kernels one per level and precision."""
    builds = [
        (f"{level}_{precision}", march, double)
        for level, march in levels().items()
        for precision, double in PRECISIONS.items()
    ]
    of_units = [
        (f"{name}_f32", [*LEVELS["v4"], *flags], 0)
        for name, flags in (("v4_amx", AMX), ("v4_amx_emulated", []))
        if "v4" in levels()
    ]
    for source in sources():
        if not source.stem.endswith("_kernels"):
            yield Extension(
                ".".join(source.with_suffix("").parts[1:]),
                [str(source)],
                define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
                extra_compile_args=["-O1", "-g0"],  # checks of arguments: nothing is hot
            )
            continue
        for folder, march, double in of_units if source.stem == UNITS else builds:
            yield Extension(
                f"fastsoftmax._core.{folder}.{source.stem}",
                [str(source)],
                define_macros=[
                    ("FS_DOUBLE", str(double)),
                    # else it overrides the kernels' own say on inlining (simd.h)
                    ("CYTHON_INLINE", ""),
                ],
                extra_compile_args=[*FLAGS, *march],
            )


def note_settings(compiler):
    """Write down what a build depends on besides its sources, where that is not as it was; the
    compiler is its name and its own flags."""
    import Cython

    settings = [
        Path(__file__).read_text(encoding="utf-8"),
        f"Cython {Cython.__version__}, Python {sys.version}",
        compiler,
        *(f"{name}={os.environ.get(name)}" for name in ("CFLAGS", "CPPFLAGS", "LDFLAGS")),
    ]
    text = "\n".join(settings)
    SETTINGS.parent.mkdir(exist_ok=True)
    if not SETTINGS.exists() or SETTINGS.read_text(encoding="utf-8") != text:
        SETTINGS.write_text(text, encoding="utf-8")


def translate(jobs):
    """C of every .pyx, each translated once: .pyx -> .c."""
    from Cython.Build import cythonize

    def translated(source):
        return TRANSLATED / source.with_suffix(".c")

    def stale(source):
        c = translated(source)
        return c.exists() and c.stat().st_mtime < SETTINGS.stat().st_mtime

    for source in filter(stale, sources()):
        translated(source).unlink()
    cythonize(
        [str(source) for source in sources()],
        build_dir=str(TRANSLATED),
        include_path=["src"],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "binding": False,  # methods of C are enough, and compile faster
            "auto_pickle": False,
            "freethreading_compatible": True,  # .ci/long python313
        },
        nthreads=jobs if jobs > 1 else 0,
    )
    return {str(source): translated(source) for source in sources()}


class BuildExt(build_ext):
    """build_ext that translates once, probes OpenMP with the compiler in use and compiles in
    parallel."""

    def finalize_options(self):
        if self.editable_mode:  # else a new temporary folder, where nothing is kept
            self.build_lib, self.build_temp = "build/editable", "build/editable/objects"
        super().finalize_options()
        if self.parallel is None:
            self.parallel = jobs()

    def build_extensions(self):
        import numpy

        compile_flags, link_flags = openmp_flags(self.compiler)
        of_kernels = [flag for flag in GCC_ONLY if is_taken(self.compiler, flag)]
        if not is_taken(self.compiler, *AMX):
            self.extensions = [e for e in self.extensions if "v4_amx_f32" not in e.name]
        note_settings(f"{self.compiler.compiler_so} {self.compiler.linker_so}")
        c_of = translate(self.parallel)
        for extension in self.extensions:
            c = c_of[extension.sources[0]]
            extension.include_dirs = [str(CORE / "simd")]
            if c.stem.endswith("_kernels"):
                # a copy: object files are named after their source, and would be mixed
                folder = TRANSLATED / extension.name.split(".")[-2]
                folder.mkdir(exist_ok=True)
                c = shutil.copy2(c, folder)
                extension.extra_compile_args += of_kernels
            else:
                extension.include_dirs.append(numpy.get_include())  # kernels see no Python object
            if extension.name.endswith("._cpu"):  # which tells them
                told = " ".join([*FLAGS, *of_kernels, *compile_flags])
                extension.define_macros.append(("FS_FLAGS", f'"{told}"'))
            extension.sources = [str(c)]
            headers = ["simd.h", "stored_numbers.h", "with_constant.h"]
            if extension.name.endswith(UNITS):
                headers += ["matrix_units.h", "emulated_units.h"]
            extension.depends = [*(str(CORE / "simd" / name) for name in headers), str(SETTINGS)]
            extension.extra_compile_args += compile_flags
            if not extension.name.endswith("._system"):  # which is asked before OpenMP is loaded
                extension.extra_link_args += link_flags
        with tempfile.TemporaryDirectory() as folder:
            self.read_headers_once(Path(folder))
            super().build_extensions()
        self.remove_other_levels()

    def read_headers_once(self, folder):
        """Precompile the headers of the kernels, a third of the time of most, for each level and
        precision; a compiler that cannot reads the text for each kernel."""
        stale = defaultdict(list)
        for e in self.extensions:
            built = self.get_ext_fullpath(e.name)
            if e.name.endswith("_kernels") and newer_group([*e.sources, *e.depends], built):
                stale[e.name.split(".")[-2]].append(e)

        def precompile(level):
            kernels = stale[level]
            if len(kernels) < 5:  # one precompiled header costs as much as it saves for four
                return
            header = folder / f"{level}.h"
            header.write_text('#include <Python.h>\n#include "simd.h"\n')
            macros = [f"-D{name}={value}" for name, value in kernels[0].define_macros]
            folders = [*self.compiler.include_dirs, *kernels[0].include_dirs]
            command = [*self.compiler.compiler_so, *macros, *(f"-I{path}" for path in folders)]
            command += [*kernels[0].extra_compile_args, "-x", "c-header", "-o", f"{header}.gch"]
            subprocess.run([*command, str(header)], check=False, capture_output=True)
            for extension in kernels:
                extension.extra_compile_args += ["-include", str(header)]

        with ThreadPoolExecutor(self.parallel) as pool:
            list(pool.map(precompile, stale))

    def remove_other_levels(self):
        """A wheel takes all that lies in the folder: levels of a build before would come along."""
        built = {Path(self.get_ext_fullpath(extension.name)) for extension in self.extensions}
        for file in Path(self.build_lib).rglob("*_kernels.*"):
            if file.suffix in (".so", ".pyd") and file not in built:
                file.unlink()

    def copy_extensions_to_source(self):
        """In place: setuptools expects the folders of the levels, in which no source lies."""
        for extension in self.extensions:
            Path("src", *extension.name.split(".")).parent.mkdir(exist_ok=True)
        super().copy_extensions_to_source()


if __name__ == "__main__":
    setup(ext_modules=list(extensions()), cmdclass={"build_ext": BuildExt})
