/* A disk that fails: what is written below FAIL_BELOW goes well for FAIL_AFTER bytes, then EIO.
   With FAIL_SYNC=1 all is taken, and fsync tells of it. Loaded by LD_PRELOAD (test_faults.py). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long written;

static int is_below(int fd) {
    char link[64], path[4096];
    const char *below = getenv("FAIL_BELOW");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (!below || n < 0) return 0;
    path[n] = 0;
    return strncmp(path, below, strlen(below)) == 0;
}

static int fails(int fd, size_t count) {
    if (getenv("FAIL_SYNC") || !is_below(fd)) return 0;
    written += count;
    if (written <= atol(getenv("FAIL_AFTER"))) return 0;
    errno = EIO;
    return 1;
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *data, size_t count) {
    if (fails(fd, count)) return -1;
    return REAL("write", ssize_t (*)(int, const void *, size_t))(fd, data, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t total = 0;
    for (int k = 0; k < count; k++) total += parts[k].iov_len;
    if (fails(fd, total)) return -1;
    return REAL("writev", ssize_t (*)(int, const struct iovec *, int))(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    if (fails(fd, count)) return -1;
    return REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t))(fd, data, count, at);
}

size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
    if (fails(fileno(file), size * count)) return 0;
    return REAL("fwrite", size_t (*)(const void *, size_t, size_t, FILE *))(data, size, count, file);
}

int fsync(int fd) {
    if (getenv("FAIL_SYNC") && is_below(fd)) {
        errno = EIO;
        return -1;
    }
    return REAL("fsync", int (*)(int))(fd);
}
