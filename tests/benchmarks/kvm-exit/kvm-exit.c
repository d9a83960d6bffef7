/* The shortest KVM exit loop in C: the yardstick for the C# one. A guest in 64-bit ring 0 writes to a port for ever. Prints thread CPU
 * nanoseconds for one exit and re-entry: median of the batches. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

enum { BATCHES = 41, EXITS = 500, MEMORY = 0x4000 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static uint64_t written;

static void port_out(uint16_t port, const uint8_t *data, int size)
{
    (void)port;
    (void)size;
    written += data[0];
}

static void (*volatile out_handler)(uint16_t, const uint8_t *, int) = port_out;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) fail("/dev/kvm");
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) fail("KVM_CREATE_VM");
    if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0) fail("KVM_CREATE_IRQCHIP");
    struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
    if (ioctl(vm, KVM_CREATE_PIT2, &pit) < 0) fail("KVM_CREATE_PIT2");
    uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    *(uint64_t *)(memory + 0x0000) = 0x1000 | 3;
    *(uint64_t *)(memory + 0x1000) = 0x2000 | 3;
    *(uint64_t *)(memory + 0x2000) = 0x83;
    static const uint8_t code[] = { 0xe6, 0x80, 0xeb, 0xfc }; /* again: out 0x80, al; jmp again */
    memcpy(memory + 0x3000, code, sizeof code);
    struct kvm_userspace_memory_region region = { .memory_size = MEMORY, .userspace_addr = (uintptr_t)memory };
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) fail("KVM_SET_USER_MEMORY_REGION");
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu < 0) fail("KVM_CREATE_VCPU");
    struct kvm_run *run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) fail("mmap vcpu");
    struct kvm_sregs s;
    if (ioctl(vcpu, KVM_GET_SREGS, &s) < 0) fail("KVM_GET_SREGS");
    struct kvm_segment data = { .limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    s.cs = (struct kvm_segment){ .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
    s.cr0 = 0x80000011;
    s.cr3 = 0;
    s.cr4 = 0x20;
    s.efer = 0x500;
    if (ioctl(vcpu, KVM_SET_SREGS, &s) < 0) fail("KVM_SET_SREGS");
    struct kvm_regs r = { .rip = 0x3000, .rflags = 2, .rax = 1 };
    if (ioctl(vcpu, KVM_SET_REGS, &r) < 0) fail("KVM_SET_REGS");

    double batch[BATCHES];
    for (int i = -1; i < BATCHES; i++) {
        double start = now_ns();
        for (int left = EXITS; left != 0; left--) {
            if (ioctl(vcpu, KVM_RUN, 0) < 0) fail("KVM_RUN");
            switch (run->exit_reason) {
            case KVM_EXIT_IO: {
                uint8_t *at = (uint8_t *)run + run->io.data_offset;
                for (uint32_t n = run->io.count; n != 0; n--, at += run->io.size) out_handler(run->io.port, at, run->io.size);
                break;
            }
            default:
                fprintf(stderr, "exit %u\n", run->exit_reason);
                return 1;
            }
        }
        if (i >= 0) batch[i] = (now_ns() - start) / EXITS;
    }
    if (written != (uint64_t)(BATCHES + 1) * EXITS) return 1;
    qsort(batch, BATCHES, sizeof *batch, compare);
    printf("%.0f\n", batch[BATCHES / 2]);
    return 0;
}
