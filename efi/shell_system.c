/* The machine in the EFI shell: ver, date, time, reset, cls, echo, pause, stall, exit, err, mode,
 * history. */
#include <inttypes.h>
#include <stdio.h>
#include "le.h"
#include "runtime.h"
#include "shell_priv.h"

#define SECOND 10000000ull /* in 100 ns */

uint64_t cmd_ver(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 0), at = s->b->fw->systab, vendor = 0;
    uint32_t revision[8] = {0};
    uint16_t *text;
    char *name;

    if (status != EFI_SUCCESS)
        return status;
    boot_read(s->b, at + 8, revision, 4);
    boot_read64(s->b, at + 24, &vendor);
    boot_read(s->b, at + 32, revision + 1, 4);
    text = boot_read_str16(s->b, vendor, 100);
    name = text ? shell_utf8(text) : g_strdup("");
    shell_puts(s, "EFI Shell version 1.10 [14.62]\n");
    shell_print(s, "EFI Specification Revision : %u.%02u\n", revision[0] >> 16,
                revision[0] & 0xffff);
    shell_print(s, "EFI Vendor                 : %s\n", name);
    shell_print(s, "EFI Revision               : %u.%u\n", revision[1] >> 16, revision[1] & 0xffff);
    shell_print(s, "Processors                 : %u\n", s->b->fw->cfg.cpus);
    g_free(name);
    g_free(text);
    return EFI_SUCCESS;
}

/* --- date, time --- */

/* n numbers with a separator between them. */
static bool numbers(const char *text, char separator, unsigned n, unsigned *out)
{
    char **part = g_strsplit(text, (char[]){separator, 0}, -1);
    bool ok = g_strv_length(part) == n;

    for (unsigned i = 0; ok && i < n; i++) {
        uint64_t v;

        ok = shell_number(part[i], 10, &v) && v < 10000 && g_ascii_isdigit(part[i][0]);
        out[i] = ok ? (unsigned)v : 0;
    }
    g_strfreev(part);
    return ok;
}

static bool set_date(struct shell *s, const char *text, uint8_t now[16])
{
    static const unsigned days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned v[3];

    if (!numbers(text, '/', 3, v) || v[0] < 1 || v[0] > 12 || v[1] < 1 || v[1] > days[v[0] - 1])
        return false;
    if (v[2] < 100)
        v[2] += v[2] >= 98 ? 1900 : 2000;
    put_le16(now, (uint16_t)v[2]);
    now[2] = (uint8_t)v[0];
    now[3] = (uint8_t)v[1];
    return runtime_set_time(s->b->fw, now);
}

uint64_t cmd_date(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 1);
    uint8_t now[16];

    if (status != EFI_SUCCESS)
        return status;
    runtime_now(s->b->fw, now);
    if (w->count == 1)
        shell_print(s, "%02u/%02u/%04u\n", now[2], now[3], le16(now));
    else if (!set_date(s, w->word[1], now))
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s: a date is mm/dd/yyyy, 1998 to 2099",
                          w->word[1]);
    return EFI_SUCCESS;
}

static bool set_time(struct shell *s, const char *text, uint8_t now[16])
{
    unsigned v[3] = {0};

    if (!numbers(text, ':', 3, v) && !numbers(text, ':', 2, v))
        return false;
    if (v[0] > 23 || v[1] > 59 || v[2] > 59)
        return false;
    for (unsigned i = 0; i < 3; i++)
        now[4 + i] = (uint8_t)v[i];
    return runtime_set_time(s->b->fw, now);
}

uint64_t cmd_time(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 1);
    uint8_t now[16];

    if (status != EFI_SUCCESS)
        return status;
    runtime_now(s->b->fw, now);
    if (w->count == 1)
        shell_print(s, "%02u:%02u:%02u\n", now[4], now[5], now[6]);
    else if (!set_time(s, w->word[1], now))
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s: a time is hh:mm[:ss]", w->word[1]);
    return EFI_SUCCESS;
}

/* --- reset, exit --- */

static enum job_wait reset_step(struct shell *s)
{
    uintptr_t type = (uintptr_t)s->job.data;

    runtime_reset(s->b->fw, s->b->c, (unsigned)type);
    s->job.until = UINT64_MAX;
    return JOB_UNTIL;
}

uint64_t cmd_reset(struct shell *s, struct shell_words *w)
{
    bool warm = shell_option(w, "-w"), off = shell_option(w, "-s");
    uint64_t status = shell_check(s, w, 0, 1);
    uintptr_t type = off ? RESET_SHUTDOWN : warm ? RESET_WARM : RESET_COLD;

    if (status == EFI_SUCCESS)
        shell_begin(s, reset_step, (void *)type, NULL);
    return status;
}

