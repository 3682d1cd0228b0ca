/* EFI boot services, called the way a program calls them: guest code in memory, functions through
 * their descriptors, callbacks that the firmware calls back. No devices: a timer, a drive in
 * memory.
 */
#include "efi_machine.h"

#include <errno.h>
#include "drive.h"
#include "fpswa.h"
#include "fs_fat.h"
#include "le.h"

#define MB      (1ull << 20)
#define MEMORY  (128 * MB)
#define CODE    0x2000000ull /* guest functions of the test */
#define DATA    0x2100000ull
#define STACK   0x2200000ull
#define BACKING 0x2300000ull
#define VOLUME  (4 * MB)

/* Offsets in the table of boot services. */
#define S(n) (24 + 8 * (n))
enum {
    RAISE_TPL,
    RESTORE_TPL,
    ALLOCATE_PAGES,
    FREE_PAGES,
    GET_MEMORY_MAP,
    ALLOCATE_POOL,
    FREE_POOL,
    CREATE_EVENT,
    SET_TIMER,
    WAIT_FOR_EVENT,
    SIGNAL_EVENT,
    CLOSE_EVENT,
    CHECK_EVENT,
    INSTALL,
    REINSTALL,
    UNINSTALL,
    HANDLE_PROTOCOL,
    REGISTER_NOTIFY = 18,
    LOCATE_HANDLE,
    LOCATE_DEVICE_PATH,
    INSTALL_CONFIG,
    LOAD_IMAGE,
    START_IMAGE,
    EXIT,
    UNLOAD_IMAGE,
    EXIT_BOOT,
    STALL = 28,
    CONNECT = 30,
    DISCONNECT,
    OPEN,
    CLOSE,
    OPEN_INFORMATION,
    PER_HANDLE,
    HANDLE_BUFFER,
    LOCATE_PROTOCOL,
    INSTALL_MULTIPLE,
    UNINSTALL_MULTIPLE,
    CRC32,
    COPY_MEM,
};

/* Guest code; each function begins at a label's offset. */
enum { COUNT = 0x00, SPIN = 0x30, PROGRAM = 0x70, LEAVER = 0x80, BAD = 0xd0, SELF = 0xe0 };
static const uint64_t code[] = {
    0x0000101842004009, 0x0004000000000200, /* COUNT: ld8 r8 = [r33] ;; */
    0x400021001004400a, 0x0004000000233084, /* adds r8 = 1, r8 ;; st8 [r33] = r8 */
    0x0000210000004011, 0x0084000880000200, /* mov r8 = r0 ; br.ret b0 ;; */
    0x00a0210042004809, 0x0004000000420000, /* SPIN: mov r9 = r33 ; mov r10 = r0 ;; */
    0x08a010184000400a, 0x0004000000420028, /* 1: ld8 r8 = [r32] ;; adds r10 = 1, r10 */
    0x0000340742203011, 0x48fffff003000200, /* cmp.ltu p6 = r8, r33 ; (p6) br 1b ;; */
    0x0000210012004011, 0x0084000880000200, /* mov r8 = r9 ; br.ret b0 ;; */
    0x0000242400d04011, 0x0084000880000200, /* PROGRAM: mov r8 = 0x1234 ; br.ret b0 ;; */
    0x0230058008211009, 0x9000000080420087, /* LEAVER: alloc r34 ; r35 = r33 + 96 ; mov r4 = 0 */
    0xc23010184601180b, 0x840100048042028e, /* ld8 r35 = [r35] ;; adds r35 = 216, r35 ; r36 = r32 */
    0x40e010184601180b, 0x90000774a028308c, /* ld8 r35 ;; ld8 r14 = [r35], 8 ; mov r37 = 0x77 */
    0x0000101846000809, 0x070008e0c0000200, /* ld8 r1 = [r35] ; mov b6 = r14 ;; */
    0x0270210000013019, 0x1080006800420000, /* mov r38 = r0 ; mov r39 = r0 ; br.call b0 = b6 ;; */
    0x0000000000021011, 0x0084000880000200, /* BAD: break.m 0x42 ; br.ret b0 ;; */
    0x0000000100000011, 0x4000000000000200, /* SELF: br . ;; */
};

static struct mem *m;
static struct firmware *fw;
static struct cpu *c;
static struct boot *b;
static uint64_t now_ns, now_step; /* the clock moves on with every look at it */
static uint8_t *volume;
static struct block_ram ram;
static bool empty_drive;
static struct firmware_drive drive;

static void on_firmware(void *opaque, struct cpu *cpu, uint64_t imm)
{
    (void)opaque;
    firmware_call(fw, cpu, imm);
}

static uint64_t clock_ns(void *opaque)
{
    (void)opaque;
    return now_ns += now_step;
}

static int medium(void *opaque, struct block_dev *dev, uint32_t *id)
{
    (void)opaque;
    if (empty_drive)
        return -ENOMEDIUM;
    *dev = ram.dev;
    *id = 7;
    return 0;
}

