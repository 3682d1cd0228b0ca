/* The EFI shell's task: reads lines, runs commands, jobs and scripts, and leaves.
 *
 * One call of run() goes from one wait to the next. Everything that ends comes back through a wait,
 * so that neither scripts nor jobs nest on the host's stack or keep the machine from its turns.
 */
#include "keys.h"
#include "shell_priv.h"

#include <stdio.h>

#define SECOND       10000000ull /* in 100 ns */
#define KEY_WAIT     (SECOND / 100)
#define STARTUP_NAME "startup.nsh"
#define STARTUP_WAIT 5
#define SCRIPT_MAX   (4u << 20)

enum state {
    START,     /* counts down to startup.nsh */
    NEXT,      /* the next line of a script, or a prompt */
    READ,      /* a line is being typed */
    SHOW,      /* what was printed is shown, then the job goes on or the command ends */
    PAGE,      /* a page is full */
    JOB_READS, /* the job waits for ... */
    JOB_KEYS,
    JOB_WAITS,
    JOB_CALLS, /* guest code */
};

/* --- the terminal of the line editor --- */

static void type_text(void *opaque, const char *utf8)
{
    GString *g = g_string_new(NULL);

    while (*utf8) {
        uint16_t c = shell_char(&utf8);

        g_string_append_c(g, c < 0x7f ? (char)c : '?');
    }
    console_puts(((struct shell *)opaque)->b, g->str);
    g_string_free(g, TRUE);
}

static void type_move(void *opaque, int cells)
{
    console_move(((struct shell *)opaque)->b, cells);
}

/* --- jobs and commands --- */

void shell_begin(struct shell *s, enum job_wait (*step)(struct shell *s), void *data,
                 void (*free)(struct shell *s, void *data))
{
    s->job.step = step;
    s->job.data = data;
    s->job.free = free;
}

static void end_job(struct shell *s)
{
    struct shell_job job = s->job;

    memset(&s->job, 0, sizeof(s->job));
    g_free(job.line);
    if (job.free)
        job.free(s, job.data);
}

static void wait_for(struct shell *s, uint64_t hundred_ns)
{
    task_wait(s->b, s->task, boot_now(s->b) + boot_ticks(s->b, hundred_ns));
}

char *shell_variable(void *shell, const char *name)
{
    struct shell *s = shell;
    char *v = s->scripts ? script_variable(s->script[s->scripts - 1].script, name) : NULL;

    if (!v && g_ascii_strcasecmp(name, "lasterror") == 0)
        return g_strdup_printf("0x%" G_GINT64_MODIFIER "X", s->status);
    if (!v && *name != '%' && !g_ascii_isdigit(*name))
        v = shell_env_get(s, name);
    return v;
}

static void set_words(struct shell *s, struct shell_words *w)
{
    if (s->words)
        shell_words_free(s->words);
    g_free(s->words);
    s->words = w;
}

/* The alias of the first word takes its place; its value may have several words. */
static void put_alias(struct shell *s, struct shell_words *w)
{
    char *value = w->quoted[0] ? NULL : shell_alias(s, w->word[0]);
    struct shell_words a;
    const char *why;
    GPtrArray *words;

    if (!value)
        return;
    if (shell_parse(value, &a, &why) == 0) {
        words = g_ptr_array_new();
        for (unsigned i = 0; i < a.count; i++)
            g_ptr_array_add(words, g_strdup(a.word[i]));
        if (a.count && a.count + w->count <= SHELL_WORDS) {
            g_free(w->word[0]);
            for (unsigned i = 1; i <= w->count; i++)
                g_ptr_array_add(words, w->word[i]);
            g_free(w->word);
            w->quoted = g_renew(bool, w->quoted, a.count + w->count);
            memmove(w->quoted + a.count, w->quoted + 1, (w->count - 1) * sizeof(bool));
            memcpy(w->quoted, a.quoted, a.count * sizeof(bool));
            w->count += a.count - 1;
            w->word = (char **)g_ptr_array_free(words, FALSE);
        } else {
            g_ptr_array_set_free_func(words, g_free);
            g_ptr_array_unref(words);
        }
        shell_words_free(&a);
    }
    g_free(value);
}

static bool is_volume(const char *name)
{
    size_t n = strlen(name);

    return n > 1 && name[n - 1] == ':';
}

