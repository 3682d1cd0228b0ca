/* Script files (.nsh) of the EFI shell: which line comes next.
 *
 *     if [not] exist FILE then        for %i in WORD...            goto LABEL
 *     if [not] A == B then            for %i run (1 10 [STEP])     :LABEL
 *     else                            endfor                       shift
 *     endif
 *
 * Conditions and lists are put together by functions of the caller; commands are handed out one
 * line at a time, variables already in them. Knows no files and no machine.
 */
#ifndef KITTSON_EFI_SHELL_SCRIPT_H
#define KITTSON_EFI_SHELL_SCRIPT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#define SCRIPT_LINES_MAX 100000
#define SCRIPT_DEPTH_MAX 64 /* blocks inside blocks */

struct script_ops {
    void *opaque;
    /* A variable's value, or NULL; g_free. */
    char *(*variable)(void *opaque, const char *name);
    bool (*exists)(void *opaque, const char *file);
    /* Adds the files a word with wildcards means, or the word itself; strings are g_free'd. */
    void (*files)(void *opaque, const char *word, GPtrArray *out);
};

struct script;

/* Text as shell_file_text() gives it; taken over. words[0] is the script's name, and copied. NULL
 * with a sentence in why. */
struct script *script_new(char *text, const char *const *words, unsigned count,
                          const struct script_ops *ops, const char **why);
void script_free(struct script *s);
const char *script_name(const struct script *s);
/* Number of the line that was handed out last, from 1. */
unsigned script_line(const struct script *s);
/* %0 to %9 and the variables of for loops, for the commands' own use; NULL: not one of them. */
char *script_variable(struct script *s, const char *name);

/* The next command (g_free), or NULL at the end; then why is set when a statement was wrong. After
 * a number of statements without a command an empty line is handed out, so that loops can be left.
 */
char *script_next(struct script *s, const char **why);

#endif