static void put64(uint64_t at, uint64_t v)
{
    ck_assert_int_eq(mem_dma_write(m, at, &v, 8), 0);
}

static uint64_t get64(uint64_t at)
{
    uint64_t v;

    ck_assert_int_eq(mem_dma_read(m, at, &v, 8), 0);
    return v;
}

/* Descriptor of a function of the test. */
static uint64_t function(unsigned offset)
{
    return CODE + 0x1000 + offset;
}

static void setup(void)
{
    struct cpu_hooks hooks = {.firmware = on_firmware, .now_ns = clock_ns};
    struct fat_format_options format = {.bits = 12, .label = "TEST"};

    m = efi_test_mem(MEMORY);
    fw = efi_test_firmware(m, MEMORY, 1);
    c = cpu_new(0, CPU_MONTECITO, m);
    cpu_set_hooks(c, &hooks);
    now_ns = 1000000000;
    now_step = 0;
    volume = calloc(1, VOLUME);
    block_ram_init(&ram, volume, VOLUME, 512);
    ck_assert_int_eq(fat_format(&ram.dev, &format), 0);
    drive = (struct firmware_drive){.target = 3, .medium = medium};
    empty_drive = false;
    firmware_set_drives(fw, &drive, 1);
    firmware_attach_cpu(fw, c);
    fw->boot = b = boot_new(fw, c);
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(memmap_claim(&fw->map, CODE, BACKING + MB - CODE, EFI_LOADER_DATA), 0);
    ck_assert_int_eq(mem_dma_write(m, CODE, code, sizeof(code)), 0);
    for (unsigned i = 0; i < sizeof(code); i += 16) {
        put64(function(i), CODE + i);
        put64(function(i) + 8, 0);
    }
    c->bsp = c->bspstore = BACKING;
    cpu_set_gr(c, 12, STACK + MB - 16);
}

static void teardown(void)
{
    firmware_free(fw);
    cpu_free(c);
    mem_free(m);
    free(volume);
}

/* Runs until a call made by call() has returned; time passes. */
static bool run(uint64_t until)
{
    for (unsigned i = 0; i < 20000; i++) {
        if (c->ip == until && !c->halted)
            return true;
        cpu_check_timer(c);
        if (c->halted && cpu_interrupt_pending(c))
            c->halted = false;
        if (!c->halted)
            cpu_run(c, 100);
        now_ns += 100000;
    }
    return false;
}

static uint64_t call_args(uint64_t descriptor, const uint64_t *args, unsigned n)
{
    struct cpu_frame frame;

    ck_assert(cpu_frame_push(c, &frame, args, n));
    c->br[0] = get64(descriptor);
    c->pfs = 0;
    cpu_set_gr(c, 1, get64(descriptor + 8));
    cpu_firmware_return(c, false);
    c->br[0] = CODE + SELF;
    ck_assert(run(CODE + SELF));
    ck_assert(cpu_frame_pop(c, &frame));
    return cpu_gr(c, 8);
}

#define CALL(descriptor, ...)                                                                      \
    call_args(descriptor, (const uint64_t[]){__VA_ARGS__},                                         \
              sizeof((const uint64_t[]){__VA_ARGS__}) / 8)
#define SERVICE(n, ...)    CALL(get64(b->table + S(n)), __VA_ARGS__)
#define MEMBER(at, n, ...) CALL(get64((at) + 8 * (n)), at, __VA_ARGS__)

/* --- memory --- */

static uint64_t map_bytes(uint32_t type)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < fw->map.n; i++)
        sum += fw->map.e[i].type == type ? fw->map.e[i].size : 0;
    return sum;
}

START_TEST(pages)
{
    uint64_t before = map_bytes(EFI_CONVENTIONAL), at;

    ck_assert_uint_eq(SERVICE(ALLOCATE_PAGES, 0, EFI_LOADER_DATA, 5, DATA), EFI_SUCCESS);
    at = get64(DATA);
    ck_assert_uint_eq(memmap_find(&fw->map, at)->type, EFI_LOADER_DATA);
    ck_assert_uint_eq(before - map_bytes(EFI_CONVENTIONAL), 5 * EFI_PAGE);
    ck_assert_uint_eq(SERVICE(ALLOCATE_PAGES, 2, EFI_LOADER_DATA, 1, DATA), EFI_NOT_FOUND);
    ck_assert_uint_eq(SERVICE(FREE_PAGES, at + EFI_PAGE, 1), EFI_SUCCESS);
    ck_assert_uint_eq(SERVICE(FREE_PAGES, at + EFI_PAGE, 1), EFI_NOT_FOUND);
    ck_assert_uint_eq(SERVICE(FREE_PAGES, at, 1), EFI_SUCCESS);
    ck_assert_uint_eq(SERVICE(FREE_PAGES, at + 2 * EFI_PAGE, 3), EFI_SUCCESS);
    ck_assert_uint_eq(map_bytes(EFI_CONVENTIONAL), before);
    put64(DATA, 16 * MB - 1);
    ck_assert_uint_eq(SERVICE(ALLOCATE_PAGES, 1, 0x80000001, 1, DATA), EFI_SUCCESS);
    ck_assert_uint_lt(get64(DATA), 16 * MB);
    ck_assert_uint_eq(SERVICE(ALLOCATE_PAGES, 0, EFI_CONVENTIONAL, 1, DATA), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SERVICE(ALLOCATE_PAGES, 0, EFI_LOADER_DATA, UINT64_MAX, DATA), EFI_NOT_FOUND);
    ck_assert_uint_eq(SERVICE(FREE_PAGES, HPVM_FW_RAM, 1), EFI_NOT_FOUND);
    ck_assert_uint_eq(SERVICE(FREE_PAGES, HPVM_PIB, 1), EFI_NOT_FOUND);
}
END_TEST

