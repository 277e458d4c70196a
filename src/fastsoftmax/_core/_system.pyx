"""What the system tells of threads and processors; it links no OpenMP, which may not be loaded yet."""

from libc.stdlib cimport getenv

cdef extern from *:
    """
    #if defined(__linux__)
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <fcntl.h>
    #include <sched.h>
    #include <stdio.h>
    #include <unistd.h>
    static int fs_processor(void) { return sched_getcpu(); }
    static int fs_processors(void) {
        cpu_set_t sets[64]; /* 65536 processors: the kernel refuses a set that is less than it has */
        return sched_getaffinity(0, sizeof(sets), sets) ? 0 : CPU_COUNT_S(sizeof(sets), sets);
    }
    static int fs_waited(int thread, double *seconds, double *times) {
        char path[64], text[96];
        unsigned long long ran, waited, slices;
        ssize_t length;
        int file;
        snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", thread);
        file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            return 0;
        length = read(file, text, sizeof(text) - 1);
        close(file);
        if (length <= 0)
            return 0;
        text[length] = 0;
        if (sscanf(text, "%llu %llu %llu", &ran, &waited, &slices) != 3)
            return 0;
        *seconds = 1e-9 * waited;
        *times = slices;
        return 1;
    }
    #else
    static int fs_processor(void) { return -1; }
    static int fs_processors(void) { return 0; }
    static int fs_waited(int thread, double *seconds, double *times) { return 0; }
    #endif

    #if defined(__linux__) && (defined(__x86_64__) || defined(__i386__))
    #include <time.h>
    #define FS_TURNS 256
    static double fs_turn(void) {
        struct timespec start, end;
        double least = 1, seconds;
        int i, again;
        for (again = 0; again < 4; again++) {
            clock_gettime(CLOCK_MONOTONIC, &start);
            for (i = 0; i < FS_TURNS; i++)
                __builtin_ia32_pause();
            clock_gettime(CLOCK_MONOTONIC, &end);
            seconds = (end.tv_sec - start.tv_sec) + 1e-9 * (end.tv_nsec - start.tv_nsec);
            if (seconds < least)
                least = seconds;
        }
        return least / FS_TURNS;
    }
    #else
    static double fs_turn(void) { return 0; }
    #endif
    """
    int fs_processor()
    int fs_processors()
    int fs_waited(int thread, double *seconds, double *times)
    double fs_turn()


def processor():
    """The number of the processor that this thread runs on; -1 where the system does not tell."""
    return fs_processor()


def processors():
    """How many processors this thread may run on; 0 where the system does not tell."""
    return fs_processors()


def threads_asked():
    """OMP_NUM_THREADS as it is now; empty where it is not set."""
    cdef const char *found = getenv("OMP_NUM_THREADS")
    return b"" if found is NULL else <bytes>found


def waited(int thread):
    """How long a thread of this process has waited for a processor, in seconds, and how often it got
    one; None where the system does not tell."""
    cdef double seconds, times
    return (seconds, times) if fs_waited(thread, &seconds, &times) else None


def turn():
    """Seconds that a turn of a loop that spins takes, the least of some tries; 0 where unknown."""
    return fs_turn()
