/* Options of the EFI shell's commands. */
#include "shell_priv.h"

/* Words that were quoted are never options. */
static unsigned find(const struct shell_words *w, const char *option)
{
    for (unsigned i = 1; i < w->count; i++)
        if (!w->quoted[i] && g_ascii_strcasecmp(w->word[i], option) == 0)
            return i;
    return 0;
}

bool shell_option(struct shell_words *w, const char *option)
{
    unsigned n = find(w, option);

    if (n)
        shell_words_remove(w, n);
    return n != 0;
}

char *shell_option_value(struct shell_words *w, const char *option)
{
    unsigned n = find(w, option);
    char *value;

    if (!n || n + 1 >= w->count)
        return NULL;
    value = g_strdup(w->word[n + 1]);
    shell_words_remove(w, n + 1);
    shell_words_remove(w, n);
    return value;
}

uint64_t shell_check(struct shell *s, struct shell_words *w, unsigned min, unsigned max)
{
    if (shell_option(w, "-b"))
        s->paging = !s->redirected;
    for (unsigned i = 1; i < w->count; i++)
        if (w->word[i][0] == '-' && w->word[i][1] && !w->quoted[i])
            return shell_fail(s, EFI_INVALID_PARAMETER,
                              "the option %s is not known or lacks its value; see 'help %s'",
                              w->word[i], w->word[0]);
    if (w->count - 1 < min)
        return shell_fail(s, EFI_INVALID_PARAMETER, "too few arguments; see 'help %s'", w->word[0]);
    if (w->count - 1 > max)
        return shell_fail(s, EFI_INVALID_PARAMETER, "too many arguments; see 'help %s'",
                          w->word[0]);
    return EFI_SUCCESS;
}
