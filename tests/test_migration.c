/* Parts of a migration by themselves: frames, the offer, marks, files that arrive, pieces of
 * storage; and the progress bar. */
#define _GNU_SOURCE
#include "incoming.h"
#include "migration.h"
#include "progress.h"
#include "vmp.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char *root;

static void add(struct guest *g, const char *text)
{
    struct resource r;
    char why[300] = "";
    ck_assert_msg(resource_parse(text, RESOURCE_ADD, &r, why, sizeof why) == 0, "%s", why);
    ck_assert_msg(guest_add_device(g, &r, why, sizeof why) == 0, "%s", why);
}

static struct guest *sample(const char *name)
{
    struct guest *g = guest_new();
    g_strlcpy(g->name, name, sizeof g->name);
    state_new_uuid(g->uuid);
    g->number = 1;
    add(g, "disk:scsi:0,0,0:file:/a");
    add(g, "disk:scsi:0,0,1:disk:/b");
    add(g, "dvd:scsi:0,0,2:null:/c");
    add(g, "network:lan:0,1,0x56A3E9D74099:vswitch:localnet");
    return g;
}

/* --- the bar --- */

static void expect_line(const char *wanted, uint64_t done, uint64_t total, int64_t us, unsigned n)
{
    char line[300];
    progress_line(line, sizeof line, "disk.img", done, total, us, n);
    ck_assert_str_eq(line, wanted);
    ck_assert_uint_le(strlen(line), n > 40 ? n : 40);
}

START_TEST(bar)
{
    const uint64_t mb = 1000000;
    expect_line("disk.img  [==========           ]  50%  10.0 MB/s  0:05 left", 50 * mb, 100 * mb,
                5000000, 60);
    expect_line("disk.img  [                     ]   0%  0.0 MB/s  -:-- left", 0, 100 * mb, 1, 59);
    expect_line("disk.img  [=====================] 100%  50.0 MB/s  0:00 left", 100 * mb, 90 * mb,
                1800000, 60);
    char line[300];
    progress_line(line, sizeof line, "x", 1, UINT64_MAX, 1000000, 500);
    ck_assert_ptr_nonnull(strstr(line, "99:59:59 left"));
    progress_line(line, sizeof line, "x", 0, 0, 0, 0);
    progress_line(line, 10, "a name that is longer than the line", 1, 2, 1, 30);
    ck_assert_uint_eq(strlen(line), 9);
}
END_TEST

/* --- pieces --- */

static int remember(void *opaque, uint64_t at, const void *data, size_t count)
{
    GString *seen = opaque;
    ck_assert_uint_eq(at % STORAGE_PIECE, 0);
    g_string_append_printf(seen, "%llu+%zu:%c ", (unsigned long long)(at / STORAGE_PIECE), count,
                           *((const char *)data + 5));
    return 0;
}