START_TEST(pools)
{
    static const uint64_t sizes[] = {0, 1, 8, 33, 2048, 2049, 100000};
    uint64_t at[7], before;

    SERVICE(ALLOCATE_POOL, EFI_LOADER_DATA, 8, DATA);
    before = map_bytes(EFI_CONVENTIONAL);
    for (unsigned i = 0; i < 7; i++) {
        ck_assert_uint_eq(SERVICE(ALLOCATE_POOL, EFI_LOADER_CODE, sizes[i], DATA + 8), EFI_SUCCESS);
        at[i] = get64(DATA + 8);
        ck_assert_uint_eq(at[i] % 8, 0);
        ck_assert_uint_eq(memmap_find(&fw->map, at[i])->type, EFI_LOADER_CODE);
    }
    ck_assert_uint_eq(SERVICE(FREE_POOL, at[3] + 8), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SERVICE(FREE_POOL, at[6] + 8), EFI_INVALID_PARAMETER);
    for (unsigned i = 0; i < 7; i++) {
        ck_assert_uint_eq(SERVICE(FREE_POOL, at[i]), EFI_SUCCESS);
        ck_assert_uint_eq(SERVICE(FREE_POOL, at[i]), EFI_INVALID_PARAMETER);
    }
    ck_assert_uint_eq(map_bytes(EFI_CONVENTIONAL), before);
}
END_TEST

START_TEST(memory_map_key)
{
    uint64_t key;

    put64(DATA, 0);
    ck_assert_uint_eq(SERVICE(GET_MEMORY_MAP, DATA, 0, 0, DATA + 16, 0), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(get64(DATA), fw->map.n * EFI_DESC_SIZE);
    ck_assert_uint_eq(get64(DATA + 16), EFI_DESC_SIZE);
    ck_assert_uint_eq(SERVICE(GET_MEMORY_MAP, DATA, DATA + 64, DATA + 8, DATA + 16, DATA + 24),
                      EFI_SUCCESS);
    key = get64(DATA + 8);
    SERVICE(ALLOCATE_PAGES, 0, EFI_LOADER_DATA, 1, DATA);
    ck_assert_uint_ne(key, b->map_key);
}
END_TEST

/* --- events --- */

static uint64_t new_event(uint32_t type, unsigned tpl, uint64_t counter)
{
    put64(counter, 0);
    ck_assert_uint_eq(SERVICE(CREATE_EVENT, type, tpl, function(COUNT), counter, DATA),
                      EFI_SUCCESS);
    return get64(DATA);
}

START_TEST(notification_by_level)
{
    uint64_t e = new_event(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, DATA + 64);

    ck_assert_uint_eq(SERVICE(SIGNAL_EVENT, e), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 64), 1);
    ck_assert_uint_eq(SERVICE(RAISE_TPL, TPL_NOTIFY), TPL_APPLICATION);
    SERVICE(SIGNAL_EVENT, e);
    SERVICE(SIGNAL_EVENT, e);
    ck_assert_uint_eq(get64(DATA + 64), 1);
    SERVICE(RESTORE_TPL, TPL_APPLICATION);
    ck_assert_uint_eq(get64(DATA + 64), 2);
    ck_assert_uint_eq(SERVICE(CHECK_EVENT, e), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SERVICE(CLOSE_EVENT, e), EFI_SUCCESS);
    ck_assert_uint_eq(SERVICE(SIGNAL_EVENT, e), EFI_INVALID_PARAMETER);
}
END_TEST

START_TEST(high_level_masks_interrupts)
{
    ck_assert(c->psr & PSR_I);
    SERVICE(RAISE_TPL, TPL_HIGH_LEVEL);
    ck_assert(!(c->psr & PSR_I));
    SERVICE(RESTORE_TPL, TPL_APPLICATION);
    ck_assert(c->psr & PSR_I);
}
END_TEST

