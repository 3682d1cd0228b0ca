/* See tombstone.h. */
#include "tombstone.h"

#include <stdlib.h>

#include "app_log.h"

void tombstone_write(int dir, const struct machine *m, const char *guest, const char *why)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    struct app_log *log = app_log_open(dir, "tombstone", APP_LOG_SIZE / 4);
    if (out != NULL) {
        machine_print_state(m, out);
        fclose(out);
    }
    if (log != NULL) {
        app_log_line(log, "%s: %s", guest, why);
        app_log_bytes(log, text, length);
    }
    app_log_close(log);
    free(text);
}