static uint64_t run_words(struct shell *s, struct shell_words *w)
{
    const struct shell_command *c = shell_command(w->word[0]);
    uint64_t status;

    if (c)
        return c->run(s, w);
    if (is_volume(w->word[0]) && w->count == 1)
        return shell_map_enter(s, w->word[0]);
    status = shell_run_program(s, w);
    if (status != EFI_NOT_FOUND)
        return status;
    shell_print(s, "'%s' not found\n", w->word[0]);
    return EFI_INVALID_PARAMETER;
}

/* Begins a command line; afterwards its output is shown. */
static void begin(struct shell *s, const char *line)
{
    struct shell_words *w = g_new0(struct shell_words, 1);
    const char *why;

    s->state = SHOW;
    if (shell_parse(line, w, &why)) {
        g_free(w);
        shell_print(s, "%s\n", why);
        s->status = EFI_INVALID_PARAMETER;
        s->paging = s->muted = false;
        return;
    }
    set_words(s, w);
    if (w->count == 0) {
        s->state = NEXT;
        return;
    }
    put_alias(s, w);
    s->status = shell_output_begin(s, w);
    if (s->status == EFI_SUCCESS)
        s->status = run_words(s, w);
}

static void report(struct shell *s)
{
    const char *text = shell_status_text(s->status);

    if (EFI_IS_ERROR(s->status) && text)
        shell_print(s, "Exit status code: %s\n", text);
    else if (EFI_IS_ERROR(s->status))
        shell_print(s, "Exit status code: %" G_GINT64_MODIFIER "X\n", s->status);
}

/* The command, its job included, has ended. */
static void finish(struct shell *s)
{
    uint64_t status = EFI_SUCCESS;

    if (s->job.step)
        end_job(s);
    if (s->words)
        status = shell_output_end(s, s->words);
    if (status != EFI_SUCCESS)
        s->status = status;
    s->muted = s->paging = false;
    report(s);
    shell_flush(s);
    s->state = NEXT;
}

static void drop_scripts(struct shell *s)
{
    while (s->scripts)
        script_free(s->script[--s->scripts].script);
}

static void stop(struct shell *s)
{
    drop_scripts(s);
    s->muted = false;
    s->status = EFI_ABORTED;
    shell_puts(s, "^C\n");
    finish(s);
}

/* --- scripts --- */

static bool file_exists(void *opaque, const char *file)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    struct shell *s = opaque;
    bool yes = shell_files(s, file, found) == EFI_SUCCESS && found->len;
    struct shell_path p;
    struct fs_info info;

    if (yes && shell_resolve(s, found->pdata[0], &p) == EFI_SUCCESS) {
        yes = shell_info(&p, &info) == EFI_SUCCESS;
        shell_path_clear(&p);
    }
    g_ptr_array_unref(found);
    return yes;
}

static void list_files(void *opaque, const char *word, GPtrArray *out)
{
    if (shell_files(opaque, word, out) != EFI_SUCCESS)
        g_ptr_array_add(out, g_strdup(word));
}

uint64_t shell_run_script(struct shell *s, char *text, const struct shell_words *w)
{
    struct script_ops ops = {s, shell_variable, file_exists, list_files};
    struct shell_level *l = &s->script[s->scripts];
    const char *why = "scripts call each other too deeply";

    if (s->scripts == SHELL_SCRIPTS_MAX) {
        g_free(text);
        return shell_fail(s, EFI_OUT_OF_RESOURCES, "%s", why);
    }
    l->script = script_new(text, (const char *const *)w->word, w->count, &ops, &why);
    if (!l->script)
        return shell_fail(s, EFI_OUT_OF_RESOURCES, "%s", why);
    l->echo = s->scripts ? s->script[s->scripts - 1].echo : true;
    s->scripts++;
    return EFI_SUCCESS;
}

static void begin_script_line(struct shell *s)
{
    struct shell_level *l = &s->script[s->scripts - 1];
    const char *why;
    char *line = script_next(l->script, &why);

    if (!line) {
        if (why) {
            console_printf(s->b, "%.200s, line %u: %s\r\n", script_name(l->script),
                           script_line(l->script), why);
            s->status = EFI_ABORTED;
        }
        s->scripts--;
        script_free(l->script);
        return;
    }
    if (*line && l->echo && *line != '@') {
        shell_prompt(s, s->out);
        shell_print(s, "%s\n", line);
        shell_flush(s);
    }
    begin(s, line + (*line == '@'));
    g_free(line);
}

/* --- states --- */

static void prompt(struct shell *s)
{
    GString *g = g_string_new("\r\n");

    shell_prompt(s, g);
    line_begin(s->editor, g->str, true);
    g_string_free(g, TRUE);
    s->state = READ;
}