/* A program that never calls the firmware sees its timer's notifications. */
START_TEST(timer_interrupts_a_program)
{
    uint64_t e = new_event(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_CALLBACK, DATA + 64);

    ck_assert_uint_eq(SERVICE(SET_TIMER, e, 1, 20000), EFI_SUCCESS);
    ck_assert_uint_eq(CALL(function(SPIN), DATA + 64, 5), 5);
    ck_assert_uint_eq(SERVICE(SET_TIMER, e, 0, 0), EFI_SUCCESS);
    ck_assert_uint_ge(get64(DATA + 64), 5);
}
END_TEST

START_TEST(waiting)
{
    uint64_t e, start = now_ns;

    ck_assert_uint_eq(SERVICE(CREATE_EVENT, EVT_TIMER, 0, 0, 0, DATA), EFI_SUCCESS);
    e = get64(DATA);
    ck_assert_uint_eq(SERVICE(CHECK_EVENT, e), EFI_NOT_READY);
    SERVICE(SET_TIMER, e, 2, 500000); /* 50 ms */
    put64(DATA + 8, 99);
    ck_assert_uint_eq(SERVICE(WAIT_FOR_EVENT, 1, DATA, DATA + 8), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 8), 0);
    ck_assert_uint_ge(now_ns - start, 50000000);
    ck_assert_uint_eq(SERVICE(CHECK_EVENT, e), EFI_NOT_READY);
    start = now_ns;
    SERVICE(STALL, 30000);
    ck_assert_uint_ge(now_ns - start, 30000000);
}
END_TEST

/* A host that is away between any two looks at the clock: no timer gets lost. */
START_TEST(slow_host)
{
    ck_assert_uint_eq(SERVICE(CREATE_EVENT, EVT_TIMER, 0, 0, 0, DATA), EFI_SUCCESS);
    SERVICE(SET_TIMER, get64(DATA), 2, 10000000); /* 1 s */
    now_step = 6000000;
    ck_assert_uint_eq(SERVICE(WAIT_FOR_EVENT, 1, DATA, DATA + 8), EFI_SUCCESS);
}
END_TEST

/* --- handles --- */

static const uint8_t my_guid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

START_TEST(protocols)
{
    uint64_t guid = DATA + 0x100, h;

    mem_dma_write(m, guid, my_guid, 16);
    put64(DATA, 0);
    ck_assert_uint_eq(SERVICE(LOCATE_PROTOCOL, guid, 0, DATA + 8), EFI_NOT_FOUND);
    ck_assert_uint_eq(SERVICE(INSTALL, DATA, guid, 0, 0xabc), EFI_SUCCESS);
    h = get64(DATA);
    ck_assert_uint_eq(SERVICE(INSTALL, DATA, guid, 0, 0xdef), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SERVICE(HANDLE_PROTOCOL, h, guid, DATA + 8), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 8), 0xabc);
    ck_assert_uint_eq(SERVICE(LOCATE_PROTOCOL, guid, 0, DATA + 8), EFI_SUCCESS);
    put64(DATA + 16, 0);
    ck_assert_uint_eq(SERVICE(LOCATE_HANDLE, 2, guid, 0, DATA + 16, 0), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(get64(DATA + 16), 8);
    ck_assert_uint_eq(SERVICE(LOCATE_HANDLE, 2, guid, 0, DATA + 16, DATA + 24), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 24), h);
    ck_assert_uint_eq(SERVICE(REINSTALL, h, guid, 0xabc, 0xfff), EFI_SUCCESS);
    ck_assert_uint_eq(SERVICE(UNINSTALL, h, guid, 0xabc), EFI_NOT_FOUND);
    ck_assert_uint_eq(SERVICE(UNINSTALL, h, guid, 0xfff), EFI_SUCCESS);
    ck_assert_uint_eq(SERVICE(HANDLE_PROTOCOL, h, guid, DATA + 8), EFI_INVALID_PARAMETER);
}
END_TEST

/* As a loader finds it and hands it to a system: through the handle database, by descriptor. The
 * quotient's operands are those of test_fpswa. */
