/* Options, messages and names of the hpvm commands: see vmp.h. */
#include "incoming.h"
#include "vmp.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    vmp_command *run;
} commands[] = {
    {"hpvmcreate", vmp_create},   {"hpvmmodify", vmp_modify},   {"hpvmclone", vmp_clone},
    {"hpvmremove", vmp_remove},   {"hpvm", vmp_service},        {"hpvmstart", vmp_start},
    {"hpvmstop", vmp_stop},       {"hpvmstatus", vmp_status},   {"hpvminfo", vmp_info},
    {"hpvmconsole", vmp_console}, {"hpvmnet", vmp_net},         {"hpvmdevmgmt", vmp_devmgmt},
    {"hpvmcollect", vmp_collect}, {"hpvmmigrate", vmp_migrate},
};
static const char *running = "hpvm";

vmp_command *vmp_find(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *base = slash != NULL ? slash + 1 : program + (program[0] == '-'); /* login shell */
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, base) == 0) {
            running = commands[i].name;
            return commands[i].run;
        }
    }
    return NULL;
}

int vmp_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    fprintf(stderr, "%s: %s\n", running, text);
    return 1;
}

int vmp_unable(void)
{
    return vmp_fail("Unable to continue.");
}

bool vmp_has(const struct vmp_options *o, int letter)
{
    return vmp_value(o, letter) != NULL;
}

const char *vmp_value(const struct vmp_options *o, int letter)
{
    for (guint i = 0; i < o->list->len; i++)
        if (g_array_index(o->list, struct vmp_option, i).letter == letter)
            return g_array_index(o->list, struct vmp_option, i).value;
    return NULL;
}

void vmp_options_free(struct vmp_options *o)
{
    g_array_free(o->list, TRUE);
}

static int add_option(struct vmp_options *o, int letter, const char *repeat)
{
    struct vmp_option option = {letter, optarg != NULL ? optarg : ""};
    if (letter == ':')
        return vmp_fail("Option '-%c' needs a value.", optopt);
    if (letter == '?')
        return vmp_fail("Invalid option '-%c'.", optopt);
    if (vmp_has(o, letter) && strchr(repeat, letter) == NULL)
        return vmp_fail("Option '-%c' is repeated.", letter);
    g_array_append_val(o->list, option);
    return 0;
}

static int check_exclusive(const struct vmp_options *o, const char *exclusive)
{
    char first = 0;
    for (const char *p = exclusive; *p != '\0'; p++) {
        if (*p == ' ') {
            first = 0;
        } else if (vmp_has(o, *p)) {
            if (first != 0)
                return vmp_fail("Options '-%c' and '-%c' exclude each other.", first, *p);
            first = *p;
        }
    }
    return 0;
}

int vmp_parse(struct vmp_options *o, int argc, char **argv, const char *letters, const char *repeat,
              const char *exclusive)
{
    int letter, status = 0;
    o->command = running;
    o->number = 0;
    o->list = g_array_new(FALSE, TRUE, sizeof(struct vmp_option));
    opterr = 0;
    optind = 1;
    while (status == 0 && (letter = getopt(argc, argv, letters)) != -1)
        status = add_option(o, letter, repeat);
    if (status == 0 && optind < argc)
        status = vmp_fail("Unexpected argument '%.60s'.", argv[optind]);
    if (status == 0)
        status = check_exclusive(o, exclusive);
    const char *number = strchr(letters, 'P') != NULL ? vmp_value(o, 'p') : NULL;
    if (status == 0 && number != NULL && text_parse_number(number, 1, 99999, &o->number) != 0)
        status = vmp_fail("Invalid virtual machine number '%.20s'.", number);
    return status != 0 ? vmp_unable() : 0;
}

struct state *vmp_open(const struct vmp_options *o, bool write, int argc, char **argv)
{
    char why[300];
    struct state *s = state_open(write, why, sizeof why);
    if (s == NULL) {
        vmp_fail("%s", why);
        vmp_unable();
        return NULL;
    }
    if (write)
        incoming_clean(s);
    GString *line = g_string_new(o->command);
    for (int i = 1; i < argc; i++)
        g_string_append_printf(line, " %.1200s", argv[i]);
    state_log(s, NULL, line->str);
    g_string_free(line, TRUE);
    return s;
}

int vmp_check_selection(const struct vmp_options *o)
{
    if (vmp_has(o, 'P') || vmp_has(o, 'p'))
        return 0;
    vmp_fail("A virtual machine name or number is required.");
    return vmp_unable();
}

bool vmp_help(int argc, char **argv, const char *text)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(text, stdout);
            return true;
        }
    }
    return false;
}

bool vmp_confirm(const struct vmp_options *o, const char *what, const char *name)
{
    return vmp_confirm_kind(o, what, "virtual machine", name);
}

bool vmp_confirm_kind(const struct vmp_options *o, const char *what, const char *kind,
                      const char *name)
{
    char answer[16] = "";
    if (vmp_has(o, 'F') || vmp_has(o, 'Q'))
        return true;
    printf("%s: %s the %s '%s'? [n/y]: ", running, what, kind, name);
    fflush(stdout);
    return fgets(answer, sizeof answer, stdin) != NULL && g_ascii_tolower(answer[0]) == 'y' &&
           (answer[1] == '\n' || answer[1] == '\0');
}

bool vmp_runs(const char *uuid)
{
    char why[300];
    struct state *s = state_open(false, why, sizeof why);
    const struct entry *e = s != NULL ? state_find_uuid(s, uuid) : NULL;
    bool runs = e != NULL && e->running;
    if (s != NULL)
        state_close(s);
    return runs;
}

struct entry *vmp_select(const struct vmp_options *o, struct state *s)
{
    const char *name = vmp_value(o, 'P');
    struct entry *e = state_find(s, name, o->number);
    if (e == NULL && name != NULL)
        vmp_fail("Guest '%.60s' does not exist.", name);
    else if (e == NULL)
        vmp_fail("Guest number %llu does not exist.", (unsigned long long)o->number);
    else if (e->guest != NULL)
        return e;
    else
        vmp_fail("ERROR (%s): The configuration is damaged: %s.", e->name, e->problem);
    vmp_unable();
    return NULL;
}
