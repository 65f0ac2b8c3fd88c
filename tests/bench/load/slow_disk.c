/* A disk on which fsync and fdatasync take MS milliseconds longer, and every third time four times as long, as they do on
 * shared disks. Preload it: SLOW_DISK_MS=5 LD_PRELOAD=slow_disk.so COMMAND. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static int slowly(const char *name, int fd) {
    static atomic_long calls;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *text = getenv("SLOW_DISK_MS");
    long micros = (text ? atol(text) : 5) * 1000;
    if ((atomic_fetch_add(&calls, 1) + 1) % 3 == 0) micros *= 4;
    struct timespec span = {micros / 1000000, micros % 1000000 * 1000};
    nanosleep(&span, NULL);
    return real(fd);
}

int fdatasync(int fd) { return slowly("fdatasync", fd); }
int fsync(int fd) { return slowly("fsync", fd); }
