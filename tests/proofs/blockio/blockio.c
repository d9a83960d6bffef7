/*
 * Random work on a block device with everything checked, and figures; static, for an initial RAM disk.
 *   blockio verify DEVICE SEED OPS DEPTH JOBS DISCARD   random writes, reads, zeroing, discards (0 or 1) and flushes by several processes, each
 *                                                 with DEPTH requests under way; then fills the device with the content that SEED stands for
 *   blockio expect FILE SEED                      writes that content to a file of the device's size
 *   blockio bench DEVICE read|write random|sequential BYTES DEPTH SECONDS    prints "operations/s bytes/s"
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLOT = 4096, MOST_SLOTS = 64, MOST_DEPTH = 64 };
enum { WRITE, READ, ZERO, DISCARD, FLUSH };

struct request {
    struct iocb io;
    unsigned char *data;
    uint32_t slot, count, op;
    int kind, busy;
};

static const char *name;
static uint32_t seed;
static uint64_t slots;

static void fail(const char *what)
{
    printf("blockio: %s %s: %s\n", name, what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

static void *need(void *p) { return p ? p : (fail("memory"), p); }

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static void fill(unsigned char *block, uint32_t op, uint32_t slot)
{
    uint32_t *words = (uint32_t *)block, value = mix(seed ^ mix(op) ^ slot);
    words[0] = op;
    words[1] = slot;
    for (int i = 2; i < SLOT / 4; i++) words[i] = value += 0x9e3779b9u;
}

static int is_zero(const unsigned char *block) { return block[0] == 0 && memcmp(block, block + 1, SLOT - 1) == 0; }

static uint64_t size_of(int fd)
{
    struct stat s;
    uint64_t bytes = 0;
    if (fstat(fd, &s)) fail("size");
    if (S_ISBLK(s.st_mode) ? ioctl(fd, BLKGETSIZE64, &bytes) : (bytes = s.st_size, 0)) fail("size");
    return bytes;
}

static int open_it(int flags)
{
    int fd = open(name, flags);
    if (fd < 0) fail("open");
    slots = size_of(fd) / SLOT;
    return fd;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void submit(aio_context_t context, struct request *r, int fd, int is_write, uint64_t offset, uint32_t bytes)
{
    struct iocb *io = &r->io;
    memset(io, 0, sizeof *io);
    io->aio_fildes = fd;
    io->aio_lio_opcode = is_write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    io->aio_buf = (uint64_t)(uintptr_t)r->data;
    io->aio_nbytes = bytes;
    io->aio_offset = offset;
    io->aio_data = (uint64_t)(uintptr_t)r;
    r->busy = 1;
    if (syscall(SYS_io_submit, context, 1, &io) != 1) fail("submit");
}

static struct request *collect(aio_context_t context, uint32_t bytes)
{
    struct io_event event;
    if (syscall(SYS_io_getevents, context, 1, 1, &event, NULL) != 1) fail("events");
    struct request *r = (struct request *)(uintptr_t)event.data;
    if (event.res != (int64_t)(bytes ? bytes : r->count * SLOT)) {
        errno = event.res < 0 ? -(int)event.res : EIO;
        fail("request");
    }
    r->busy = 0;
    return r;
}

static struct request *make_requests(int depth, uint32_t bytes, aio_context_t *context)
{
    struct request *all = need(calloc(depth, sizeof *all));
    for (int i = 0; i < depth; i++) all[i].data = need(aligned_alloc(4096, bytes));
    *context = 0;
    if (syscall(SYS_io_setup, depth, context)) fail("setup");
    return all;
}

/* held: the operation whose block a slot holds, 0 for zeros, ~0 for unknown (discarded); busy while a request is under way. */
static void check(struct request *r, uint32_t *held)
{
    static unsigned char expected[SLOT];
    for (uint32_t i = 0; i < r->count; i++) {
        unsigned char *block = r->data + i * SLOT;
        uint32_t slot = r->slot + i;
        if (held[slot] == ~0u) {
            /* After a discard: zeros or whatever was there, but the same from now on. */
            continue;
        }
        if (held[slot] == 0 ? is_zero(block) : (fill(expected, held[slot], slot), memcmp(expected, block, SLOT) == 0)) continue;
        printf("blockio: slot %u of operation %u holds something else: %08x %08x\n", slot, held[slot], ((uint32_t *)block)[0], ((uint32_t *)block)[1]);
        errno = EILSEQ;
        fail("verify");
    }
}

