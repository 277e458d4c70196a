"""Build: what Python calls once, kernels once for each precision and processor level.

Environment:
    FASTSOFTMAX_BUILD_ISA     levels to build, e.g. "v3" or "v2,v4"; "native" for this machine only
    FASTSOFTMAX_BUILD_OPENMP  0 to build without OpenMP (one thread)
    FASTSOFTMAX_BUILD_JOBS    parallel compiler processes (default: the processors there are)
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = Path("src/fastsoftmax/_core")
# Whole-program shortcuts such as -ffast-math stay out: they break NaN and infinity for the user.
FLAGS = [
    "-O3",
    "-g0",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    # a loop that clears the sums of a register tile must not become a call of memset: in memory
    # they would stay
    "-fno-tree-loop-distribute-patterns",
    "-Wno-attributes",  # Cython declares a variable of each return type, attribute and all
]
PRECISIONS = {"f32": 0, "f64": 1}
LEVELS = {
    "v2": ["-march=x86-64-v2"],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}
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


def module_name(source):
    """The dotted name of a file below src."""
    return ".".join(source.with_suffix("").parts[1:])


def extensions():
    """Cythonize each .pyx once. A module that Python calls is one extension. One of kernels is one
    for each precision and level, from a C file of its own, since object files are named after
    their source and would be mixed otherwise."""
    sources = sorted(CORE.rglob("*.pyx"))
    include = [str(CORE / "simd"), numpy.get_include()]
    built = cythonize(
        [Extension(module_name(s), [str(s)], include_dirs=include) for s in sources],
        build_dir="build/cython",
        include_path=["src"],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "freethreading_compatible": True,
        },
        nthreads=0,
    )
    for module in built:
        stem = module.name.rpartition(".")[2]
        if not stem.endswith("_kernels"):
            module.define_macros = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]
            module.extra_compile_args = ["-O1", "-g0"]  # checks of arguments: nothing is hot
            yield module
            continue
        for level, march in levels().items():
            for precision, double in PRECISIONS.items():
                folder = Path("build", "cython", f"{level}_{precision}")
                folder.mkdir(parents=True, exist_ok=True)
                yield Extension(
                    f"fastsoftmax._core.{level}_{precision}.{stem}",
                    [shutil.copy2(module.sources[0], folder)],
                    include_dirs=[str(CORE / "simd")],  # not NumPy's: kernels see no Python object
                    depends=[str(CORE / "simd/simd.h")],
                    define_macros=[
                        ("FS_DOUBLE", str(double)),
                        # else it overrides the kernels' own say on inlining (simd.h)
                        ("CYTHON_INLINE", ""),
                    ],
                    extra_compile_args=[*FLAGS, *march],
                )


class BuildExt(build_ext):
    """build_ext that probes OpenMP with the compiler in use and compiles in parallel."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = int(os.environ.get("FASTSOFTMAX_BUILD_JOBS", os.cpu_count() or 1))

    def build_extensions(self):
        compile_flags, link_flags = openmp_flags(self.compiler)
        for extension in self.extensions:
            extension.extra_compile_args += compile_flags
            extension.extra_link_args += link_flags
        super().build_extensions()

    def copy_extensions_to_source(self):
        """In place: setuptools expects the folders of the levels, in which no source lies."""
        for extension in self.extensions:
            Path("src", *extension.name.split(".")).parent.mkdir(exist_ok=True)
        super().copy_extensions_to_source()


setup(ext_modules=list(extensions()), cmdclass={"build_ext": BuildExt})
