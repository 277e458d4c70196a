/* Preloaded, lets one allocation fail of those that a shared object asks for itself.
 *
 * Who asks is told by the return address. glibc's own functions stand behind: it exports them under
 * these names, so that none has to be looked up while memory is asked for.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

#define MOST 256
static struct { ElfW(Addr) start, end; } watched[MOST];
static int n_watched;
static atomic_long asked, failing;

static int add(struct dl_phdr_info *object, size_t size, void *owner) {
    if (strstr(object->dlpi_name, owner) == NULL)
        return 0;
    for (int i = 0; i < object->dlpi_phnum && n_watched < MOST; i++)
        if (object->dlpi_phdr[i].p_type == PT_LOAD && object->dlpi_phdr[i].p_flags & PF_X) {
            watched[n_watched].start = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
            watched[n_watched].end = watched[n_watched].start + object->dlpi_phdr[i].p_memsz;
            n_watched++;
        }
    return 0;
}

/* Watch the loaded objects whose path contains `owner`, and no others; how many. */
int failing_malloc_watch(const char *owner) {
    n_watched = 0;
    dl_iterate_phdr(add, (void *)owner);
    return n_watched;
}

/* Let the allocation of this number fail, 0 none; how many there were since the last call. */
long failing_malloc_arm(long number) {
    atomic_store(&failing, number);
    return atomic_exchange(&asked, 0);
}

static int fails(const void *caller) {
    ElfW(Addr) at = (ElfW(Addr))caller;
    for (int i = 0; i < n_watched; i++)
        if (at >= watched[i].start && at < watched[i].end)
            return atomic_fetch_add(&asked, 1) + 1 == atomic_load(&failing);
    return 0;
}

#define FAILS fails(__builtin_return_address(0))

void *malloc(size_t size) { return FAILS ? NULL : __libc_malloc(size); }

void *calloc(size_t n, size_t size) { return FAILS ? NULL : __libc_calloc(n, size); }

void *realloc(void *old, size_t size) { return FAILS ? NULL : __libc_realloc(old, size); }

void *aligned_alloc(size_t alignment, size_t size) {
    return FAILS ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *found = FAILS ? NULL : __libc_memalign(alignment, size);
    if (found == NULL)
        return ENOMEM;
    *out = found;
    return 0;
}