/* Script lines that are no commands also end the turn: a script may have no others. */
static bool next(struct shell *s)
{
    if (!s->scripts) {
        prompt(s);
        return true;
    }
    begin_script_line(s);
    if (s->state != NEXT || !s->scripts)
        return true;
    if (console_break(s->b)) {
        stop(s);
        return true;
    }
    wait_for(s, 0);
    return false;
}

/* Completes the name of a file when there is one way to go on. */
static void complete(struct shell *s)
{
    char *before = line_before(s->editor), *word = strrchr(before, ' '), *pattern;
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    const char *typed;
    size_t common;

    word = word ? word + 1 : before;
    pattern = g_strconcat(word, "*", NULL);
    typed = shell_base(word);
    if (!shell_has_wildcard(word) && *word && shell_files(s, pattern, found) == EFI_SUCCESS) {
        const char *first = shell_base(found->pdata[0]);

        common = strlen(first);
        for (unsigned i = 1; i < found->len; i++) {
            const char *other = shell_base(found->pdata[i]);
            size_t n = 0;

            while (n < common && g_ascii_tolower(first[n]) == g_ascii_tolower(other[n]))
                n++;
            common = n;
        }
        if (common > strlen(typed)) {
            char *rest = g_strndup(first + strlen(typed), common - strlen(typed));

            line_insert(s->editor, rest);
            g_free(rest);
        }
    }
    g_ptr_array_unref(found);
    g_free(pattern);
    g_free(before);
}

/* false: no key is left. */
static bool read_line(struct shell *s, enum line_result *result)
{
    struct key key;

    *result = LINE_MORE;
    while (*result == LINE_MORE || *result == LINE_TAB) {
        if (!console_key(s->b, &key))
            return false;
        *result = line_key(s->editor, key);
        if (*result == LINE_TAB)
            complete(s);
    }
    return true;
}

static bool do_read(struct shell *s)
{
    enum line_result result;
    char *typed, *line;

    if (!read_line(s, &result)) {
        wait_for(s, KEY_WAIT);
        return false;
    }
    if (result == LINE_CANCEL) {
        s->state = NEXT;
        return true;
    }
    typed = line_text(s->editor);
    line = shell_expand(typed, shell_variable, s);
    if (line)
        begin(s, line);
    else
        console_puts(s->b, "The line is too long.\r\n");
    if (!line)
        s->state = NEXT;
    g_free(line);
    g_free(typed);
    return true;
}

static bool do_job_reads(struct shell *s)
{
    enum line_result result;

    if (!read_line(s, &result)) {
        wait_for(s, KEY_WAIT);
        return false;
    }
    if (result == LINE_CANCEL) {
        stop(s);
        return true;
    }
    g_free(s->job.line);
    s->job.line = line_text(s->editor);
    s->state = SHOW;
    return true;
}

static bool do_keys(struct shell *s)
{
    struct key key;

    if (!console_key(s->b, &key)) {
        wait_for(s, KEY_WAIT);
        return false;
    }
    if (s->state == JOB_KEYS && key.unicode == 3) {
        stop(s);
        return true;
    }
    if (s->state == JOB_KEYS)
        s->job.key = key;
    else if (!shell_page_key(s, key)) /* the rest is not wanted */
        finish(s);
    if (s->state == JOB_KEYS || s->state == PAGE)
        s->state = SHOW;
    return true;
}

/* Begins guest code as the last thing of a turn: its end comes back through shell_step(). */
static void call_guest(struct shell *s)
{
    void (*guest)(struct shell *) = s->job.guest;

    s->state = JOB_CALLS;
    shell_divert(s, true);
    guest(s);
}

/* One step of the job. false: the turn ends here. */
static bool step_job(struct shell *s)
{
    switch (s->job.step(s)) {
    case JOB_DONE:
        end_job(s);
        return true;
    case JOB_KEY:
        shell_flush(s);
        s->state = JOB_KEYS;
        return true;
    case JOB_LINE:
        shell_flush(s);
        line_begin(s->editor, s->job.prompt ? s->job.prompt : "", false);
        s->state = JOB_READS;
        return true;
    case JOB_UNTIL:
        shell_flush(s);
        s->state = JOB_WAITS;
        return true;
    case JOB_GUEST:
        shell_flush(s);
        call_guest(s);
        return false;
    default:
        wait_for(s, 0);
        return false;
    }
}

