/* The variable store: bytes, files, damage, sudden death, and how the firmware uses it. Samples of
 * every version of the format are in tests/nvram: NAME.nvram and what it says, NAME.txt.
 */
#include "efi_machine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "le.h"
#include "log.h"
#include "nvram.h"
#include "runtime.h"

static char dir[64], path[100], why[5000];

static void setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/kittson-nvram-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/store", dir);
}

static void teardown(void)
{
    char cmd[100];

    snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

static struct nvram_list list_of(unsigned count, uint32_t size)
{
    struct nvram_list l = {0};
    uint16_t name[8];
    uint8_t *data = calloc(1, size + 1);

    for (unsigned i = 0; i < count; i++) {
        struct nvram_var v = {.attr = 7, .name_size = 10, .size = size, .name = name, .data = data};

        for (unsigned k = 0; k < 4; k++)
            name[k] = (uint16_t)('A' + (i >> 4 * k & 15));
        name[4] = 0;
        memset(data, (int)i, size);
        v.guid[0] = (uint8_t)i;
        ck_assert_int_eq(nvram_list_add(&l, &v), 0);
    }
    free(data);
    return l;
}

static void expect_same(const struct nvram_list *a, const struct nvram_list *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (unsigned i = 0; i < a->count; i++) {
        const struct nvram_var *x = &a->var[i], *y = &b->var[i];

        ck_assert_mem_eq(x->guid, y->guid, 16);
        ck_assert_uint_eq(x->attr, y->attr);
        ck_assert_uint_eq(x->name_size, y->name_size);
        ck_assert_mem_eq(x->name, y->name, x->name_size);
        ck_assert_uint_eq(x->size, y->size);
        ck_assert_mem_eq(x->data, y->data, x->size);
    }
}

START_TEST(samples)
{
    static const char *const names[] = {"v1"};
    struct nvram_list l, text;
    char name[1000];
    FILE *f;

    snprintf(name, sizeof(name), "%s/tests/nvram/%s.nvram", KITTSON_SOURCE_DIR, names[_i]);
    ck_assert_msg(nvram_read(name, &l, why, sizeof(why)) == 0, "%s", why);
    snprintf(name, sizeof(name), "%s/tests/nvram/%s.txt", KITTSON_SOURCE_DIR, names[_i]);
    f = fopen(name, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_msg(nvram_import(f, &text, why, sizeof(why)) == 0, "%s", why);
    fclose(f);
    ck_assert_uint_ge(l.count, 4);
    expect_same(&l, &text);
    nvram_list_free(&l);
    nvram_list_free(&text);
}
END_TEST

START_TEST(bytes)
{
    struct nvram_list l = list_of(20, 33), back;
    uint8_t *bytes, *copy;
    size_t size;
    int err;

    ck_assert_int_eq(nvram_encode(&l, &bytes, &size), 0);
    ck_assert_int_eq(nvram_decode(bytes, size, &back, why, sizeof(why)), 0);
    expect_same(&l, &back);
    nvram_list_free(&back);
    copy = malloc(size);
    for (size_t i = 0; i < size; i++) { /* every damaged byte is noticed, the rest survives */
        memcpy(copy, bytes, size);
        copy[i] ^= 0x41;
        err = nvram_decode(copy, size, &back, why, sizeof(why));
        ck_assert_msg(err == -EBADMSG || (err == -ENOTSUP && i >= 8 && i < 12), "byte %zu: %d", i,
                      err);
        if (i >= 24)
            ck_assert_uint_ge(back.count, (i - 16) / ((size - 16) / 20));
        nvram_list_free(&back);
    }
    for (size_t n = 1; n < size; n++) {
        ck_assert_int_eq(nvram_decode(bytes, n, &back, why, sizeof(why)), -EBADMSG);
        nvram_list_free(&back);
    }
    put_le32(bytes + 8, 2);
    ck_assert_int_eq(nvram_decode(bytes, size, &back, why, sizeof(why)), -ENOTSUP);
    ck_assert_ptr_nonnull(strstr(why, "version 2"));
    free(copy);
    free(bytes);
    nvram_list_free(&l);
}
END_TEST

START_TEST(limits)
{
    struct nvram_list l = list_of(20, NVRAM_DATA_MAX);
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(nvram_encode(&l, &bytes, &size), -ENOSPC);
    nvram_list_free(&l);
    l = list_of(NVRAM_VARS_MAX + 1, 1);
    ck_assert_int_eq(nvram_encode(&l, &bytes, &size), -ENOSPC);
    nvram_list_free(&l);
}
END_TEST

START_TEST(files)
{
    struct nvram_list l = list_of(3, 5), back;
    struct nvram *n, *second;
    struct stat st;
    char name[200];

    ck_assert_int_eq(nvram_open(path, &n, &back, why, sizeof(why)), 0);
    ck_assert_uint_eq(back.count, 0);
    ck_assert_str_eq(why, "");
    ck_assert_int_eq(chmod(path, 0600), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(nvram_write(n, &l), 0);
        ck_assert_int_eq(nvram_open(path, &second, &back, why, sizeof(why)), -EBUSY);
        ck_assert_ptr_nonnull(strstr(why, "another process"));
    }
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    nvram_close(n);
    snprintf(name, sizeof(name), "%s/link", dir);
    ck_assert_int_eq(symlink("store", name), 0);
    ck_assert_int_eq(nvram_open(name, &n, &back, why, sizeof(why)), 0);
    expect_same(&l, &back);
    nvram_list_free(&back);
    ck_assert_int_eq(nvram_write(n, &l), 0);
    nvram_close(n);
    ck_assert_int_eq(lstat(name, &st), 0);
    ck_assert(S_ISLNK(st.st_mode));
    ck_assert_int_lt(nvram_open(dir, &n, &back, why, sizeof(why)), 0);
    ck_assert_int_eq(nvram_open("/dev/null", &n, &back, why, sizeof(why)), -EINVAL);
    ck_assert_int_eq(nvram_read("/none", &back, why, sizeof(why)), -ENOENT);
    nvram_list_free(&l);
}
END_TEST

static void put_file(const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

START_TEST(damaged)
{
    struct nvram_list l = list_of(5, 9), back;
    char name[200];
    struct nvram *n;
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(nvram_encode(&l, &bytes, &size), 0);
    bytes[100] ^= 1;
    for (unsigned i = 1; i <= 3; i++) {
        put_file(bytes, size);
        ck_assert_int_eq(nvram_open(path, &n, &back, why, sizeof(why)), 0);
        ck_assert_uint_eq(back.count, 4);
        snprintf(name, sizeof(name), "%s.damaged-%u", path, i);
        ck_assert_ptr_nonnull(strstr(why, name));
        nvram_list_free(&back);
        nvram_close(n);
        ck_assert_int_eq(nvram_read(name, &back, why, sizeof(why)), -EBADMSG);
        nvram_list_free(&back);
        ck_assert_int_eq(nvram_read(path, &back, why, sizeof(why)), 0);
        nvram_list_free(&back);
    }
    put_le32(bytes + 8, 9); /* of the future: neither used nor touched */
    put_file(bytes, size);
    ck_assert_int_eq(nvram_open(path, &n, &back, why, sizeof(why)), -ENOTSUP);
    ck_assert_int_eq(nvram_read(path, &back, why, sizeof(why)), -ENOTSUP);
    free(bytes);
    nvram_list_free(&l);
}
END_TEST

/* A writer that is killed: the store is one of those it wrote, all of it. */
START_TEST(killed)
{
    unsigned seed = 12345;

    for (unsigned round = 0; round < 20; round++) {
        struct nvram_list back;
        struct nvram *n;
        pid_t child = fork();

        if (child == 0) {
            if (nvram_open(path, &n, &back, why, sizeof(why)) != 0)
                _exit(1);
            for (unsigned i = back.count;; i = (i + 1) % 40) {
                struct nvram_list l = list_of(i, 500);

                if (nvram_write(n, &l) != 0)
                    _exit(1);
                nvram_list_free(&l);
            }
        }
        usleep(2000 + rand_r(&seed) % 20000);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        waitpid(child, NULL, 0);
        ck_assert_int_eq(nvram_open(path, &n, &back, why, sizeof(why)), 0);
        ck_assert_str_eq(why, "");
        for (unsigned i = 0; i < back.count; i++)
            ck_assert_uint_eq(back.var[i].data[499], i);
        nvram_list_free(&back);
        nvram_close(n);
    }
}
END_TEST

static int import_text(const char *text, struct nvram_list *out)
{
    FILE *f = fmemopen((void *)text, strlen(text), "r");
    int err = nvram_import(f, out, why, sizeof(why));

    fclose(f);
    return err;
}

START_TEST(text)
{
#define G "8be4df61-93ca-11d2-aa0d-00e098032b8c"
    static const char *const bad[] = {
        "x\n",
        " 00\n",
        G "\n",
        G " \"a\"\n",
        G " \"a\" \n",
        G " \"a\" 7x\n",
        G " \"a\" 0x100000000\n",
        G " \"\" 7\n",
        G " \"a 7\n",
        G " \"a\\\n",
        G " \"\\u00\" 7\n",
        G " \"\\u0000\" 7\n",
        G " \"a\" 7\n 0\n",
        G " \"a\" 7\n 0g\n",
        "8be4df61-93ca-11d2-aa0d-00e098032b8 \"a\" 7\n",
        "8be4df61x93ca-11d2-aa0d-00e098032b8c \"a\" 7\n",
    };
    struct nvram_list l;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(import_text(bad[i], &l) == -EINVAL, "%s", bad[i]);
        ck_assert_msg(strncmp(why, "line ", 5) == 0, "%s", why);
        ck_assert_uint_eq(l.count, 0);
    }
    ck_assert_int_eq(import_text("# x\r\n\n" G " \"a\\\"\" 7\n 01 02\n\t0304\n" G " \"b\" 0x3", &l),
                     0);
    ck_assert_uint_eq(l.count, 2);
    ck_assert_uint_eq(l.var[0].size, 4);
    ck_assert_uint_eq(l.var[0].guid[0], 0x61);
    ck_assert_uint_eq(l.var[0].name[1], '"');
    ck_assert_uint_eq(l.var[1].attr, 3);
    nvram_list_free(&l);
}
END_TEST

/* --- the firmware --- */

#define MEMORY (256ull << 20)

static struct mem *m;
static struct firmware *fw;
static struct cpu *c;

static void start(void)
{
    m = efi_test_mem(MEMORY);
    fw = efi_test_firmware(m, MEMORY, 1);
    c = cpu_new(0, CPU_MONTECITO, m);
    cpu_reset(c);
    firmware_attach_cpu(fw, c);
    ck_assert_msg(firmware_use_nvram(fw, path, why, sizeof(why)) == 0, "%s", why);
}

static void stop(void)
{
    firmware_free(fw);
    cpu_free(c);
    mem_free(m);
}

static uint64_t service(unsigned which, const uint64_t args[8])
{
    cpu_set_cfm(c, 8);
    for (unsigned i = 0; i < 8; i++)
        cpu_set_gr(c, 32 + i, args[i]);
    c->pfs = 8;
    c->ip = FW_STUB_ADDR(FW_ENTRY_RUNTIME + which);
    c->br[0] = 0x1000;
    firmware_call(fw, c, FW_ENTRY_RUNTIME + which);
    return cpu_gr(c, 8);
}

static void put_guest(uint64_t at, const void *bytes, size_t n)
{
    ck_assert_int_eq(mem_dma_write(m, at, bytes, n), 0);
}

/* The name is one letter at 0x10000, the GUID at 0x11000, data at 0x12000. */
static uint64_t set_variable(char letter, const void *bytes, uint64_t size)
{
    const uint16_t name[2] = {(uint8_t)letter, 0};

    put_guest(0x10000, name, sizeof(name));
    put_guest(0x11000, "0123456789abcdef", 16);
    if (size && bytes)
        put_guest(0x12000, bytes, size);
    return service(8, (const uint64_t[8]){0x10000, 0x11000, 7, size, 0x12000});
}

static uint64_t get_variable(char letter, char *to, uint64_t *size)
{
    const uint16_t name[2] = {(uint8_t)letter, 0};
    uint64_t status;

    put_guest(0x10000, name, sizeof(name));
    put_guest(0x11000, "0123456789abcdef", 16);
    put_guest(0x13000, size, 8);
    status = service(6, (const uint64_t[8]){0x10000, 0x11000, 0, 0x13000, 0x12000});
    ck_assert_int_eq(mem_dma_read(m, 0x13000, size, 8), 0);
    if (status == EFI_SUCCESS)
        ck_assert_int_eq(mem_dma_read(m, 0x12000, to, *size), 0);
    return status;
}

START_TEST(firmware_keeps)
{
    uint64_t size = 100;
    char got[100];

    start();
    ck_assert_uint_eq(set_variable('A', "first", 5), EFI_SUCCESS);
    ck_assert_uint_eq(set_variable('B', "second", 6), EFI_SUCCESS);
    ck_assert_uint_eq(set_variable('A', "changed", 7), EFI_SUCCESS);
    ck_assert_uint_eq(set_variable('C', "x", 1), EFI_SUCCESS);
    ck_assert_uint_eq(set_variable('B', NULL, 0), EFI_SUCCESS);
    stop(); /* nothing is written at the end: it is there already */
    start();
    ck_assert_uint_eq(get_variable('A', got, &size), EFI_SUCCESS);
    ck_assert_uint_eq(size, 7);
    ck_assert_mem_eq(got, "changed", 7);
    size = 100;
    ck_assert_uint_eq(get_variable('B', got, &size), EFI_NOT_FOUND);
    ck_assert_uint_eq(get_variable('C', got, &size), EFI_SUCCESS);
    for (char k = 'a'; k < 'm'; k++) /* up to the limit */
        if (set_variable(k, NULL, 60000) == EFI_OUT_OF_RESOURCES)
            ck_assert_int_ge(k, 'd');
    ck_assert_uint_eq(set_variable('z', NULL, 60000), EFI_OUT_OF_RESOURCES);
    stop();
    start();
    size = 100;
    ck_assert_uint_eq(get_variable('A', got, &size), EFI_SUCCESS);
    ck_assert_uint_eq(get_variable('z', got, &size), EFI_NOT_FOUND);
    stop();
}
END_TEST

/* When the file cannot be written the variable is not set either. */
START_TEST(unwritable)
{
    uint64_t size = 100;
    char name[200], got[100];

    log_set_level(LOG_ERROR);
    start();
    ck_assert_uint_eq(set_variable('A', "first", 5), EFI_SUCCESS);
    snprintf(name, sizeof(name), "%s.new", path);
    ck_assert_int_eq(mkdir(name, 0700), 0); /* in the way */
    ck_assert_uint_eq(set_variable('A', "changed", 7), EFI_DEVICE_ERROR);
    ck_assert_uint_eq(set_variable('A', NULL, 0), EFI_DEVICE_ERROR);
    ck_assert_uint_eq(get_variable('A', got, &size), EFI_SUCCESS);
    ck_assert_mem_eq(got, "first", 5);
    ck_assert_int_eq(rmdir(name), 0);
    ck_assert_uint_eq(set_variable('A', NULL, 0), EFI_SUCCESS);
    stop();
}
END_TEST

static uint32_t next_high_count(void)
{
    uint32_t count = 0;

    ck_assert_uint_eq(service(9, (const uint64_t[8]){0x14000}), EFI_SUCCESS);
    ck_assert_int_eq(mem_dma_read(m, 0x14000, &count, sizeof(count)), 0);
    return count;
}

/* The upper half never has a value again that it had before: not after a call, a reset, a
 * restart, or a restart with a store that was full before there was a count in it. */
START_TEST(monotonic_count)
{
    struct nvram_list l;
    uint32_t count;

    start();
    count = next_high_count();
    ck_assert_uint_eq(next_high_count(), count + 1);
    ck_assert_int_eq(firmware_reset(fw), 0);
    firmware_attach_cpu(fw, c);
    ck_assert_uint_eq(next_high_count(), count + 3);
    stop();
    start();
    ck_assert_uint_eq(next_high_count(), count + 5);
    stop();
    ck_assert_int_eq(nvram_read(path, &l, why, sizeof(why)), 0);
    ck_assert_uint_eq(l.count, 1);
    ck_assert_uint_eq(l.var[0].attr, 3); /* not the OS's */
    nvram_list_free(&l);
}
END_TEST

START_TEST(monotonic_count_without_room)
{
    static uint8_t data[65536];
    uint16_t name[2] = {'a', 0};
    struct nvram_var v = {.attr = 7, .name_size = 4, .name = name, .data = data};
    struct nvram_list l = {0};
    struct nvram *n;

    for (unsigned left = FW_VAR_TOTAL; left > 0; name[0]++) {
        v.size = (left < FW_VAR_MAX + 4 ? left : FW_VAR_MAX) - 4;
        ck_assert_int_eq(nvram_list_add(&l, &v), 0);
        left -= v.size + 4;
    }
    ck_assert_int_eq(nvram_open(path, &n, &(struct nvram_list){0}, why, sizeof(why)), 0);
    ck_assert_int_eq(nvram_write(n, &l), 0);
    nvram_close(n);
    nvram_list_free(&l);
    start();
    ck_assert_uint_eq(fw->vars_total, FW_VAR_TOTAL);
    next_high_count();
    stop();
    start(); /* it still fits */
    stop();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nvram");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 20);
    tcase_add_loop_test(t, samples, 0, 1);
    tcase_add_test(t, bytes);
    tcase_add_test(t, limits);
    tcase_add_test(t, files);
    tcase_add_test(t, damaged);
    tcase_add_test(t, killed);
    tcase_add_test(t, text);
    tcase_add_test(t, firmware_keeps);
    tcase_add_test(t, unwritable);
    tcase_add_test(t, monotonic_count);
    tcase_add_test(t, monotonic_count_without_room);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
