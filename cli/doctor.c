/* `kittson doctor`: looks at the host and says in plain sentences what helps and what is missing.
 */
#include "cli.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum verdict { FINE, NOTE, BAD };

static int bad_count;

static void say(enum verdict v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(enum verdict v, const char *fmt, ...)
{
    static const char *const marks[] = {"ok  ", "note", "BAD "};
    va_list ap;
    if (v == BAD)
        bad_count++;
    printf("%s  ", marks[v]);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

/* First line of a file that starts with prefix, without the prefix; false when there is none. */
static bool file_line(const char *path, const char *prefix, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    bool found = false;
    if (f == NULL)
        return false;
    while (!found && fgets(out, (int)size, f) != NULL) {
        size_t length = strlen(prefix);
        if (strncmp(out, prefix, length) != 0)
            continue;
        memmove(out, out + length, strlen(out + length) + 1);
        out[strcspn(out, "\n")] = '\0';
        found = true;
    }
    fclose(f);
    return found;
}

/* A word of a blank-separated list. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *p = strstr(list, word); p != NULL; p = strstr(p + 1, word))
        if ((p == list || isspace((unsigned char)p[-1])) &&
            (p[length] == '\0' || isspace((unsigned char)p[length])))
            return true;
    return false;
}

static void check_processor(void)
{
    static const struct {
        const char *flag, *use;
    } wanted[] = {
        {"sse4_2", "population counts and checksums"},
        {"avx2", "parallel integer instructions"},
        {"bmi2", "bit field instructions"},
        {"fma", "fused multiply-add of doubles"},
        {"cx16", "16-byte compare and exchange"},
    };
    char text[8192];
    if (!file_line("/proc/cpuinfo", "model name", text, sizeof text))
        say(NOTE, "The processor's name cannot be read from /proc/cpuinfo.");
    else
        say(FINE, "The processor is %s, %ld of them.", text + strspn(text, "\t :"),
            sysconf(_SC_NPROCESSORS_ONLN));
    if (!file_line("/proc/cpuinfo", "flags", text, sizeof text))
        return;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (has_word(text, wanted[i].flag))
            say(FINE, "It has %s (%s).", wanted[i].flag, wanted[i].use);
        else
            say(NOTE, "It lacks %s; %s will be slower with the translator.", wanted[i].flag,
                wanted[i].use);
    if (!has_word(text, "constant_tsc"))
        say(NOTE, "Its clock counter changes speed; reading the time costs more.");
}

static void check_memory(void)
{
    char text[256];
    if (file_line("/proc/meminfo", "MemAvailable:", text, sizeof text)) {
        unsigned long long mb = strtoull(text, NULL, 10) / 1024;
        if (mb < 512)
            say(BAD, "Only %llu MB of memory are free; a guest of 512 MB would swap.", mb);
        else
            say(FINE, "%llu MB of memory are free.", mb);
    }
    if (!file_line("/sys/kernel/mm/transparent_hugepage/enabled", "", text, sizeof text))
        say(NOTE, "This kernel has no transparent huge pages; large guests run a little slower.");
    else if (strstr(text, "[never]") != NULL)
        say(NOTE, "Transparent huge pages are switched off; as root: echo madvise > "
                  "/sys/kernel/mm/transparent_hugepage/enabled");
    else
        say(FINE, "Transparent huge pages can be used.");
    if (file_line("/proc/sys/vm/overcommit_memory", "", text, sizeof text) && text[0] == '2')
        say(NOTE, "Memory overcommit is off, so a guest's whole RAM must be available at start.");
}

static void check_limit(int resource, const char *name, rlim_t wanted, const char *consequence)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted)
        say(BAD, "The limit on %s is %llu; %s.", name, (unsigned long long)limit.rlim_cur,
            consequence);
    else
        say(FINE, "The limit on %s is high enough.", name);
}

static void check_limits(void)
{
    check_limit(RLIMIT_AS, "address space (ulimit -v)", 8ull << 30,
                "guests with much memory cannot start");
    check_limit(RLIMIT_DATA, "data size (ulimit -d)", 8ull << 30,
                "guests with much memory cannot start");
    check_limit(RLIMIT_NOFILE, "open files (ulimit -n)", 64, "consoles and disks need files");
    check_limit(RLIMIT_STACK, "stack size (ulimit -s)", 1ull << 20, "the program may crash");
}

static bool program_exists(const char *name)
{
    const char *path = getenv("PATH");
    char full[4096];
    while (path != NULL && *path != '\0') {
        size_t length = strcspn(path, ":");
        snprintf(full, sizeof full, "%.*s/%s", (int)length, path, name);
        if (access(full, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

static void check_packages(void)
{
    static const struct {
        const char *what; /* a program, or a file when it starts with a slash */
        const char *package, *use;
    } wanted[] = {
        {"cc", "gcc", "building"},
        {"make", "make", "building"},
        {"cmake", "cmake", "building"},
        {"pkg-config", "pkg-config", "building"},
        {"ia64-linux-gnu-as", "binutils-ia64-linux-gnu", "building the demo guest, and the tests"},
        {"/usr/include/zlib.h", "zlib1g-dev", "building"},
        {"/usr/include/glib-2.0/glib.h", "libglib2.0-dev", "building"},
        {"/usr/include/check.h", "check", "the tests"},
        {"/usr/include/mpfr.h", "libmpfr-dev", "the tests"},
        {"clang-format", "clang-format", "the tests"},
        {"python3", "python3", "the tests"},
        {"iasl", "acpica-tools", "the tests"},
    };
    unsigned missing = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const char *what = wanted[i].what;
        if (what[0] == '/' ? access(what, R_OK) == 0 : program_exists(what))
            continue;
        missing++;
        say(NOTE, "The package %s is missing; it is needed for %s.", wanted[i].package,
            wanted[i].use);
    }
    if (missing == 0)
        say(FINE, "All packages for building and testing are installed.");
    else
        say(NOTE, "In the source tree, ./kit setup installs what is missing.");
}

static void check_terminal(void)
{
    if (isatty(STDIN_FILENO))
        say(FINE, "Standard input is a terminal, so a guest's console can use it.");
    else
        say(NOTE, "Standard input is no terminal; a guest's console is best put on --console "
                  "unix:PATH.");
}

int cmd_doctor(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "kittson: doctor takes no argument %s\n", argv[1]);
        return CLI_USAGE;
    }
    bad_count = 0;
    check_processor();
    check_memory();
    check_limits();
    check_terminal();
    check_packages();
    if (bad_count == 0)
        printf("\nNothing stands in the way of running guests.\n");
    else
        printf("\nThe lines marked BAD stand in the way of running guests.\n");
    return bad_count == 0 ? CLI_OK : CLI_FAILED;
}
