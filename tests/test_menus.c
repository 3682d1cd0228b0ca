/* The console's keys and the boot manager's screens, on a machine with nothing but a serial port
 * and a drive in memory: key sequences of terminals, random keys over hostile variables, boot
 * options.
 */
#include "efi_machine.h"

#include "bootopt.h"
#include "drive.h"
#include "fs_fat.h"
#include "keys.h"
#include "runtime.h"

#define MB     (1ull << 20)
#define MEMORY (128 * MB)
#define VOLUME (4 * MB)

static struct mem *m;
static struct firmware *fw;
static struct cpu *c;
static struct boot *b;
static uint64_t now_ns;
static uint8_t *volume;
static struct block_ram ram;
static struct firmware_drive drive;
static GString *input, *output;
static unsigned resets;

/* --- a serial port that is always ready --- */

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t v = 0;

    (void)opaque;
    (void)size;
    if (offset == 5)
        return 0x60 | (input->len > 0);
    if (offset == 0 && input->len) {
        v = (uint8_t)input->str[0];
        g_string_erase(input, 0, 1);
    }
    return v;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)opaque;
    (void)size;
    if (offset == 0)
        g_string_append_c(output, (char)value);
}

static void on_firmware(void *opaque, struct cpu *cpu, uint64_t imm)
{
    (void)opaque;
    firmware_call(fw, cpu, imm);
}

static uint64_t clock_ns(void *opaque)
{
    (void)opaque;
    return now_ns;
}

static void on_reset(void *opaque)
{
    (void)opaque;
    resets++;
}

static int medium(void *opaque, struct block_dev *dev, uint32_t *id)
{
    (void)opaque;
    *dev = ram.dev;
    *id = 7;
    return 0;
}

static void setup(void)
{
    struct cpu_hooks hooks = {.firmware = on_firmware, .now_ns = clock_ns};
    struct fat_format_options format = {.bits = 12, .label = "TEST"};

    input = g_string_new(NULL);
    output = g_string_new(NULL);
    resets = 0;
    m = efi_test_mem(MEMORY);
    ck_assert_int_eq(mem_add_device(m, HPVM_UART, HPVM_UART_SIZE, NULL, port_read, port_write), 0);
    fw = efi_test_firmware(m, MEMORY, 1);
    fw->cfg.reset = on_reset;
    c = cpu_new(0, CPU_MONTECITO, m);
    cpu_set_hooks(c, &hooks);
    now_ns = 1000000000;
    volume = calloc(1, VOLUME);
    block_ram_init(&ram, volume, VOLUME, 512);
    ck_assert_int_eq(fat_format(&ram.dev, &format), 0);
    drive = (struct firmware_drive){.target = 3, .removable = true, .medium = medium};
    firmware_set_drives(fw, &drive, 1);
    firmware_attach_cpu(fw, c);
    fw->boot = b = boot_new(fw, c);
    ck_assert_ptr_nonnull(b);
}

static void teardown(void)
{
    firmware_free(fw);
    cpu_free(c);
    mem_free(m);
    free(volume);
    g_string_free(input, TRUE);
    g_string_free(output, TRUE);
}

/* Lets the firmware work for so many milliseconds. */
static void run(unsigned ms)
{
    for (unsigned i = 0; i < 4 * ms; i++) {
        cpu_check_timer(c);
        if (c->halted && cpu_interrupt_pending(c))
            c->halted = false;
        if (!c->halted)
            cpu_run(c, 1000);
        c->stop = false;
        now_ns += 250000;
    }
}

static bool shown(const char *text)
{
    return strstr(output->str, text) != NULL;
}

/* --- keys --- */

