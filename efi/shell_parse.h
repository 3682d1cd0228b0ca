/* Command lines of the EFI shell: variables, words, redirection. Pure functions.
 *
 * `^` takes the next character as it is, double quotes keep blanks together, `#` at the beginning
 * of a word starts a comment. Redirection: `> file`, `>> file` (UCS-2) and `>a file`, `>>a file`
 * (ASCII), with an optional 1 (output) or 2 (errors; the shell has one stream, so it goes the same
 * way) in front.
 */
#ifndef KITTSON_EFI_SHELL_PARSE_H
#define KITTSON_EFI_SHELL_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#define SHELL_LINE_MAX 65536 /* bytes of a line after variables have been put in */
#define SHELL_WORDS    4096

struct shell_words {
    unsigned count;
    char **word;  /* word[count] is NULL */
    bool *quoted; /* contains quotes or escapes: no wildcard, no option */
    char *file;   /* of a redirection, or NULL */
    bool append, ascii;
};

/* 0; with a sentence in why -EINVAL or -E2BIG. Words are to be freed with shell_words_free() only
 * after success. */
int shell_parse(const char *line, struct shell_words *out, const char **why);
void shell_words_free(struct shell_words *w);
/* Removes word n. */
void shell_words_remove(struct shell_words *w, unsigned n);

/* Value of a variable, NULL when there is none; the answer is g_free'd. `%1` asks for "1", the
 * variable of a for loop, `%i`, for "%i". */
typedef char *shell_lookup(void *opaque, const char *name);
/* Replaces %name%, %0 to %9 and for variables; %name% of an unknown name becomes nothing. What is
 * put in is not looked at again. NULL when the line gets too long. g_free. */
char *shell_expand(const char *line, shell_lookup *lookup, void *opaque);

#endif
