/*
 * A guest of a few pages that drives a virtio disk itself (PVH entry, 32-bit, no paging, no interrupts; virtio 1.2 over PCI). Its work
 * follows from a seed, so that a program on the host knows what must be on the disk. Options on the kernel's command line:
 *   work=churn  seed=N first=N slots=N [ops=N]   writes, zeroing and flushes without end, or so many; "F n": all up to n is flushed
 *   work=bench  ops=N bytes=N depth=N [write=1] [sequential=1] [slots=N]   prints BEGIN, then END
 * All numbers are hexadecimal.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SLOT 4096u
#define RING 128u
#define REQUESTS 32u
#define MOST_BYTES 0x100000u
#define CHURN_REQUESTS 16u
#define FLUSH_EVERY 32u
#define MOST_AHEAD 1024u

struct descriptor { u64 address; u32 length; u16 flags, next; };
struct { u16 flags, index, ring[RING], event; } available __attribute__((aligned(4096)));
struct { u16 flags, index; struct { u32 id, length; } ring[RING]; u16 event; } used __attribute__((aligned(4096)));
struct descriptor descriptors[RING] __attribute__((aligned(4096)));
static struct request {
    struct { u32 type, reserved; u64 sector; } header;
    struct { u64 sector; u32 sectors, flags; } range;
    volatile u8 status;
    u8 busy, kind;
    u32 op, slot, count;
} requests[REQUESTS];
static u8 data[REQUESTS][16 * SLOT] __attribute__((aligned(4096)));
static u8 large[MOST_BYTES * 2] __attribute__((aligned(4096)));
static u8 slot_busy[1 << 20];

static volatile u8 *common, *notify, *device;
static u32 notify_step, notify_queue;
static u16 next_available, seen;
static u32 in_flight;

static inline void out8(u16 port, u8 v) { __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port)); }
static inline void out16(u16 port, u16 v) { __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port)); }
static inline void out32(u16 port, u32 v) { __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port)); }
static inline u32 in32(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static void print(const char *s) { while (*s) out8(0x3f8, (u8)*s++); }
static void print_hex(u32 v)
{
    for (int shift = 28; shift >= 0; shift -= 4) out8(0x3f8, (u8)"0123456789abcdef"[v >> shift & 15]);
}
static void power_off(void) { for (;;) out16(0x604, 0x3400); }
static void fail(const char *why) { print("FAILED "); print(why); print("\n"); power_off(); }
static u32 config(u32 slot, u32 at) { out32(0xcf8, 0x80000000u | slot << 11 | (at & ~3u)); return in32(0xcfc) >> (at & 3) * 8; }
static void set_config(u32 slot, u32 at, u32 v) { out32(0xcf8, 0x80000000u | slot << 11 | at); out32(0xcfc, v); }

static volatile u8 *bar(u32 slot, u32 n)
{
    u32 low = config(slot, 0x10 + n * 4);
    if ((low & 6) == 4 && config(slot, 0x14 + n * 4) != 0) fail("a BAR above 4 GiB");
    return (volatile u8 *)(low & ~15u);
}

static void find_disk(void)
{
    for (u32 slot = 0; slot < 32; slot++) {
        if (config(slot, 0) != 0x10421af4u) continue;
        set_config(slot, 4, 6);
        for (u32 at = config(slot, 0x34) & 0xff; at; at = config(slot, at + 1) & 0xff) {
            if ((config(slot, at) & 0xff) != 9) continue;
            volatile u8 *place = bar(slot, config(slot, at + 4) & 0xff) + config(slot, at + 8);
            switch (config(slot, at + 3) & 0xff) {
            case 1: common = place; break;
            case 2: notify = place; notify_step = config(slot, at + 16); break;
            case 4: device = place; break;
            }
        }
        if (common && notify && device) return;
    }
    fail("there is no disk");
}

#define COMMON8(at) (*(volatile u8 *)(common + (at)))
#define COMMON16(at) (*(volatile u16 *)(common + (at)))
#define COMMON32(at) (*(volatile u32 *)(common + (at)))

static void start_disk(void)
{
    COMMON8(20) = 0;
    while (COMMON8(20)) { }
    COMMON8(20) = 1;
    COMMON8(20) = 3;
    COMMON32(0) = 0;
    u32 wanted = COMMON32(4) & (1u << 9 | 1u << 14 | 1u << 29);
    COMMON32(8) = 0;
    COMMON32(12) = wanted;
    COMMON32(8) = 1;
    COMMON32(12) = 1;
    COMMON8(20) = 11;
    if (!(COMMON8(20) & 8)) fail("the features are refused");
    COMMON16(22) = 0;
    COMMON16(24) = RING;
    if (COMMON16(24) != RING) fail("the queue is too small");
    u32 addresses[] = { (u32)descriptors, (u32)&available, (u32)&used };
    for (int i = 0; i < 3; i++) {
        COMMON32(32 + 8 * i) = addresses[i];
        COMMON32(36 + 8 * i) = 0;
    }
    notify_queue = COMMON16(30) * notify_step;
    COMMON16(28) = 1;
    COMMON8(20) = 15;
    available.event = 0xffff;
    available.flags = 1;
}

static void submit(u32 n, u32 type, u64 sector, void *bytes, u32 count, int is_read)
{
    struct request *r = &requests[n];
    u32 d = n * 3;
    r->header.type = type;
    r->header.sector = sector;
    r->status = 0xff;
    r->busy = 1;
    descriptors[d] = (struct descriptor){ (u32)&r->header, 16, 1, (u16)(d + (count ? 1 : 2)) };
    if (count) descriptors[d + 1] = (struct descriptor){ (u32)bytes, count, (u16)(is_read ? 3 : 1), (u16)(d + 2) };
    descriptors[d + 2] = (struct descriptor){ (u32)&r->status, 1, 2, 0 };
    available.ring[next_available % RING] = (u16)d;
    __asm__ volatile("" ::: "memory");
    *(volatile u16 *)&available.index = ++next_available;
    __asm__ volatile("lock; addl $0, (%%esp)" ::: "memory");
    in_flight++;
    if (*(volatile u16 *)&used.event == (u16)(next_available - 1)) *(volatile u16 *)(notify + notify_queue) = 0;
}

/* A request that has ended, or -1. */
static int take(void)
{
    if (*(volatile u16 *)&used.index == seen) return -1;
    __asm__ volatile("" ::: "memory");
    u32 n = used.ring[seen++ % RING].id / 3;
    if (requests[n].status) fail("a request");
    requests[n].busy = 0;
    in_flight--;
    return (int)n;
}