static const struct {
    const char *bytes;
    uint16_t scan[3], unicode[3]; /* up to an entry of zeros */
} sequences[] = {
    {"a", {0}, {'a'}},
    {"\r", {0}, {'\r'}},
    {"\177", {0}, {'\b'}},
    {"\033[A\033OB", {SCAN_UP, SCAN_DOWN}, {0}},
    {"\033[C\033[D", {SCAN_RIGHT, SCAN_LEFT}, {0}},
    {"\033h\033k", {SCAN_HOME, SCAN_END}, {0}}, /* VT100+ */
    {"\033+\033-", {SCAN_INSERT, SCAN_DELETE}, {0}},
    {"\033?\033/", {SCAN_PAGE_UP, SCAN_PAGE_DOWN}, {0}},
    {"\0331\0330\033!", {SCAN_F1, SCAN_F10, SCAN_F11}, {0}},
    {"\033@", {SCAN_F12}, {0}},
    {"\033[H\033[K", {SCAN_HOME, SCAN_END}, {0}}, /* PC-ANSI */
    {"\033[@\033[X", {SCAN_INSERT, SCAN_DELETE}, {0}},
    {"\033[I\033[G", {SCAN_PAGE_UP, SCAN_PAGE_DOWN}, {0}},
    {"\033[M\033[V\033[W", {SCAN_F1, SCAN_F10, SCAN_F11}, {0}},
    {"\033[2~\033[3~", {SCAN_INSERT, SCAN_DELETE}, {0}}, /* xterm */
    {"\033[5~\033[6~", {SCAN_PAGE_UP, SCAN_PAGE_DOWN}, {0}},
    {"\033OP\033[15~\033[24~", {SCAN_F1, SCAN_F1 + 4, SCAN_F12}, {0}},
    {"\033[1;5A\033[1;2P\033[3;5~", {SCAN_UP, SCAN_F1, SCAN_DELETE}, {0}}, /* with modifiers */
    {"\033[[A\033[[E", {SCAN_F1, SCAN_F1 + 4}, {0}},                       /* Linux console */
    {"\033[24;80R\033[?1;2cx", {0}, {'x'}},                                /* answers */
    {"\033[200~x\033[201~", {0}, {'x'}},                                   /* marks of a paste */
    {"\033[99999999999999999999999999999~x", {0}, {'9', '9', '9'}},        /* longer than a key */
    {"\033z", {SCAN_ESC, 0}, {0, 'z'}},
    {"\033", {SCAN_ESC}, {0}},
    {"\033\033[A", {SCAN_ESC, SCAN_UP}, {0}},
    {"\033\r", {SCAN_ESC, 0}, {0, '\r'}},
};

START_TEST(key_sequences)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(sequences); i++) {
        struct key key;

        g_string_assign(input, sequences[i].bytes);
        console_ready(b); /* takes the bytes; a lone escape needs time to be one */
        now_ns += 500000000;
        for (unsigned n = 0; n < 3; n++) {
            if (!sequences[i].scan[n] && !sequences[i].unicode[n])
                break;
            ck_assert_msg(console_key(b, &key), "sequence %u, key %u: none", i, n);
            ck_assert_msg(key.scan == sequences[i].scan[n] &&
                              key.unicode == sequences[i].unicode[n],
                          "sequence %u, key %u: scan %u, unicode %u", i, n, key.scan, key.unicode);
        }
        while (sequences[i].bytes[1] && strlen(sequences[i].bytes) > 24 && console_key(b, &key))
            ;
        ck_assert_msg(!console_key(b, &key), "sequence %u: one key more", i);
    }
}
END_TEST

/* More keys than the queue holds wait in the port. */
START_TEST(many_keys)
{
    struct key key;

    for (unsigned i = 0; i < 10000; i++)
        g_string_append_c(input, (char)('a' + i % 26));
    for (unsigned i = 0; i < 10000; i++) {
        ck_assert(console_key(b, &key));
        ck_assert_uint_eq(key.unicode, 'a' + i % 26);
    }
    ck_assert(!console_key(b, &key));
}
END_TEST

/* --- options --- */

static void put(const char *name, const void *data, uint32_t size)
{
    ck_assert_uint_eq(efi_variable_put(fw, guid_global_variable, name, NV_BOOT_RUNTIME, data, size),
                      EFI_SUCCESS);
}

static struct bootopt *option(const char *text, const char *data)
{
    struct devpath path = {.size = 0};

    devpath_add_pci(&path, 1, 2);
    return bootopt_new(text, &path, data, data ? (uint32_t)strlen(data) + 1 : 0);
}