/* One process: slots in stripes of its own, so that it knows what they hold, between those of the others. */
static void churn(int job, int jobs, uint32_t ops, int depth, int may_discard)
{
    int fd = open_it(O_RDWR | O_DIRECT);
    uint32_t stripes = slots / MOST_SLOTS / jobs;
    uint32_t *held = need(malloc(slots * 4));
    unsigned char *busy = need(calloc(slots, 1));
    aio_context_t context;
    struct request *all = make_requests(depth, MOST_SLOTS * SLOT, &context);
    int under_way = 0;
    memset(held, 0xff, slots * 4);
    for (uint32_t op = 1; op <= ops; op++) {
        uint32_t h = mix(seed * 31 + job + mix(op)), count = (h & 7) == 0 ? 1 + (h >> 20) % 32 : 1;
        uint32_t slot = (mix(h) % stripes * jobs + job) * MOST_SLOTS + (h >> 8) % (MOST_SLOTS - count + 1);
        int kind = (h >> 4 & 15) < 8 ? WRITE : (h >> 4 & 15) < 13 ? READ : (h >> 4 & 15) == 13 ? ZERO : (h >> 4 & 15) == 14 && may_discard ? DISCARD : FLUSH;
        struct request *r = NULL;
        for (;;) {
            int conflict = 0;
            for (uint32_t i = 0; i < count; i++) conflict |= busy[slot + i];
            for (int i = 0; i < depth && !r; i++)
                if (!all[i].busy) r = &all[i];
            if (r && !conflict) break;
            r = collect(context, 0);
            under_way--;
            memset(busy + r->slot, 0, r->count);
            if (r->kind == READ) check(r, held);
            r = NULL;
        }
        uint64_t range[2] = { (uint64_t)slot * SLOT, (uint64_t)count * SLOT };
        switch (kind) {
        case FLUSH:
            if ((h >> 28) == 0 && fdatasync(fd)) fail("flush");
            continue;
        case ZERO:
            if (ioctl(fd, BLKZEROOUT, range)) fail("zero");
            memset(held + slot, 0, count * 4);
            continue;
        case DISCARD:
            if (ioctl(fd, BLKDISCARD, range)) fail("discard");
            for (uint32_t i = 0; i < count; i++) held[slot + i] = ~0u;
            continue;
        }
        (r->op = op, r->slot = slot, r->count = count, r->kind = kind);
        memset(busy + slot, 1, count);
        for (uint32_t i = 0; i < count && kind == WRITE; i++) {
            fill(r->data + i * SLOT, op, slot + i);
            held[slot + i] = op;
        }
        submit(context, r, fd, kind == WRITE, (uint64_t)slot * SLOT, count * SLOT);
        under_way++;
    }
    for (; under_way; under_way--) {
        struct request *r = collect(context, 0);
        if (r->kind == READ) check(r, held);
    }
    if (fsync(fd)) fail("flush");
    for (uint32_t slot = 0; slot < slots; slot++) {
        if (held[slot] == ~0u) continue;
        (all->slot = slot, all->count = 1);
        if (pread(fd, all->data, SLOT, (uint64_t)slot * SLOT) != SLOT) fail("read");
        check(all, held);
    }
    _exit(0);
}

/* The content at the end: most slots a block, some zeros, in runs. */
static void final(int fd, int is_device, int may_discard)
{
    unsigned char *data = need(aligned_alloc(4096, MOST_SLOTS * SLOT));
    for (uint64_t slot = 0; slot < slots; slot += MOST_SLOTS) {
        uint32_t count = slots - slot < MOST_SLOTS ? slots - slot : MOST_SLOTS;
        uint64_t range[2] = { slot * SLOT, (uint64_t)count * SLOT };
        memset(data, 0, count * SLOT);
        if (mix(seed + slot) % 4 == 0) {
            if (!is_device) continue;
            if (may_discard && ioctl(fd, BLKDISCARD, range)) fail("discard");
            if (ioctl(fd, BLKZEROOUT, range)) fail("zero");
            continue;
        }
        for (uint32_t i = 0; i < count; i++)
            if (mix(seed ^ (slot + i)) % 3) fill(data + i * SLOT, 0x80000000u, slot + i);
        if (pwrite(fd, data, count * SLOT, slot * SLOT) != (ssize_t)(count * SLOT)) fail("write");
    }
    if (fsync(fd)) fail("flush");
}

static void verify(uint32_t ops, int depth, int jobs, int may_discard)
{
    int fd = open_it(O_RDWR | O_DIRECT), status;
    for (int job = 0; job < jobs; job++) {
        pid_t child = fork();
        if (child == 0) churn(job, jobs, ops, depth, may_discard);
        if (child < 0) fail("fork");
    }
    while (wait(&status) > 0)
        if (status) _exit(1);
    final(fd, 1, may_discard);
    printf("blockio: verified %u operations of %d jobs\n", ops, jobs);
}

static void bench(int is_write, int is_random, uint32_t bytes, int depth, double seconds)
{
    int fd = open_it(O_RDWR | O_DIRECT);
    uint64_t places = slots * SLOT / bytes, begun = 0, ended = 0;
    aio_context_t context;
    struct request *all = make_requests(depth, bytes, &context);
    for (int i = 0; i < depth; i++) memset(all[i].data, i + 1, bytes);
    double start = now(), end = start + seconds;
    for (int i = 0; i < depth; i++, begun++) submit(context, &all[i], fd, is_write, (is_random ? mix(begun) : begun) % places * bytes, bytes);
    for (;;) {
        struct request *r = collect(context, bytes);
        ended++;
        if ((ended & 15) == 0 && now() > end) break;
        submit(context, r, fd, is_write, (is_random ? mix(begun) : begun) % places * bytes, bytes);
        begun++;
    }
    double passed = now() - start;
    printf("blockio: %.0f operations/s %.0f bytes/s\n", ended / passed, ended * (double)bytes / passed);
    fflush(stdout);
    while (++ended < begun) collect(context, bytes);
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    name = argv[2];
    if (!strcmp(argv[1], "verify") && argc == 8) {
        seed = atoi(argv[3]);
        verify(atoi(argv[4]), atoi(argv[5]), atoi(argv[6]), atoi(argv[7]));
    } else if (!strcmp(argv[1], "expect")) {
        seed = atoi(argv[3]);
        final(open_it(O_RDWR), 0, 0);
    } else if (!strcmp(argv[1], "bench") && argc == 8) {
        bench(!strcmp(argv[3], "write"), !strcmp(argv[4], "random"), atoi(argv[5]), atoi(argv[6]), atof(argv[7]));
    } else {
        return 2;
    }
    return 0;
}
