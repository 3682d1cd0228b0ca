/* The logs of a guest's process: files of bounded size in its directory, of which one older part
 * is kept (NAME.1). Lines carry the time; the console's log is bytes as they came. Not for messages
 * to the person at the terminal: log.h.
 */
#ifndef KITTSON_APP_APP_LOG_H
#define KITTSON_APP_APP_LOG_H

#include <stddef.h>
#include <glib.h>

enum { APP_LOG_SIZE = 1 << 20 };

struct app_log;

/* dir is a directory's descriptor, name a file in it; both stay the caller's. NULL: cannot be
 * written. */
struct app_log *app_log_open(int dir, const char *name, size_t limit);
void app_log_close(struct app_log *l);
void app_log_bytes(struct app_log *l, const void *bytes, size_t count);
/* "2026-01-31 12:00:00 TEXT"; control characters become "?". */
void app_log_line(struct app_log *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The older part and the present one, at most `limit` bytes of the end. */
void app_log_read(struct app_log *l, GString *out);

#endif