static u32 mix(u32 x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static void fill(u32 *block, u32 seed, u32 op, u32 slot)
{
    u32 value = mix(seed ^ mix(op) ^ slot);
    block[0] = 0x4b534944u;
    block[1] = seed;
    block[2] = op;
    block[3] = slot;
    for (u32 i = 4; i < SLOT / 4; i++) block[i] = value += 0x9e3779b9u;
}

static void churn(u32 seed, u32 first, u32 slots, u32 ops)
{
    u32 op = first, flushed = first - 1, flush_covers = 0, since = 0;
    int flushing = 0;
    for (;;) {
        int n = take();
        if (n >= 0) {
            struct request *r = &requests[n];
            if (n == CHURN_REQUESTS) {
                flushing = 0;
                flushed = flush_covers;
                print("F ");
                print_hex(flushed);
                print("\n");
                if (ops && flushed == first + ops - 1) power_off();
            } else {
                for (u32 i = 0; i < r->count; i++) slot_busy[r->slot + i] = 0;
            }
            continue;
        }
        if (!flushing && (since >= FLUSH_EVERY || (ops && op == first + ops))) {
            flush_covers = op - 1;
            for (u32 i = 0; i < CHURN_REQUESTS; i++)
                if (requests[i].busy && requests[i].op <= flush_covers) flush_covers = requests[i].op - 1;
            flushing = 1;
            since = 0;
            submit(CHURN_REQUESTS, 4, 0, 0, 0, 0);
        }
        if (op - flushed > MOST_AHEAD || (ops && op == first + ops)) continue;
        u32 h = mix(seed + mix(op)), count = (h & 7) == 1 ? 16 : 1, slot = (h >> 8) % (slots - 16), free = REQUESTS;
        for (u32 i = 0; i < CHURN_REQUESTS; i++)
            if (!requests[i].busy) free = i;
        for (u32 i = 0; i < count; i++)
            if (slot_busy[slot + i]) free = REQUESTS;
        if (free == REQUESTS) continue;
        struct request *r = &requests[free];
        r->op = op++;
        r->slot = slot;
        r->count = count;
        since++;
        for (u32 i = 0; i < count; i++) slot_busy[slot + i] = 1;
        if ((h & 7) == 0) {
            r->range.sector = (u64)slot * 8;
            r->range.sectors = count * 8;
            r->range.flags = h >> 7 & 1;
            submit(free, 13, 0, &r->range, 16, 0);
            continue;
        }
        for (u32 i = 0; i < count; i++) fill((u32 *)(data[free] + i * SLOT), seed, r->op, slot + i);
        submit(free, 1, (u64)slot * 8, data[free], count * SLOT, 0);
    }
}

static void bench(u32 ops, u32 bytes, u32 depth, u32 slots, int is_write, int is_sequential)
{
    u32 begun = 0, ended = 0, places = slots / (bytes / SLOT);
    if (depth > REQUESTS) depth = REQUESTS;
    print("BEGIN\n");
    while (ended < ops) {
        while (take() >= 0) ended++;
        if (begun == ops || in_flight >= depth) continue;
        for (u32 n = 0; n < depth; n++) {
            if (requests[n].busy) continue;
            u32 place = (is_sequential ? begun : mix(begun)) % places;
            u8 *memory = bytes > sizeof data[0] ? large + (n & 1) * MOST_BYTES : data[n];
            submit(n, (u32)is_write, (u64)place * (bytes / 512), memory, bytes, !is_write);
            begun++;
            break;
        }
    }
    print("END\n");
    power_off();
}

static u32 option(const char *line, const char *name, u32 otherwise)
{
    for (; *line; line++) {
        const char *n = name, *l = line;
        while (*n && *n == *l) n++, l++;
        if (*n || *l++ != '=') continue;
        u32 value = 0;
        for (;; l++) {
            if (*l >= '0' && *l <= '9') value = value * 16 + (u32)(*l - '0');
            else if (*l >= 'a' && *l <= 'f') value = value * 16 + (u32)(*l - 'a' + 10);
            else return value;
        }
    }
    return otherwise;
}

static int says(const char *line, const char *word)
{
    for (; *line; line++) {
        const char *n = word, *l = line;
        while (*n && *n == *l) n++, l++;
        if (!*n) return 1;
    }
    return 0;
}

void run(const u32 *start_info)
{
    const char *line = (const char *)start_info[6];
    find_disk();
    start_disk();
    u32 capacity = *(volatile u32 *)device / 8, slots = option(line, "slots", capacity);
    if (slots > capacity || slots > sizeof slot_busy) slots = capacity < sizeof slot_busy ? capacity : sizeof slot_busy;
    if (says(line, "work=bench"))
        bench(option(line, "ops", 1000), option(line, "bytes", SLOT), option(line, "depth", 1), slots, option(line, "write", 0) != 0, option(line, "sequential", 0) != 0);
    churn(option(line, "seed", 1), option(line, "first", 1), slots, option(line, "ops", 0));
}