START_TEST(fpswa_protocol)
{
    static const uint8_t rcpa[16] = {0x0f, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0x01, 0x22, 0x18, 0x01};
    uint64_t guid = DATA + 0x100, state = DATA + 0x200, saved = DATA + 0x300, at = DATA + 0x400;
    uint64_t interface, args[8] = {1};

    mem_dma_write(m, guid, guid_fpswa, 16);
    ck_assert_uint_eq(SERVICE(LOCATE_PROTOCOL, guid, 0, DATA), EFI_SUCCESS);
    interface = get64(DATA);
    ck_assert_uint_eq((uint32_t)get64(interface), 0x10012); /* revision 1.18 */
    for (unsigned i = 1; i < 7; i++)
        args[i] = at + 16 * i;
    args[7] = state;
    mem_dma_write(m, args[1], rcpa, 16);
    put64(args[2], 0);
    put64(args[3], 0x9804c0270033f);
    put64(args[4], 2ull << ISR_EI_SHIFT | FPX_SWA);
    put64(args[5], ~0ull);
    put64(args[6], 1ull << 63 | 3ull << 25);
    put64(state, 0xfc0); /* f6 to f11 are saved */
    put64(state + 24, saved);
    c->fr[35] = (struct fpreg){FP_INT_BIT, 5, 0};
    c->fr[4] = (struct fpreg){3ull << 62, 2, 0};
    ck_assert_uint_eq(call_args(get64(interface + 8), args, 8), FPSWA_DONE);
    ck_assert_uint_eq(get64(saved + 2 * 16), 0xaaaaaaaaaaaaaaabull);
    args[1] = 0x3fffffffffff0ull; /* nothing there */
    ck_assert_uint_eq(call_args(get64(interface + 8), args, 8), FPSWA_ERROR);
}
END_TEST

START_TEST(opening)
{
    uint64_t guid = DATA + 0x100, h, agent;

    mem_dma_write(m, guid, my_guid, 16);
    put64(DATA, 0);
    put64(DATA + 8, 0);
    SERVICE(INSTALL, DATA, guid, 0, 0xabc);
    SERVICE(INSTALL, DATA + 8, guid, 0, 0xabc);
    h = get64(DATA);
    agent = get64(DATA + 8);
    ck_assert_uint_eq(SERVICE(OPEN, h, guid, DATA + 16, agent, h, OPEN_BY_DRIVER), EFI_SUCCESS);
    ck_assert_uint_eq(SERVICE(OPEN, h, guid, DATA + 16, agent, h, OPEN_BY_DRIVER),
                      EFI_ALREADY_STARTED);
    ck_assert_uint_eq(SERVICE(OPEN, h, guid, DATA + 16, h, h, OPEN_BY_DRIVER), EFI_ACCESS_DENIED);
    ck_assert_uint_eq(SERVICE(OPEN_INFORMATION, h, guid, DATA + 24, DATA + 32), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 32), 1);
    ck_assert_uint_eq(get64(get64(DATA + 24)), agent);
    ck_assert_uint_eq(SERVICE(CLOSE, h, guid, agent, h), EFI_SUCCESS);
    ck_assert_uint_eq(SERVICE(CLOSE, h, guid, agent, h), EFI_NOT_FOUND);
    ck_assert_uint_eq(SERVICE(OPEN, h, guid, DATA + 16, h, h, OPEN_BY_DRIVER), EFI_SUCCESS);
}
END_TEST

/* More pairs than registers hold: the rest is on the memory stack. */
START_TEST(several_at_once)
{
    uint64_t guid = DATA + 0x100, sp = cpu_gr(c, 12);
    uint8_t g[16];

    for (unsigned i = 0; i < 5; i++) {
        memcpy(g, my_guid, 16);
        g[0] = (uint8_t)(0x40 + i);
        mem_dma_write(m, guid + 16 * i, g, 16);
    }
    put64(DATA, 0);
    put64(sp + 16, 4);             /* argument 8: interface of pair 3 */
    put64(sp + 24, guid + 4 * 16); /* pair 4 */
    put64(sp + 32, 5);
    put64(sp + 40, 0);
    ck_assert_uint_eq(
        SERVICE(INSTALL_MULTIPLE, DATA, guid, 1, guid + 16, 2, guid + 32, 3, guid + 48),
        EFI_SUCCESS);
    mem_dma_read(m, guid + 64, g, 16);
    ck_assert_uint_eq(handle_interface(b, get64(DATA), g), 5);
    ck_assert_uint_eq(handle_find(b, get64(DATA))->protocols->len, 5);
}
END_TEST

START_TEST(registered_notification)
{
    uint64_t e = new_event(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, DATA + 64), guid = DATA + 0x100;

    mem_dma_write(m, guid, my_guid, 16);
    ck_assert_uint_eq(SERVICE(REGISTER_NOTIFY, guid, e, DATA + 8), EFI_SUCCESS);
    put64(DATA, 0);
    SERVICE(INSTALL, DATA, guid, 0, 0xabc);
    ck_assert_uint_eq(get64(DATA + 64), 1);
    put64(DATA + 16, 8);
    ck_assert_uint_eq(SERVICE(LOCATE_HANDLE, 1, 0, get64(DATA + 8), DATA + 16, DATA + 24),
                      EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 24), get64(DATA));
    ck_assert_uint_eq(SERVICE(LOCATE_HANDLE, 1, 0, get64(DATA + 8), DATA + 16, DATA + 24),
                      EFI_NOT_FOUND);
}
END_TEST

/* --- device paths --- */

