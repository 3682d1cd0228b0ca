/* What a soft TLB look-up costs against the host's own paging, and what that costs to keep up.
 *
 * Prints the figures that docs/design.md section 3.2 is decided by: an access through the soft
 * TLB's code, through code for a window of host memory in which guest pages are mapped, and plain;
 * and the price of entering a guest page in the window, of taking it out, of write-protecting 4 KB
 * of it, and of a fault that a signal handler answers.
 *
 *   cc -O2 -o /tmp/hostmmu bench/hostmmu.c && /tmp/hostmmu
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE       4096ul
#define RAM        (256ul << 20)
#define PER_REGION (1ul << 40)
#define WINDOW     (8 * PER_REGION)
#define ENTRIES    4096u
#define GUEST      0x6000000000100000ul /* where a guest's data is */

struct entry {
    uint64_t tag, write_tag, addend, pa;
};

static uint8_t *ram, *window;
static int ram_fd;
static struct entry tlb[ENTRIES];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void map(uint64_t offset, uint64_t page, uint64_t size, int prot)
{
    if (mmap(window + offset, size, prot, MAP_SHARED | MAP_FIXED, ram_fd, (off_t)page) ==
        MAP_FAILED)
        die("mmap");
}

/* --- accesses: sums of a byte, with the instructions the translator emits --- */

static uint64_t plain(uint64_t va, uint64_t addend)
{
    uint64_t v;

    __asm__ volatile("movzbl (%1,%2,1), %k0" : "=r"(v) : "r"(va), "r"(addend));
    return v;
}

static uint64_t soft(uint64_t va, const struct entry *t)
{
    uint64_t v;

    __asm__ volatile("mov %k1, %%eax\n\t"
                     "shr $7, %%eax\n\t"
                     "and $0x1ffe0, %%eax\n\t"
                     "mov %1, %%rcx\n\t"
                     "and $-4096, %%rcx\n\t"
                     "cmp (%2,%%rax,1), %%rcx\n\t"
                     "jne 1f\n\t"
                     "mov 16(%2,%%rax,1), %%rcx\n\t"
                     "movzbl (%%rcx,%1,1), %k0\n\t"
                     "1:"
                     : "=&r"(v)
                     : "r"(va), "r"(t)
                     : "rax", "rcx", "cc", "memory");
    return v;
}

/* No address of IA-64 fits the host's 47 bits: those whose bits 60 to 40 are 0 have a place in the
 * window, 1 TB for each region, and others go the slow way. */
static uint64_t through_window(uint64_t va, const uint64_t *region)
{
    uint64_t v;

    __asm__ volatile("mov %1, %%rcx\n\t"
                     "shl $3, %%rcx\n\t"
                     "shr $43, %%rcx\n\t"
                     "jne 1f\n\t"
                     "mov %1, %%rax\n\t"
                     "shr $61, %%rax\n\t"
                     "mov (%2,%%rax,8), %%rax\n\t"
                     "movzbl (%%rax,%1,1), %k0\n\t"
                     "1:"
                     : "=&r"(v)
                     : "r"(va), "r"(region)
                     : "rax", "rcx", "cc", "memory");
    return v;
}

/* The same with BMI2, and two more registers for constants. */
static uint64_t through_window_pext(uint64_t va, const uint8_t *w)
{
    uint64_t v;

    __asm__ volatile("test %1, %3\n\t"
                     "jne 1f\n\t"
                     "pext %4, %1, %%rcx\n\t"
                     "movzbl (%2,%%rcx,1), %k0\n\t"
                     "1:"
                     : "=&r"(v)
                     : "r"(va), "r"(w), "r"(0x1fffff0000000000ul), "r"(0xe00000fffffffffful)
                     : "rcx", "cc", "memory");
    return v;
}

#define ROUNDS 200000000u

#define MEASURE(name, call)                                                                        \
    do {                                                                                           \
        double start = now();                                                                      \
        uint64_t sum = 0;                                                                          \
                                                                                                   \
        for (uint32_t k = 0; k < ROUNDS; k++)                                                      \
            sum += call;                                                                           \
        printf("%-52s %7.2f ns (%lu)\n", name, (now() - start) / ROUNDS * 1e9, sum & 1);           \
    } while (0)