static bool do_show(struct shell *s)
{
    if (!shell_flush(s)) {
        s->state = PAGE;
        return true;
    }
    if (console_break(s->b) && (s->scripts || s->job.step)) {
        stop(s);
        return true;
    }
    if (s->job.step)
        return step_job(s);
    finish(s);
    if (s->scripts && !s->leave) {
        wait_for(s, 0);
        return false;
    }
    return true;
}

static bool do_wait(struct shell *s)
{
    if (console_break(s->b)) {
        stop(s);
        return true;
    }
    if (boot_now(s->b) >= s->job.until) {
        s->state = SHOW;
        return true;
    }
    task_wait(s->b, s->task, MIN(s->job.until, boot_now(s->b) + boot_ticks(s->b, KEY_WAIT)));
    return false;
}

static void run_startup(struct shell *s)
{
    struct shell_words *w = g_new0(struct shell_words, 1);
    const char *why;

    console_puts(s->b, "\r\n");
    if (shell_parse(STARTUP_NAME, w, &why) == 0) {
        set_words(s, w);
        s->status = shell_run_program(s, w);
    }
}

static bool do_start(struct shell *s)
{
    uint64_t now = boot_now(s->b), second = boot_ticks(s->b, SECOND);
    unsigned left = s->deadline > now ? (unsigned)((s->deadline - now + second - 1) / second) : 0;
    struct key key = {0, 0};
    bool pressed = console_key(s->b, &key);

    if (pressed || left == 0) {
        s->state = NEXT;
        if (key.scan != SCAN_ESC)
            run_startup(s);
        return true;
    }
    if (left != s->shown)
        console_printf(
            s->b, "\rPress ESC in %u seconds to skip " STARTUP_NAME ", any other key to continue. ",
            left);
    s->shown = left;
    wait_for(s, KEY_WAIT);
    return false;
}

static void run(struct shell *s)
{
    bool on = true;

    while (on && !s->leave) {
        switch ((enum state)s->state) {
        case START:
            on = do_start(s);
            break;
        case NEXT:
            on = next(s);
            break;
        case READ:
            on = do_read(s);
            break;
        case SHOW:
            on = do_show(s);
            break;
        case PAGE:
        case JOB_KEYS:
            on = do_keys(s);
            break;
        case JOB_READS:
            on = do_job_reads(s);
            break;
        case JOB_WAITS:
            on = do_wait(s);
            break;
        case JOB_CALLS:
            return;
        }
    }
    if (s->leave && s->state != JOB_CALLS)
        task_done(s->b, s->task, s->status);
}

static void shell_step(struct boot *b, struct task *t, uint64_t status)
{
    struct shell *s = t->data;

    (void)b;
    if (s->state == JOB_CALLS) {
        shell_divert(s, false);
        s->job.result = status;
        s->state = SHOW;
        wait_for(s, 0);
        return;
    }
    run(s);
}

/* --- beginning and end --- */

static void drop(struct boot *b, struct task *t)
{
    struct shell *s = t->data;

    (void)b;
    shell_divert(s, false);
    if (s->job.step)
        end_job(s);
    drop_scripts(s);
    set_words(s, NULL);
    shell_map_done(s);
    line_free(s->editor);
    g_string_free(s->out, TRUE);
    g_free(s);
}

static bool has_startup(struct shell *s)
{
    char *path = shell_find_program(s, STARTUP_NAME);
    bool yes = path != NULL;

    g_free(path);
    return yes;
}

static void set_path(struct shell *s)
{
    if (s->maps->len && ((struct shell_map *)s->maps->pdata[0])->device->fs)
        shell_env_set_volatile(s, "path", ".;fs0:\\efi\\tools;fs0:\\efi\\boot;fs0:\\");
    else
        shell_env_set_volatile(s, "path", ".");
}

void efi_shell_run(struct boot *b)
{
    struct task *t = task_part(b, shell_step);
    struct shell *s = g_new0(struct shell, 1);
    struct line_terminal terminal = {s, type_text, type_move};

    t->data = s;
    t->drop = drop;
    s->b = b;
    s->task = t;
    s->out = g_string_new(NULL);
    s->editor = line_new(&terminal);
    s->error_level = 0x80000000u;
    b->watchdog = 0;
    shell_map_reset(s);
    set_path(s);
    console_puts(b, "EFI Shell version 1.10 [14.62]\r\n");
    shell_map_show(s, NULL, false);
    shell_flush(s);
    s->state = has_startup(s) ? START : NEXT;
    s->deadline = boot_now(b) + boot_ticks(b, STARTUP_WAIT * SECOND);
    wait_for(s, 0);
}