START_TEST(path_text)
{
    struct partition part = {.scheme = PART_GPT, .number = 1, .sig_type = PART_SIG_GUID};
    static const uint8_t signature[16] = {0x34, 0x11, 0x1d, 0x5d, 0x09, 0xc8, 0xdb, 0x11,
                                          0x9a, 0xeb, 0,    0,    0,    0,    0,    0};
    struct devpath p = {.size = 0};
    uint16_t *name;
    char *text;

    memcpy(part.signature, signature, 16);
    devpath_add_acpi(&p, 0x0a03, 0);
    devpath_add_pci(&p, 0, 0);
    devpath_add_scsi(&p, 0, 0);
    devpath_add_partition(&p, &part);
    text = devpath_text(&p);
    ck_assert_str_eq(text, "Acpi(PNP0A03,0)/Pci(0|0)/Scsi(Pun0,Lun0)/"
                           "HD(Part1,Sig5D1D1134-C809-11DB-9AEB-000000000000)");
    g_free(text);
    p.size = 0;
    devpath_add_file(&p, u"\\EFI");
    devpath_add_file(&p, u"A.EFI");
    name = devpath_file(&p, 0);
    ck_assert_int_eq(memcmp(name, u"\\EFI\\A.EFI", 22), 0);
    g_free(name);
}
END_TEST

START_TEST(hostile_paths)
{
    static const uint8_t bad[][8] = {
        {1, 1, 3, 0}, {1, 1, 0, 0}, {1, 1, 0xff, 0xff}, {4, 4, 5, 0, 1}};
    struct devpath *p = malloc(sizeof(*p));

    for (unsigned i = 0; i < 4; i++) {
        char *text;

        mem_dma_write(m, MEMORY - 8, bad[i], 8);
        ck_assert(!devpath_read(b, MEMORY - 8, p));
        text = devpath_text(p);
        g_free(text);
        ck_assert_uint_eq(SERVICE(LOCATE_DEVICE_PATH, MEMORY - 16, MEMORY - 8, DATA),
                          EFI_INVALID_PARAMETER);
    }
    free(p);
}
END_TEST

/* --- drives and files --- */

static uint64_t interface_of(const uint8_t guid[16])
{
    GArray *l = handles_with(b, guid);
    uint64_t at = l->len ? handle_interface(b, g_array_index(l, uint64_t, 0), guid) : 0;

    g_array_unref(l);
    ck_assert_uint_ne(at, 0);
    return at;
}

START_TEST(blocks)
{
    uint64_t io = interface_of(guid_block_io), disk = interface_of(guid_disk_io);
    uint64_t media = get64(io + 8);

    ck_assert_uint_eq((uint32_t)get64(media), 7);
    ck_assert_uint_eq(get64(media + 24), VOLUME / 512 - 1);
    ck_assert_uint_eq(MEMBER(io, 3, 7, 0, 512, DATA), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA), le64(volume));
    ck_assert_uint_eq(MEMBER(io, 3, 6, 0, 512, DATA), EFI_MEDIA_CHANGED);
    ck_assert_uint_eq(MEMBER(io, 3, 7, 0, 511, DATA), EFI_BAD_BUFFER_SIZE);
    ck_assert_uint_eq(MEMBER(io, 3, 7, VOLUME / 512, 512, DATA), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(MEMBER(io, 3, 7, UINT64_MAX, 512, DATA), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(MEMBER(io, 3, 7, 0, 512, MEMORY - 100), EFI_INVALID_PARAMETER);
    put64(DATA, 0x1122334455667788);
    ck_assert_uint_eq(MEMBER(io, 4, 7, 100, 512, DATA), EFI_SUCCESS);
    ck_assert_uint_eq(le64(volume + 51200), 0x1122334455667788);
    ck_assert_uint_eq(MEMBER(disk, 1, 7, 51203, 5, DATA + 64), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 64) & 0xffffffffff, 0x1122334455);
    empty_drive = true;
    ck_assert_uint_eq(MEMBER(io, 3, 7, 0, 512, DATA), EFI_NO_MEDIA);
    empty_drive = false;
    ck_assert_uint_eq(MEMBER(io, 3, 7, 0, 512, DATA), EFI_SUCCESS);
}
END_TEST

static void put_name(uint64_t at, const uint16_t *name)
{
    mem_dma_write(m, at, name, 2 * (fs_name_length(name) + 1));
}

enum {
    F_OPEN = 1,
    F_CLOSE,
    F_DELETE,
    F_READ,
    F_WRITE,
    F_TELL,
    F_SEEK,
    F_INFO,
    F_SET_INFO,
    F_FLUSH
};