uint64_t cmd_exit(struct shell *s, struct shell_words *w)
{
    bool script = shell_option(w, "/b") | shell_option(w, "-b");
    uint64_t status = shell_check(s, w, 0, 1), v = 0;

    if (status != EFI_SUCCESS)
        return status;
    if (w->count == 2 && !shell_number(w->word[1], 10, &v))
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s is no number", w->word[1]);
    if (script && s->scripts)
        script_free(s->script[--s->scripts].script);
    else
        s->leave = true;
    return v;
}

/* --- the screen --- */

uint64_t cmd_cls(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 1), color = 0;

    if (status != EFI_SUCCESS)
        return status;
    if (w->count == 2 && (!shell_number(w->word[1], 10, &color) || color > 7))
        return shell_fail(s, EFI_INVALID_PARAMETER, "a color is a number from 0 to 7");
    if (s->redirected)
        return EFI_SUCCESS;
    if (w->count == 2)
        console_attribute(s->b, (unsigned)color << 4 | (color == 7 ? 0 : 7));
    console_clear(s->b);
    return EFI_SUCCESS;
}

uint64_t cmd_mode(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 2);

    if (status != EFI_SUCCESS)
        return status;
    if (w->count == 1)
        shell_puts(s, "Available modes for console output device.\n  Col  80 Row  25  *\n");
    else if (w->count != 3 || strcmp(w->word[1], "80") || strcmp(w->word[2], "25"))
        return shell_fail(s, EFI_UNSUPPORTED, "the console has one mode, 80 25");
    return EFI_SUCCESS;
}

uint64_t cmd_echo(struct shell *s, struct shell_words *w)
{
    struct shell_level *l = s->scripts ? &s->script[s->scripts - 1] : NULL;
    bool on = shell_option(w, "-on"), off = !on && shell_option(w, "-off");
    char *text;

    if (l && (on || off))
        l->echo = on;
    if (on || off)
        return EFI_SUCCESS;
    if (w->count == 1) {
        shell_print(s, "Echo is %s\n", !l || l->echo ? "on" : "off");
        return EFI_SUCCESS;
    }
    text = g_strjoinv(" ", w->word + 1);
    shell_print(s, "%s\n", text);
    g_free(text);
    return EFI_SUCCESS;
}

uint64_t cmd_history(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 0);
    const char *line;
    unsigned n = 0;

    while (line_history(s->editor, n))
        n++;
    while (status == EFI_SUCCESS && n && (line = line_history(s->editor, --n)))
        shell_print(s, "%s\n", line);
    return status;
}

/* --- waiting --- */

static enum job_wait pause_step(struct shell *s)
{
    const struct key *k = &s->job.key;

    if (!k->scan && !k->unicode)
        return JOB_KEY;
    shell_puts(s, "\n");
    if (k->unicode != 'q' && k->unicode != 'Q' && k->scan != 0x17)
        return JOB_DONE;
    while (s->scripts)
        script_free(s->script[--s->scripts].script);
    return JOB_DONE;
}

uint64_t cmd_pause(struct shell *s, struct shell_words *w)
{
    bool quiet = shell_option(w, "-q");
    uint64_t status = shell_check(s, w, 0, 0);

    if (status != EFI_SUCCESS)
        return status;
    if (!quiet)
        shell_puts(s, "Enter 'q' to quit, any other key to continue: ");
    shell_begin(s, pause_step, NULL, NULL);
    return EFI_SUCCESS;
}

static enum job_wait stall_step(struct shell *s)
{
    return boot_now(s->b) < s->job.until ? JOB_UNTIL : JOB_DONE;
}

uint64_t cmd_stall(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 1, 1), v;

    if (status != EFI_SUCCESS)
        return status;
    if (!shell_number(w->word[1], 10, &v) || v > 86400 * 1000000ull)
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s: microseconds, at most a day", w->word[1]);
    shell_begin(s, stall_step, NULL, NULL);
    s->job.until = boot_now(s->b) + boot_ticks(s->b, v * 10);
    return EFI_SUCCESS;
}

/* --- err --- */

/* The firmware's messages go to the host's log; the level is kept for programs that look at it. */
uint64_t cmd_err(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 1), v;

    if (status != EFI_SUCCESS)
        return status;
    if (w->count == 2) {
        if (!shell_number(w->word[1], 16, &v) || v > UINT32_MAX)
            return shell_fail(s, EFI_INVALID_PARAMETER, "%s: 32 bits, hexadecimal", w->word[1]);
        s->error_level = (uint32_t)v;
    }
    shell_print(s, "EFI ERROR %08X\n", s->error_level);
    return EFI_SUCCESS;
}

uint64_t cmd_script_only(struct shell *s, struct shell_words *w)
{
    return shell_fail(s, EFI_UNSUPPORTED, "only in script files; see 'help %s'", w->word[0]);
}