START_TEST(options)
{
    struct bootopt *a = option("one", "data"), *o = option("two", NULL), *back;
    GPtrArray *list = g_ptr_array_new();

    ck_assert_uint_eq(bootopt_write(b, a), EFI_SUCCESS);
    ck_assert_uint_eq(bootopt_write(b, o), EFI_SUCCESS);
    ck_assert_int_eq(a->number, 0);
    ck_assert_int_eq(o->number, 1);
    g_ptr_array_add(list, o);
    g_ptr_array_add(list, a);
    ck_assert_uint_eq(bootopt_set_order(b, list), EFI_SUCCESS);
    g_ptr_array_unref(list);
    list = bootopt_list(b);
    ck_assert_uint_eq(list->len, 2);
    back = list->pdata[1];
    ck_assert_str_eq(back->text, "one");
    ck_assert_uint_eq(back->size, 5);
    ck_assert_str_eq((const char *)back->data, "data");
    ck_assert_uint_eq(back->path_size, a->path_size);
    ck_assert_mem_eq(back->path, a->path, a->path_size);
    ck_assert_uint_eq(back->attributes, BOOTOPT_ACTIVE);
    ck_assert_uint_eq(bootopt_delete(b, 1), EFI_SUCCESS);
    g_ptr_array_unref(list);
    list = bootopt_list(b); /* BootOrder still names it */
    ck_assert_uint_eq(list->len, 1);
    g_ptr_array_unref(list);
    bootopt_free(a);
    bootopt_free(o);
    ck_assert_ptr_null(bootopt_read(b, 1));
}
END_TEST

/* Every prefix of an option, and every byte of it changed: parsed or called damaged. */
START_TEST(damaged_options)
{
    struct bootopt *o = option("description", "data");
    const struct fw_variable *v;
    uint8_t copy[256], save;
    uint32_t size;

    ck_assert_uint_eq(bootopt_write(b, o), EFI_SUCCESS);
    bootopt_free(o);
    v = efi_variable(fw, guid_global_variable, "Boot0000");
    size = v->size;
    memcpy(copy, v->data, size);
    for (uint32_t n = 1; n < size; n++) {
        put("Boot0000", copy, n);
        o = bootopt_read(b, 0);
        ck_assert(o && o->text);
        ck_assert(o->damaged || (o->path_size && n >= size - 5));
        bootopt_free(o);
    }
    for (uint32_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            save = copy[i];
            copy[i] ^= (uint8_t)(1 << bit);
            put("Boot0000", copy, size);
            o = bootopt_read(b, 0);
            ck_assert(o && o->text && o->path_size < DEVPATH_MAX);
            bootopt_free(o);
            copy[i] = save;
        }
}
END_TEST

/* --- screens --- */

static void hostile_variables(unsigned seed)
{
    uint8_t junk[2000];
    char name[16];

    for (unsigned n = 0; n < 40; n++) {
        for (unsigned i = 0; i < sizeof(junk); i++) {
            seed = seed * 1103515245 + 12345;
            junk[i] = (uint8_t)(seed >> 24);
        }
        snprintf(name, sizeof(name), "Boot%04X", n);
        memset(junk + 8, 0, 2); /* a description of one character */
        memset(junk + 4, 20, 1);
        junk[5] = 0;
        put(name, junk, 1 + (seed >> 16) % sizeof(junk));
    }
    for (unsigned i = 0; i < sizeof(junk); i += 2)
        junk[i + 1] = 0, junk[i] = (uint8_t)(i % 50);
    put("BootOrder", junk, sizeof(junk) - 1);
    put("ConIn", junk, 30);
    put("Timeout", "\2\0", 2);
}

static const char *const screens[] = {
    "Please select a boot option",
    "Main Menu. Select an Operation",
    "Boot from a File.  Select a Volume",
    "Add a Boot Option.  Select a Volume",
    "Select file or change to new directory:",
    "Enter New Description:",
    "Delete Boot Option(s).  Select an Option",
    "Change Boot Order.  Select an Option",
    "Manage BootNext setting.  Select an Option",
    "Set Auto Boot TimeOut.  Select an Option",
    "Enter Timeout value",
    "Select the Console Output Device(s)",
    "Select the Console Input Device(s)",
    "Select the Standard Error Device(s)",
    "Save changes to NVRAM",
};
static unsigned screens_seen;

