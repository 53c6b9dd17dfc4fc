/* A disk that fails: the n-th write, fsync, rename or open below a folder, and where it is full every later write, too.

   Preloaded, and armed by the process that is to suffer. What does it is counted, so that a sweep knows its end.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE, SYNC, RENAME, OPEN, KINDS };
static char below[PATH_MAX];
static int kind = -1, nth, number, lasting, seen[KINDS];

void fault_arm(int which, int at, int code, int lasts, const char *folder) {
    strncpy(below, folder, sizeof below - 1);
    nth = at, number = code, lasting = lasts, kind = which;
}

int fault_seen(int which) { return seen[which]; }

static int hit(int which, const char *path) {
    if (!below[0] || strncmp(path, below, strlen(below))) return 0;
    int count = __atomic_add_fetch(&seen[which], 1, __ATOMIC_SEQ_CST);
    if (which != kind || !(count == nth || (lasting && nth && count > nth))) return 0;
    errno = number;
    return 1;
}

static int hit_fd(int which, int fd) {
    char link[40], path[PATH_MAX];
    if (!below[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return hit(which, path);
}

#define INNER(name) static __typeof__(name) *inner; if (!inner) inner = dlsym(RTLD_NEXT, #name)

#define WRITES(name, given, passed) ssize_t name given { INNER(name); return hit_fd(WRITE, fd) ? -1 : inner passed; }
WRITES(write, (int fd, const void *text, size_t size), (fd, text, size))
WRITES(pwrite, (int fd, const void *text, size_t size, off_t place), (fd, text, size, place))
WRITES(pwrite64, (int fd, const void *text, size_t size, off64_t place), (fd, text, size, place))
WRITES(writev, (int fd, const struct iovec *texts, int count), (fd, texts, count))
WRITES(pwritev, (int fd, const struct iovec *texts, int count, off_t place), (fd, texts, count, place))
WRITES(pwritev64, (int fd, const struct iovec *texts, int count, off64_t place), (fd, texts, count, place))
WRITES(copy_file_range, (int from, off64_t *a, int fd, off64_t *b, size_t size, unsigned flags), (from, a, fd, b, size, flags))

ssize_t sendfile(int fd, int from, off_t *place, size_t size) {
    static ssize_t (*inner)(int, int, off_t *, size_t);
    if (!inner) inner = dlsym(RTLD_NEXT, "sendfile");
    return hit_fd(WRITE, fd) ? -1 : inner(fd, from, place, size);
}

int fsync(int fd) { INNER(fsync); return hit_fd(SYNC, fd) ? -1 : inner(fd); }
int fdatasync(int fd) { INNER(fdatasync); return hit_fd(SYNC, fd) ? -1 : inner(fd); }

int rename(const char *from, const char *to) { INNER(rename); return hit(RENAME, to) ? -1 : inner(from, to); }
int link(const char *from, const char *to) { INNER(link); return hit(RENAME, to) ? -1 : inner(from, to); }

#define MODE(flags) \
    va_list more; va_start(more, flags); \
    int mode = (flags) & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; va_end(more)
#define OPENS(name) int name(const char *path, int flags, ...) { \
    INNER(name); MODE(flags); return hit(OPEN, path) ? -1 : inner(path, flags, mode); }
#define OPENS_AT(name) int name(int folder, const char *path, int flags, ...) { \
    INNER(name); MODE(flags); return hit(OPEN, path) ? -1 : inner(folder, path, flags, mode); }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

FILE *fopen(const char *path, const char *mode) { INNER(fopen); return hit(OPEN, path) ? NULL : inner(path, mode); }
FILE *fopen64(const char *path, const char *mode) { INNER(fopen64); return hit(OPEN, path) ? NULL : inner(path, mode); }