static void accesses(void)
{
    uint64_t addend = (uint64_t)ram - GUEST, region[8];

    for (uint64_t k = 0; k < 8; k++)
        region[k] = (uint64_t)window + k * PER_REGION - (k << 61);
    map((GUEST >> 61) * PER_REGION + (GUEST & (PER_REGION - 1)), 0, 16 * PAGE, PROT_READ);
    for (uint64_t k = 0; k < 16; k++) {
        uint64_t va = GUEST + k * PAGE;

        tlb[va >> 12 & (ENTRIES - 1)] = (struct entry){va, va, addend, 0};
    }
    MEASURE("plain load", plain(GUEST + (k & 0x1ff), addend));
    MEASURE("soft TLB load (9 instructions)", soft(GUEST + (k & 0x1ff), tlb));
    MEASURE("window load (8 instructions)", through_window(GUEST + (k & 0x1ff), region));
    if (__builtin_cpu_supports("bmi2"))
        MEASURE("window load with BMI2 (4 instructions)",
                through_window_pext(GUEST + (k & 0x1ff), window));
}

/* --- keeping the window --- */
static void mapping(const char *name, uint64_t size)
{
    enum { N = 10000 };
    double start = now(), took;

    for (uint64_t k = 0; k < N; k++) /* neighbours in the window, not in memory: nothing merges */
        map(k * size, (k * 7919 % N) * size % RAM, size, PROT_READ | PROT_WRITE);
    took = now() - start;
    printf("%-52s %7.2f us\n", name, took / N * 1e6);
    start = now();
    for (uint64_t k = 0; k < N; k++)
        (void)*(volatile uint8_t *)(window + k * size);
    printf("%-52s %7.2f us\n", "  its first use (minor fault in the host)",
           (now() - start) / N * 1e6);
    start = now();
    for (uint64_t k = 0; k < N; k++)
        if (mprotect(window + k * size, PAGE, PROT_READ))
            die("mprotect");
    printf("%-52s %7.2f us\n", "  write-protecting 4 KB of it", (now() - start) / N * 1e6);
    start = now();
    for (uint64_t k = 0; k < N; k++)
        if (mmap(window + k * size, size, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
            die("mmap");
    printf("%-52s %7.2f us\n", "  taking it out", (now() - start) / N * 1e6);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    uint64_t page = ((uint64_t)info->si_addr - (uint64_t)window) & ~(PAGE - 1);

    (void)sig, (void)context;
    map(page, page % RAM, PAGE, PROT_READ | PROT_WRITE);
}

static void faults(void)
{
    enum { N = 10000 };
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    double start;

    sigaction(SIGSEGV, &act, NULL);
    start = now();
    for (uint64_t k = 0; k < N; k++)
        (void)*(volatile uint8_t *)(window + (k * 2 + 1) * PAGE);
    printf("%-52s %7.2f us\n", "fault, signal, mapping and return, a page",
           (now() - start) / N * 1e6);
}

/* A process's pages all at once: what a switch costs without a window for each process. */
static void switching(void)
{
    enum { N = 1000, PAGES = 300 };
    double took = 0;

    for (uint64_t n = 0; n < N; n++) {
        double start;

        for (uint64_t k = 0; k < PAGES; k++)
            map(k * PAGE, (k * 7919 + n) % 1000 * PAGE, PAGE, PROT_READ);
        start = now();
        if (mmap(window, PAGES * PAGE, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
            die("mmap");
        took += now() - start;
    }
    printf("%-52s %7.2f us\n", "taking 300 pages out in one call", took / N * 1e6);
}

int main(void)
{
    ram_fd = memfd_create("ram", MFD_CLOEXEC);
    if (ram_fd < 0 || ftruncate(ram_fd, (off_t)RAM))
        die("memfd");
    ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
    window = mmap(NULL, WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram == MAP_FAILED || window == MAP_FAILED)
        die("mmap");
    memset(ram, 1, RAM);
    accesses();
    mapping("entering a page of 4 KB", PAGE);
    mapping("entering a page of 16 KB", 4 * PAGE);
    faults();
    switching();
    return 0;
}