START_TEST(files)
{
    uint64_t volume_at = interface_of(guid_simple_fs), root, f, info = DATA + 0x1000;
    uint64_t name = DATA + 0x800, guid = DATA + 0x900;

    ck_assert_uint_eq(MEMBER(volume_at, 1, DATA), EFI_SUCCESS);
    root = get64(DATA);
    put_name(name, u"\\hello.txt");
    ck_assert_uint_eq(MEMBER(root, F_OPEN, DATA, name, 1, 0), EFI_NOT_FOUND);
    ck_assert_uint_eq(MEMBER(root, F_OPEN, DATA, name, 1ull << 63 | 3, 0), EFI_SUCCESS);
    f = get64(DATA);
    put64(DATA + 8, 5);
    mem_dma_write(m, DATA + 16, "HELLO", 5);
    ck_assert_uint_eq(MEMBER(f, F_WRITE, DATA + 8, DATA + 16), EFI_SUCCESS);
    ck_assert_uint_eq(MEMBER(f, F_SEEK, 1), EFI_SUCCESS);
    put64(DATA + 8, 100);
    ck_assert_uint_eq(MEMBER(f, F_READ, DATA + 8, DATA + 32), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 8), 4);
    ck_assert_uint_eq(get64(DATA + 32) & 0xffffffff, 0x4f4c4c45);
    mem_dma_write(m, guid, guid_file_info, 16);
    put64(DATA + 8, 10);
    ck_assert_uint_eq(MEMBER(f, F_INFO, guid, DATA + 8, info), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(MEMBER(f, F_INFO, guid, DATA + 8, info), EFI_SUCCESS);
    ck_assert_uint_eq(get64(info + 8), 5);
    ck_assert_uint_eq(get64(info + 80), 0x006c006c00650068);
    ck_assert_uint_eq(MEMBER(f, F_CLOSE, 0), EFI_SUCCESS);
    ck_assert_uint_eq(MEMBER(f, F_CLOSE, 0), EFI_INVALID_PARAMETER);
    put64(DATA + 8, 512); /* the directory lists it, then ends */
    ck_assert_uint_eq(MEMBER(root, F_READ, DATA + 8, info), EFI_SUCCESS);
    ck_assert_uint_eq(get64(info + 80), 0x006c006c00650068);
    ck_assert_uint_eq(MEMBER(root, F_READ, DATA + 8, info), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 8), 0);
}
END_TEST

/* --- programs --- */

#define PE_OPT 0x98

/* A program whose entry is a function of the test at its address. */
static size_t make_program(uint8_t *file, unsigned offset)
{
    memset(file, 0, 0x600);
    memcpy(file, "MZ", 2);
    put_le32(file + 0x3c, 0x80);
    memcpy(file + 0x80, "PE\0\0", 4);
    put_le16(file + 0x84, 0x200);
    put_le16(file + 0x86, 1);
    put_le16(file + 0x94, 0xf0);
    put_le16(file + 0x96, 0x20f); /* without relocations: it runs where it is linked for */
    put_le16(file + PE_OPT, 0x20b);
    put_le32(file + PE_OPT + 16, 0x1000);
    put_le64(file + PE_OPT + 24, 0x3000000);
    put_le32(file + PE_OPT + 32, 0x1000);
    put_le32(file + PE_OPT + 56, 0x2000);
    put_le32(file + PE_OPT + 60, 0x400);
    put_le16(file + PE_OPT + 68, 10);
    put_le32(file + PE_OPT + 108, 16);
    put_le32(file + PE_OPT + 0xf0 + 8, 0x200);
    put_le32(file + PE_OPT + 0xf0 + 12, 0x1000);
    put_le32(file + PE_OPT + 0xf0 + 16, 0x200);
    put_le32(file + PE_OPT + 0xf0 + 20, 0x400);
    put_le64(file + 0x400, 0x3001010);
    put_le64(file + 0x408, 0x3001000);
    memcpy(file + 0x410, (const uint8_t *)code + offset, sizeof(code) - offset);
    return 0x600;
}

static uint64_t load_program(unsigned offset)
{
    uint8_t file[0x600];
    size_t size = make_program(file, offset);
    uint64_t parent;

    ck_assert_uint_eq(image_load(b, 0, NULL, file, size, &parent), EFI_SUCCESS);
    image_unload_host(b, parent);
    mem_dma_write(m, DATA + 0x2000, file, size);
    ck_assert_uint_eq(SERVICE(LOAD_IMAGE, 0, parent, 0, DATA + 0x2000, size, DATA),
                      EFI_INVALID_PARAMETER); /* the parent has gone */
    ck_assert_uint_eq(image_load(b, 0, NULL, file, size, &parent), EFI_SUCCESS);
    return parent;
}

