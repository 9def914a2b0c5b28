/* Lets writes to the files of one folder fail, for every library of a process.
 *
 * Preloaded (LD_PRELOAD), it stands before libc's write, pwrite, writev, fwrite, fsync and fdatasync.
 * After arm_faults() the writes to files below the folder are counted; from the one on that was
 * asked for, they fail. Only Linux has the /proc/self/fd that it looks files up in.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NEVER = 0, NO_SPACE = 1, BROKEN = 2, SHORT = 3 };

static char folder[4096];
static atomic_int kind = NEVER;
static atomic_long first = 0;
static atomic_long last = 0;
static atomic_long writes = 0;
static atomic_long failed = 0;

/* Count from now on; the writes with the numbers first_write (from 1) to last_write fail. */
void arm_faults(const char *path, int how, long first_write, long last_write) {
    strncpy(folder, path, sizeof folder - 1);
    writes = 0;
    failed = 0;
    first = first_write;
    last = last_write;
    kind = how;
}

long counted_writes(void) { return writes; }
long failed_writes(void) { return failed; }

static int is_watched(int file) {
    char link[64], path[4096];
    if (kind == NEVER)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

/* Whether this write is to fail; a full disk takes half of the first one that it refuses. */
static int is_to_fail(int file, int *is_first) {
    if (!is_watched(file))
        return 0;
    long number = ++writes;
    if (number < first || number > last)
        return 0;
    *is_first = failed++ == 0;
    return kind;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Bytes that may still be written: all, half of them, or none with errno set. */
static ssize_t allowed(int file, size_t size) {
    int is_first = 0;
    int how = is_to_fail(file, &is_first);
    if (how == NEVER)
        return size;
    if (size > 1 && (how == SHORT || (how == NO_SPACE && is_first)))
        return size / 2;
    if (how == SHORT)
        return size;
    errno = how == NO_SPACE ? ENOSPC : EIO;
    return -1;
}

ssize_t write(int file, const void *bytes, size_t size) {
    REAL(write);
    ssize_t left = allowed(file, size);
    return left < 0 ? -1 : real(file, bytes, left);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
    REAL(pwrite);
    ssize_t left = allowed(file, size);
    return left < 0 ? -1 : real(file, bytes, left, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
    REAL(pwrite64);
    ssize_t left = allowed(file, size);
    return left < 0 ? -1 : real(file, bytes, left, at);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(writev);
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    ssize_t left = allowed(file, size);
    if (left < 0)
        return -1;
    if ((size_t)left == size)
        return real(file, parts, count);
    /* A part of the first piece that is not empty. */
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len)
            return write(file, parts[i].iov_base, (parts[i].iov_len + 1) / 2);
    return 0;
}

size_t fwrite(const void *items, size_t size, size_t count, FILE *stream) {
    REAL(fwrite);
    size_t whole = size * count;
    ssize_t left = whole ? allowed(fileno(stream), whole) : (ssize_t)whole;
    /* libc itself repeats a short write. */
    return left < 0 ? 0 : real(items, size, count, stream);
}

static int syncs(int file, int (*real)(int)) {
    int is_first = 0;
    if (kind == BROKEN && is_to_fail(file, &is_first)) {
        errno = EIO;
        return -1;
    }
    return real(file);
}

int fsync(int file) {
    REAL(fsync);
    return syncs(file, real);
}

int fdatasync(int file) {
    REAL(fdatasync);
    return syncs(file, real);
}
