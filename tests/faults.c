/* A disk that fails: the n-th write, fsync, rename or open below a folder, and where it is full every later write, too.

   Preloaded, and armed by the process that is to suffer. What does it is counted, so that a sweep knows its end.

   Or the power that goes: the process dies at that moment, and what was on the disk is in a record beside it. At
   each sync of a file what it holds, at each sync of a folder which names it has, by the numbers of inodes; a
   descriptor that stays open keeps a number from being given anew.
*/
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE, SYNC, RENAME, OPEN, KINDS };
static char below[PATH_MAX], record[PATH_MAX];
static int kind = -1, nth, number, lasting, seen[KINDS];
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;

void fault_arm(int which, int at, int code, int lasts, const char *folder) {
    strncpy(below, folder, sizeof below - 1);
    nth = at, number = code, lasting = lasts, kind = which;
}

void fault_record(const char *folder) { strncpy(record, folder, sizeof record - 1); }

int fault_seen(int which) { return seen[which]; }

static int hit(int which, const char *path) {
    if (!below[0] || strncmp(path, below, strlen(below))) return 0;
    int count = __atomic_add_fetch(&seen[which], 1, __ATOMIC_SEQ_CST);
    if (which != kind || !(count == nth || (lasting && nth && count > nth))) return 0;
    if (record[0]) raise(SIGKILL);
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

/* Keep a number from being given anew, for as long as the process lives. */
static void hold(int folder, const char *name, unsigned long long inode) {
    static unsigned long long held[1 << 14];
    static int count;
    for (int at = 0; at < count; at++)
        if (held[at] == inode) return;
    if (count < 1 << 14 && openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) >= 0) held[count++] = inode;
}

static void write_names(int folder, FILE *kept) {
    DIR *names = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY));
    for (struct dirent *each; names && (each = readdir(names));)
        if (strcmp(each->d_name, ".") && strcmp(each->d_name, "..")) {
            hold(folder, each->d_name, each->d_ino);
            fprintf(kept, "%llu %s\n", (unsigned long long)each->d_ino, each->d_name);
        }
    if (names) closedir(names);
}

static void write_content(int fd, FILE *kept) {
    static char part[1 << 16];
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int from = openat(AT_FDCWD, path, O_RDONLY);
    for (ssize_t size; from >= 0 && (size = read(from, part, sizeof part)) > 0;) fwrite(part, 1, size, kept);
    if (from >= 0) close(from);
}

/* What is on the disk now, after a sync. */
static int recorded(int fd) {
    struct stat is;
    char path[PATH_MAX + 40], draft[PATH_MAX + 48], link[40], held[PATH_MAX];
    if (!record[0] || fstat(fd, &is)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, held, sizeof held - 1);
    if (length < 0 || strncmp(held, below, strlen(below))) return 0;
    pthread_mutex_lock(&recording);
    snprintf(path, sizeof path, "%s/%llu", record, (unsigned long long)is.st_ino);
    snprintf(draft, sizeof draft, "%s.draft", path);
    hold(AT_FDCWD, held, is.st_ino);
    FILE *kept = fopen(draft, "w");
    S_ISDIR(is.st_mode) ? write_names(fd, kept) : write_content(fd, kept);
    fclose(kept);
    renameat(AT_FDCWD, draft, AT_FDCWD, path);
    pthread_mutex_unlock(&recording);
    return 0;
}

int fsync(int fd) { INNER(fsync); return hit_fd(SYNC, fd) || inner(fd) ? -1 : recorded(fd); }
int fdatasync(int fd) { INNER(fdatasync); return hit_fd(SYNC, fd) || inner(fd) ? -1 : recorded(fd); }

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
