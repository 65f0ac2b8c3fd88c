// A neighbour on a core: walks 16 MiB of memory in no order, and never waits. neighbour CPU SECONDS
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CELLS = (16 << 20) / sizeof(uint64_t), STEPS = 100000 };

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: neighbour CPU SECONDS\n");
        return 64;
    }
    cpu_set_t core;
    CPU_ZERO(&core);
    CPU_SET(atoi(argv[1]), &core);
    if (sched_setaffinity(0, sizeof core, &core) != 0) {
        perror("neighbour: sched_setaffinity");
        return 71;
    }
    uint64_t *cells = calloc(CELLS, sizeof *cells), at = 88172645463325252ull;
    if (cells == NULL) {
        perror("neighbour: calloc");
        return 71;
    }
    time_t end = time(NULL) + atoi(argv[2]);
    while (time(NULL) < end) {
        for (int step = 0; step < STEPS; step++) {
            at ^= at << 13;
            at ^= at >> 7;
            at ^= at << 17;
            cells[at % CELLS]++;
        }
    }
    printf("%llu\n", (unsigned long long)cells[0]);
    return 0;
}