START_TEST(program_returns)
{
    uint64_t free_before = map_bytes(EFI_CONVENTIONAL), h;

    h = load_program(PROGRAM);
    ck_assert_uint_eq(SERVICE(START_IMAGE, h, DATA, DATA + 8), 0x1234);
    ck_assert_uint_eq(SERVICE(START_IMAGE, h, 0, 0), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(map_bytes(EFI_CONVENTIONAL), free_before);
}
END_TEST

/* r4 is the caller's to keep: Exit brings it back. */
START_TEST(program_exits)
{
    uint64_t h = load_program(LEAVER), sp = cpu_gr(c, 12);

    cpu_set_gr(c, 4, 0x4444);
    ck_assert_uint_eq(SERVICE(START_IMAGE, h, DATA, DATA + 8), 0x77);
    ck_assert_uint_eq(cpu_gr(c, 4), 0x4444);
    ck_assert_uint_eq(cpu_gr(c, 12), sp);
    ck_assert_ptr_null(b->top);
}
END_TEST

START_TEST(program_crashes)
{
    uint64_t h = load_program(BAD);

    ck_assert_uint_eq(SERVICE(START_IMAGE, h, DATA, DATA + 8), EFI_ABORTED);
    ck_assert_ptr_null(b->top);
    ck_assert(c->psr & PSR_I);
}
END_TEST

START_TEST(end_of_boot_services)
{
    uint64_t h = load_program(PROGRAM), key, e;

    e = new_event(EVT_EXIT_BOOT, TPL_CALLBACK, DATA + 64);
    (void)e;
    put64(DATA, 65536);
    SERVICE(GET_MEMORY_MAP, DATA, DATA + 0x1000, DATA + 8, 0, 0);
    key = get64(DATA + 8);
    ck_assert_uint_eq(SERVICE(EXIT_BOOT, h, key + 1), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SERVICE(EXIT_BOOT, h, key), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 64), 1);
    ck_assert_uint_eq(get64(fw->systab + 96), 0);
    ck_assert_uint_eq(SERVICE(RAISE_TPL, TPL_NOTIFY), EFI_UNSUPPORTED);
}
END_TEST

/* --- nonsense --- */

/* As after setup(), whatever a call has done to tasks, processor and the test's memory. */
static void start_over(void)
{
    task_drop_all(b);
    b->tpl = TPL_APPLICATION;
    mem_dma_write(m, CODE, code, sizeof(code));
    c->cr[CR_IVA] = BOOT_IVT;
    c->halted = c->stop = false;
    c->itm_armed = false;
    cpu_set_cfm(c, 0);
    c->ndirty = 0;
    c->bsp = c->bspstore = BACKING;
    cpu_set_psr(c, PSR_BN | PSR_IC | PSR_I);
    cpu_set_gr(c, 12, STACK + MB - 16);
}

static void try_call(unsigned n, const uint64_t args[8])
{
    struct cpu_frame frame;

    ck_assert(cpu_frame_push(c, &frame, args, 8));
    c->br[0] = BOOT_STUBS + 16 * n;
    cpu_firmware_return(c, false);
    c->br[0] = CODE + SELF;
    for (unsigned i = 0; i < 20 && c->ip != CODE + SELF && !c->stop; i++) {
        c->halted = false;
        cpu_run(c, 100);
        now_ns += 1000000;
    }
    start_over();
}

/* Every function with all kinds of bad and half good arguments. Some of them destroy what the
 * guest can see; the firmware itself must live. */
START_TEST(nonsense)
{
    uint64_t values[] = {0,           1,          5,          DATA,      MEMORY - 1,
                         UINT64_MAX,  1ull << 63, b->con_out, b->con_in, b->console_handle,
                         DATA + 0x800};
    unsigned count = sizeof(values) / sizeof(values[0]), seed = 1;
    uint64_t objects[] = {interface_of(guid_block_io),  interface_of(guid_disk_io),
                          interface_of(guid_simple_fs), interface_of(guid_serial_io),
                          interface_of(guid_pci_root),  interface_of(guid_device_io)};

    put_name(DATA + 0x800, u"\\a\\b.txt");
    for (unsigned n = 0; n < b->functions; n++)
        for (unsigned v = 0; v < 60 && fw_boot_time(fw); v++) {
            uint64_t args[8];

            for (unsigned i = 0; i < 8; i++) {
                seed = seed * 1103515245 + 12345;
                args[i] = values[(seed >> 16) % count];
            }
            if (v & 1)
                args[0] = objects[(seed >> 8) % 6];
            try_call(n, args);
        }
    ck_assert(fw_boot_time(fw));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("boot services");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pages);
    tcase_add_test(t, pools);
    tcase_add_test(t, memory_map_key);
    tcase_add_test(t, notification_by_level);
    tcase_add_test(t, high_level_masks_interrupts);
    tcase_add_test(t, timer_interrupts_a_program);
    tcase_add_test(t, waiting);
    tcase_add_test(t, slow_host);
    tcase_add_test(t, protocols);
    tcase_add_test(t, fpswa_protocol);
    tcase_add_test(t, opening);
    tcase_add_test(t, several_at_once);
    tcase_add_test(t, registered_notification);
    tcase_add_test(t, path_text);
    tcase_add_test(t, hostile_paths);
    tcase_add_test(t, blocks);
    tcase_add_test(t, files);
    tcase_add_test(t, program_returns);
    tcase_add_test(t, program_exits);
    tcase_add_test(t, program_crashes);
    tcase_add_test(t, end_of_boot_services);
    tcase_add_test(t, nonsense);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