static void see_screens(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(screens); i++)
        if (shown(screens[i]))
            screens_seen |= 1u << i;
}

/* Every screen is reached and left in every order. */
START_TEST(random_keys)
{
    static const char *const keys[] = {
        "\r",      "\r",      "\033[B", "\033[B", "\033[B",   "\033[B",
        "\033[B",  "\033[A",  "\033[F", "\033[H", "v",        "^",
        "u",       "d",       "b",      "r",      "\rexit\r", "Y\r",
        "N\r",     "abc\r",   "70\r",   "A\r",    "U\r",      "\033z",
        "\033[6~", "\033[5~", "\b",     "\x0c",   "x",        "12345678901234567890",
    };
    unsigned seed = (unsigned)_i + 1;

    hostile_variables(seed);
    bootmgr_start(b);
    for (unsigned i = 0; i < 60000; i++) {
        seed = seed * 1103515245 + 12345;
        g_string_append(input, keys[(seed >> 16) % G_N_ELEMENTS(keys)]);
        if (i % 8 == 0)
            run(i % 64 ? 2 : 200); /* at times long enough for a lone escape */
        if (output->len > MB) {
            see_screens();
            g_string_truncate(output, 0);
        }
        ck_assert_uint_le(fw->vars_total, FW_VAR_TOTAL);
    }
    see_screens();
    ck_assert(b->live);
    for (unsigned i = 0; i < G_N_ELEMENTS(screens); i++)
        ck_assert_msg(screens_seen & 1u << i, "never seen: %s", screens[i]);
}
END_TEST

START_TEST(count_down)
{
    put("Timeout", "\2\0", 2);
    bootmgr_start(b);
    run(100);
    ck_assert(shown("Please select a boot option"));
    ck_assert(shown("Default boot selection will be booted in 2 seconds"));
    ck_assert(!shown("Loading.: "));
    run(3000);
    ck_assert(shown("Default boot selection will be booted in 1 seconds"));
    ck_assert(shown("Loading.: EFI Shell [Built-in]"));
}
END_TEST

START_TEST(count_down_stopped)
{
    put("Timeout", "\2\0", 2);
    bootmgr_start(b);
    run(100);
    g_string_assign(input, "x");
    run(5000);
    ck_assert(!shown("Loading.: "));
}
END_TEST

START_TEST(no_count_down)
{
    put("Timeout", "\xff\xff", 2);
    bootmgr_start(b);
    run(5000);
    ck_assert(shown("Please select a boot option"));
    ck_assert(!shown("will be booted") && !shown("Loading.: "));
}
END_TEST

/* BootNext is used up, and may name nothing. */
START_TEST(boot_next)
{
    put("BootNext", "\x34\x12", 2);
    bootmgr_start(b);
    ck_assert_int_eq(boot_variable16(b, "BootNext"), -1);
    run(100);
    ck_assert(shown("Please select a boot option"));
}
END_TEST

START_TEST(cold_reset)
{
    put("Timeout", "\xff\xff", 2);
    bootmgr_start(b);
    g_string_assign(input, "\033[F\r");
    run(500);
    ck_assert(shown("Main Menu. Select an Operation"));
    g_string_assign(input, "\033[F^\r");
    run(500);
    ck_assert_uint_eq(resets, 1);
}
END_TEST

/* Nobody is there to come back to after ExitBootServices. */
START_TEST(too_late)
{
    put("Timeout", "\xff\xff", 2);
    bootmgr_start(b);
    run(50);
    boot_exit_services(b);
    c->halted = false;
    cpu_run(c, 1000);
    ck_assert_uint_eq(resets, 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("menus");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, key_sequences);
    tcase_add_test(t, many_keys);
    tcase_add_test(t, options);
    tcase_add_test(t, damaged_options);
    tcase_add_loop_test(t, random_keys, 0, 4);
    tcase_add_test(t, count_down);
    tcase_add_test(t, count_down_stopped);
    tcase_add_test(t, no_count_down);
    tcase_add_test(t, boot_next);
    tcase_add_test(t, cold_reset);
    tcase_add_test(t, too_late);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int failed;

    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
