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
    typedef cpu_set_t fs_places;
    static int fs_stay(int processor, fs_places *before) {
        fs_places one;
        if (processor < 0 || processor >= CPU_SETSIZE || processor != sched_getcpu())
            return 0;
        if (sched_getaffinity(0, sizeof(*before), before) != 0)
            return 0;
        CPU_ZERO(&one);
        CPU_SET(processor, &one);
        return sched_setaffinity(0, sizeof(one), &one) == 0;
    }
    static void fs_go(const fs_places *before) { sched_setaffinity(0, sizeof(*before), before); }
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
    typedef int fs_places;
    static int fs_stay(int processor, fs_places *before) { return 0; }
    static void fs_go(const fs_places *before) {}
    static int fs_processors(void) { return 0; }
    static int fs_waited(int thread, double *seconds, double *times) { return 0; }
    #endif

    #if defined(_MSC_VER)
    static __declspec(thread) int fs_avoided = -1;
    #else
    static __thread int fs_avoided = -1;
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
    ctypedef struct fs_places:
        pass

    int fs_avoided
    int fs_processor()
    int fs_stay(int processor, fs_places *before) nogil
    void fs_go(const fs_places *before) nogil
    int fs_processors()
    int fs_waited(int thread, double *seconds, double *times)
    double fs_turn()


def processor():
    """The number of the processor that this thread runs on; -1 where the system does not tell."""
    return fs_processor()


def avoid(int processor):
    """The other threads of this one's team keep off this processor, and have no other to give way to;
    -1: that is not so of any."""
    global fs_avoided
    fs_avoided = processor


cdef class staying:
    """`with staying(n_threads):` this thread does not leave the processor that its team keeps off.

    The thread that arrives last at a barrier wakes this one, and Linux tends to wake it where that
    one runs: which may not go elsewhere, and from then on both would share a processor.
    """

    cdef fs_places before
    cdef bint stays
    cdef int n_threads

    def __cinit__(self, int n_threads):
        self.n_threads = n_threads

    def __enter__(self):
        self.stays = self.n_threads > 1 and fs_stay(fs_avoided, &self.before)

    def __exit__(self, *_):
        if self.stays:
            fs_go(&self.before)


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