static int temporary(uint64_t bytes)
{
    g_autofree char *name = g_build_filename(root, "fileXXXXXX", NULL);
    int fd = g_mkstemp(name);
    ck_assert_int_ge(fd, 0);
    unlink(name);
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

START_TEST(pieces)
{
    const uint64_t bytes = 5 * STORAGE_PIECE + 100;
    char a[STORAGE_DIGEST_SIZE], b[STORAGE_DIGEST_SIZE];
    int fd = temporary(bytes);
    g_autoptr(GString) seen = g_string_new(NULL);
    ck_assert_int_eq(pwrite(fd, "x", 1, 2 * STORAGE_PIECE + 5), 1);
    ck_assert_int_eq(pwrite(fd, "y", 1, 5 * STORAGE_PIECE + 5), 1);
    ck_assert_int_eq(storage_walk(fd, bytes, remember, seen, NULL), 0);
    g_autofree char *wanted = g_strdup_printf("2+%d:x 5+100:y ", STORAGE_PIECE);
    ck_assert_str_eq(seen->str, wanted);
    ck_assert_int_eq(storage_digest(fd, bytes, a, NULL), 0);
    g_autofree char *zeros = g_malloc0(STORAGE_PIECE); /* a hole less */
    ck_assert_int_eq(pwrite(fd, zeros, STORAGE_PIECE, 0), STORAGE_PIECE);
    ck_assert_int_eq(storage_digest(fd, bytes, b, NULL), 0);
    ck_assert_str_eq(a, b);
    ck_assert_int_eq(pwrite(fd, "z", 1, 7), 1);
    ck_assert_int_eq(storage_digest(fd, bytes, b, NULL), 0);
    ck_assert_str_ne(a, b);
    ck_assert_int_eq(storage_walk(fd, bytes + 1, remember, seen, NULL), -EIO); /* cut off */
    close(fd);
}
END_TEST

START_TEST(writing)
{
    char got[4];
    int fd = temporary(10);
    ck_assert_int_eq(pwrite(fd, "0123456789", 10, 0), 10);
    struct storage_writer w = {.fd = fd, .device = true, .bytes = 8};
    ck_assert_int_eq(storage_write(&w, 2, "ab", 2), 0);
    ck_assert_int_eq(storage_write(&w, 3, "c", 1), -EINVAL);
    ck_assert_int_eq(storage_write(&w, 7, "cd", 2), -EINVAL);
    ck_assert_int_eq(storage_write(&w, UINT64_MAX, "c", 1), -EINVAL);
    ck_assert_int_eq(storage_finish(&w), 0);
    ck_assert_int_eq(pread(fd, got, 4, 0), 4);
    ck_assert_int_eq(memcmp(got, "\0\0ab", 4), 0);
    ck_assert_int_eq(pread(fd, got, 4, 6), 4);
    ck_assert_int_eq(memcmp(got,
                            "\0\0"
                            "89",
                            4),
                     0);
    close(fd);
}
END_TEST

/* --- frames --- */

static void in_memory(struct peer *p)
{
    int fd = memfd_create("frames", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    peer_init(p, fd, fd);
}

static void done_with(struct peer *p)
{
    close(p->in);
    peer_clear(p);
}

START_TEST(frames)
{
    struct peer p;
    const uint8_t *data;
    uint64_t at;
    size_t count;
    in_memory(&p);
    ck_assert_int_eq(peer_say(&p, 'H', "hello"), 0);
    ck_assert_int_eq(peer_say(&p, 'P', ""), 0);
    ck_assert_int_eq(peer_piece(&p, 0x123456789abcdull, "abc", 3), 0);
    ck_assert_int_eq(peer_say(&p, 'X', "es\033c"), 0);
    ck_assert_int_eq(peer_send(&p, 'A', root, MIGRATION_LINE_MAX + 1), -EMSGSIZE);
    lseek(p.in, 0, SEEK_SET);
    ck_assert_int_eq(peer_receive(&p, "AH"), 0);
    ck_assert_str_eq(peer_text(&p), "hello");
    ck_assert_int_eq(peer_take_piece(&p, &at, &data, &count), -EPROTO);
    ck_assert_int_eq(peer_receive(&p, "P"), 0);
    ck_assert_str_eq(peer_text(&p), "");
    ck_assert_int_eq(peer_receive(&p, "D"), 0);
    ck_assert_int_eq(peer_take_piece(&p, &at, &data, &count), 0);
    ck_assert(at == 0x123456789abcdull && count == 3 && memcmp(data, "abc", 3) == 0);
    ck_assert_int_eq(peer_receive(&p, "X"), 0);
    ck_assert_ptr_null(peer_text(&p));
    ck_assert_int_eq(peer_receive(&p, "X"), -EPIPE);
    done_with(&p);
}
END_TEST

/* One frame with one byte changed. */
START_TEST(damaged_frames)
{
    for (int i = 0; i < 17; i++) {
        struct peer p;
        char byte;
        in_memory(&p);
        ck_assert_int_eq(peer_say(&p, 'H', "hello"), 0);
        ck_assert_int_eq(pread(p.in, &byte, 1, i), 1);
        byte ^= 0x40;
        ck_assert_int_eq(pwrite(p.in, &byte, 1, i), 1);
        lseek(p.in, 0, SEEK_SET);
        int err = peer_receive(&p, "H");
        ck_assert_msg(err == -EPROTO || err == -EPIPE, "byte %d: %d", i, err);
        done_with(&p);
    }
}
END_TEST

/* --- the offer --- */

START_TEST(offers)
{
    struct guest *g = sample("g");
    struct offer o, again;
    offer_init(&o, g);
    o.force = true;
    o.items[0] = (struct offer_item){.kind = OFFER_COPY, .bytes = 1 << 20, .used = 4096};
    o.items[1] = (struct offer_item){.kind = OFFER_WWID, .wwid = "6005-08b1"};
    GString *text = offer_write(&o);
    ck_assert_int_eq(offer_parse(&again, text->str, g), 0);
    GString *second = offer_write(&again);
    ck_assert_str_eq(text->str, second->str);
    g_string_free(text, TRUE);
    g_string_free(second, TRUE);
    offer_clear(&again);
    static const char *const wrong[] = {
        "",
        "token 0\nforce 0\nnone\nnone\nnone\nnone\n",
        "token T\nforce 2\nnone\nnone\nnone\nnone\n",
        "token T\nforce 0\nnone\nnone\nnone\n",
        "token T\nforce 0\nnone\nnone\nnone\nnone\nnone\n",
        "token T\nforce 0\nnone\nnone\nnone\nnone",
        "token T\nforce 0\ncopy 1\nnone\nnone\nnone\n",
        "token T\nforce 0\ncopy 1 2\nnone\nnone\nnone\n",
        "token T\nforce 0\ncopy 1 1 1\nnone\nnone\nnone\n",
        "token T\nforce 0\nfile 1125899906842625\nnone\nnone\nnone\n",
        "token T\nforce 0\nnone\nwwid X\nnone\nnone\n",
        "token T\nforce 0\nnone\nnone\ncopy 1 1\nnone\n",
        "token T\nforce 0\nnone\nnone\nnone\nfile 1\n",
        "token T\nforce 0\nnone 1\nnone\nnone\nnone\n",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(GStrv) parts = g_strsplit(wrong[i], "T", 2);
        g_autofree char *changed = g_strjoinv(o.token, parts);
        ck_assert_msg(offer_parse(&again, changed, g) == -EPROTO, "accepted: %s", wrong[i]);
    }
    offer_clear(&o);
    guest_free(g);
}
END_TEST

START_TEST(hosts)
{
    static const char *const good[] = {"hostb", "abc.def.com", "root@10.0.0.1", "fe80::1%eth0"};
    static const char *const bad[] = {"", "-oX=y", "a b", "a;b", "a\nb", "a'b", "a/b"};
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        ck_assert(migration_host_valid(good[i]));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        ck_assert(!migration_host_valid(bad[i]));
}
END_TEST

/* --- the state --- */

static struct state *writable(void)
{
    char why[300] = "";
    struct state *s = state_open(true, why, sizeof why);
    ck_assert_msg(s != NULL, "%s", why);
    return s;
}

START_TEST(marks)
{
    struct state *s = writable();
    struct guest *g = sample("marked");
    struct migration_mark m = {.host = "hostb", .token = "0123456789abcdef0123456789abcdef"}, got;
    const struct state_file files[] = {{MIGRATION_ARRIVED, m.token, strlen(m.token)},
                                       {"app/nvram", "vars", 4}};
    GString *text;
    ck_assert_int_eq(state_create_with(s, g, files, 2), 0);
    ck_assert(migration_arrived(s, g->uuid, m.token));
    ck_assert(!migration_arrived(s, g->uuid, "0123456789abcdef0123456789abcdee"));
    ck_assert_int_eq(state_read_own(s, g->uuid, "app/nvram", 4, &text), 0);
    ck_assert_str_eq(text->str, "vars");
    g_string_free(text, TRUE);
    ck_assert_int_eq(state_read_own(s, g->uuid, "app/nvram", 3, &text), -EIO);
    ck_assert(!migration_mark_read(s, g->uuid, &got));
    ck_assert_int_eq(migration_mark_write(s, g->uuid, &m), 0);
    ck_assert(migration_mark_read(s, g->uuid, &got));
    ck_assert_str_eq(got.host, "hostb");
    ck_assert_str_eq(got.token, m.token);
    g_autoptr(GString) odd = g_string_new("-oProxyCommand=x y");
    ck_assert_int_eq(state_write_own(s, g->uuid, "migrating", odd), 0);
    ck_assert(migration_mark_read(s, g->uuid, &got)); /* damaged, but there */
    ck_assert_str_eq(got.host, "");
    ck_assert_int_eq(migration_mark_clear(s, g->uuid), 0);
    ck_assert_int_eq(migration_mark_clear(s, g->uuid), 0);
    ck_assert(!migration_mark_read(s, g->uuid, &got));
    guest_free(g);
    state_close(s);
}
END_TEST

static bool exists(const char *path, const char *suffix)
{
    g_autofree char *name = g_strconcat(path, suffix, NULL);
    return access(name, F_OK) == 0;
}

START_TEST(arrivals)
{
    struct state *s = writable();
    char uuid[37], why[400] = "";
    g_autofree char *a = g_build_filename(root, "a.img", NULL);
    g_autofree char *b = g_build_filename(root, "b.img", NULL);
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_ptr_array_add(paths, a);
    g_ptr_array_add(paths, b);
    state_new_uuid(uuid);
    struct incoming *in = incoming_new(s, uuid, paths, why, sizeof why);
    ck_assert_msg(in != NULL, "%s", why);
    ck_assert(exists(a, ".hpvmmigrate") && !exists(a, ""));
    ck_assert_ptr_null(incoming_new(s, uuid, paths, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "exists already"));
    incoming_clean(s); /* it lives */
    ck_assert(exists(a, ".hpvmmigrate"));
    ck_assert_int_eq(pwrite(incoming_file(in, 1), "x", 1, 0), 1);
    ck_assert_int_eq(incoming_publish(in, why, sizeof why), 0);
    ck_assert(exists(a, "") && exists(b, ""));
    incoming_end(in, false);
    ck_assert(!exists(a, "") && !exists(b, "") && !exists(b, ".hpvmmigrate"));
    in = incoming_new(s, uuid, paths, why, sizeof why);
    ck_assert(g_file_set_contents(b, "somebody else's", -1, NULL));
    ck_assert_int_eq(incoming_publish(in, why, sizeof why), -EEXIST);
    ck_assert(!exists(a, ""));
    incoming_end(in, true);
    ck_assert(exists(b, "") && !exists(a, ".hpvmmigrate"));
    state_close(s);
}
END_TEST

/* What a receiver that died has left, before and after its guest was there. */
static void leave_behind(struct state *s, const char *uuid, const char *path, bool published)
{
    g_autofree char *journal = g_strdup_printf("%s/common/incoming-%s", state_root(s), uuid);
    g_autofree char *other = g_strconcat(path, ".hpvmmigrate", NULL);
    g_autofree char *text = g_strdup_printf("%s\n/half a na", path);
    ck_assert(g_file_set_contents(journal, text, -1, NULL));
    ck_assert(g_file_set_contents(other, "data", -1, NULL));
    if (published)
        ck_assert_int_eq(link(other, path), 0);
}

START_TEST(dead_receivers)
{
    struct state *s = writable();
    struct guest *g = sample("arrived");
    char uuid[37];
    g_autofree char *path = g_build_filename(root, "dead.img", NULL);
    state_new_uuid(uuid);
    leave_behind(s, uuid, path, false);
    incoming_clean(s);
    ck_assert(!exists(path, ".hpvmmigrate"));
    leave_behind(s, uuid, path, true);
    incoming_clean(s);
    ck_assert(!exists(path, "") && !exists(path, ".hpvmmigrate"));
    ck_assert_int_eq(state_create(s, g), 0);
    state_close(s);
    s = writable();
    leave_behind(s, g->uuid, path, true);
    incoming_clean(s);
    ck_assert(exists(path, "") && !exists(path, ".hpvmmigrate"));
    guest_free(g);
    state_close(s);
}
END_TEST

int main(void)
{
    root = g_dir_make_tmp("migration-XXXXXX", NULL);
    g_setenv("HPVM_ROOT", root, TRUE);
    Suite *s = suite_create("migration");
    TCase *t = tcase_create("migration");
    tcase_add_test(t, bar);
    tcase_add_test(t, pieces);
    tcase_add_test(t, writing);
    tcase_add_test(t, frames);
    tcase_add_test(t, damaged_frames);
    tcase_add_test(t, offers);
    tcase_add_test(t, hosts);
    tcase_add_test(t, marks);
    tcase_add_test(t, arrivals);
    tcase_add_test(t, dead_receivers);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    const char *const clear[] = {"rm", "-rf", "--", root, NULL};
    g_spawn_sync(NULL, (char **)clear, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
    return failed != 0;
}
