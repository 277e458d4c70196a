"""What this processor and this OpenMP can do; asked before any kernel is loaded."""

from libc.stdlib cimport calloc, free

cdef extern from "Python.h":
    object PyUnicode_DecodeFSDefault(const char *)

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    static int fs_openmp(void) { return _OPENMP; }
    static int fs_start_openmp(void) { return omp_get_max_threads(); }
    #else
    static int fs_openmp(void) { return 0; }
    static int fs_start_openmp(void) { return 1; }
    #endif

    #if defined(_OPENMP) && !defined(_WIN32)
    #include <dlfcn.h>
    static const char *fs_openmp_library(void) {
        Dl_info found;
        return dladdr((void *) omp_get_max_threads, &found) && found.dli_fname ? found.dli_fname : "";
    }
    #else
    static const char *fs_openmp_library(void) { return ""; }
    #endif

    #if defined(__linux__)
    #include <sys/syscall.h>
    #include <unistd.h>
    static int fs_thread(void) { return (int) syscall(SYS_gettid); }
    #else
    static int fs_thread(void) { return 0; }
    #endif

    #if defined(_OPENMP) && !defined(_WIN32)
    #include <pthread.h>
    #include <stdlib.h>
    static void *fs_wait(void *gate) {
        pthread_mutex_lock((pthread_mutex_t *) gate);
        pthread_mutex_unlock((pthread_mutex_t *) gate);
        return NULL;
    }
    static int fs_can_start(int n) {
        pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        pthread_t *threads = (pthread_t *) malloc(n * sizeof(pthread_t));
        int i, started = 0;
        if (!threads)
            return 0;
        pthread_mutex_lock(&gate);
        while (started < n && !pthread_create(&threads[started], NULL, fs_wait, &gate))
            started++;
        pthread_mutex_unlock(&gate);
        for (i = 0; i < started; i++)
            pthread_join(threads[i], NULL);
        free(threads);
        return started == n;
    }
    static int fs_start_team(int n, int *threads) {
        if (!fs_can_start(n - 1))
            return 0;
        #pragma omp parallel num_threads(n)
        threads[omp_get_thread_num()] = fs_thread();
        return 1;
    }
    #else
    static int fs_start_team(int n, int *threads) { return 1; }
    #endif

    #if defined(__clang__)
    #define FS_COMPILER __VERSION__
    #elif defined(__GNUC__)
    #define FS_COMPILER "GCC " __VERSION__
    #else
    #define FS_COMPILER "unknown compiler"
    #endif

    #if defined(__x86_64__)
    #define FS_HAS(feature) (__builtin_cpu_supports(feature) != 0)
    static int fs_v2(void) { return FS_HAS("sse4.2") && FS_HAS("popcnt") && FS_HAS("ssse3"); }
    static int fs_v3(void) {
        return fs_v2() && FS_HAS("avx2") && FS_HAS("fma") && FS_HAS("bmi") && FS_HAS("bmi2");
    }
    static int fs_v4(void) {
        return fs_v3() && FS_HAS("avx512f") && FS_HAS("avx512bw") && FS_HAS("avx512cd")
            && FS_HAS("avx512dq") && FS_HAS("avx512vl");
    }
    #else
    static int fs_v2(void) { return 0; }
    static int fs_v3(void) { return 0; }
    static int fs_v4(void) { return 0; }
    #endif

    #if defined(__x86_64__) && defined(__linux__)
    #include <cpuid.h>
    /* Whether the processor has matrix units for bfloat16 and converts to it, and Linux lets this
     * process use their tiles: ARCH_REQ_XCOMP_PERM asks for state 18. What is granted stays so. */
    static int fs_v4_amx(void) {
        unsigned a, b, c, d;
        return fs_v4() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 22 & 1 && d >> 24 & 1
            && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 5 & 1
            && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
    }
    #else
    static int fs_v4_amx(void) { return 0; }
    #endif
    """
    int fs_openmp()
    int fs_start_openmp()
    const char *fs_openmp_library()
    int fs_start_team(int n, int *threads) nogil
    const char *FS_COMPILER
    const char *FS_FLAGS
    int fs_v2()
    int fs_v3()
    int fs_v4()
    int fs_v4_amx()


def supports(str level):
    """Whether this processor runs code built for the level; the plain and native builds always."""
    of_level = {"v2": fs_v2, "v3": fs_v3, "v4": fs_v4, "v4_amx": fs_v4_amx, "v4_amx_emulated": fs_v4}
    return of_level[level]() != 0 if level[0] == "v" else True


def built_by():
    """The compiler, and the flags it had for the kernels of every level."""
    return FS_COMPILER.decode(errors="replace"), FS_FLAGS.decode(errors="replace")


def openmp_version():
    """The date of the OpenMP specification the build follows, as yyyymm; 0 without OpenMP."""
    return fs_openmp()


def start_openmp():
    """Have the OpenMP runtime read its environment variables, if it has not yet; its file's path."""
    fs_start_openmp()
    return PyUnicode_DecodeFSDefault(fs_openmp_library())


def start_team(int n):
    """Have OpenMP start n threads, n > 1; the system's numbers of those beside the caller, or None.

    The system is asked for n - 1 of them first, all at a time, since OpenMP ends the process where it
    is refused one. A number is 0 where the system has none.
    """
    cdef bint started
    cdef int *threads = <int *>calloc(n, sizeof(int))
    if threads == NULL:
        raise MemoryError
    try:
        with nogil:
            started = fs_start_team(n, threads) != 0
        return [threads[i] for i in range(1, n)] if started else None
    finally:
        free(threads)
