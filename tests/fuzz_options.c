/* Fuzz target: the options of `kittson run` and the parsers of their values. The input is a list
 * of arguments, one per line; an operand at the end makes sure that no machine starts. */
#include "fuzz.h"

#include "cli.h"
#include "text.h"

#define MAX_ARGS 64
#define MAX_TEXT 8192

static void parse_values(const char *s)
{
    uint64_t v;
    uint8_t uuid[16];

    text_parse_size(s, &v);
    text_parse_number(s, 3, 77, &v);
    text_parse_uuid(s, uuid);
    text_distance(s, "deterministic");
}

/* Options that would write files are left out. */
static int harmless(const char *s)
{
    return !strstr(s, "--log");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[MAX_TEXT + 1];
    char *argv[MAX_ARGS + 4] = {(char[]){"run"}}, *rest = text, *line;
    int argc = 1;

    if (size > MAX_TEXT)
        size = MAX_TEXT;
    memcpy(text, data, size);
    text[size] = 0;
    while (argc < MAX_ARGS && (line = strsep(&rest, "\n")) != NULL) {
        parse_values(line);
        if (harmless(line))
            argv[argc++] = line;
    }
    argv[argc++] = (char[]){"--"};
    argv[argc++] = (char[]){"operand"};
    if (cmd_run(argc, argv) != CLI_USAGE)
        abort();
    return 0;
}
