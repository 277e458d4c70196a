/* Faults that a sanitizer has to report before its silence counts. */

#include <limits.h>

int planted_misaligned(const char *bytes) { return *(const int *)(bytes + 1); }

int planted_overflow(int more) { return INT_MAX + more; }

long planted_race(int times) {
    static volatile long count;
#pragma omp parallel num_threads(2)
    for (int i = 0; i < times; i++)
        count = count + 1;
    return count;
}
