/* Messages to the person running the program: one line each, on standard error and, when asked
 * for, in a file.
 *
 * Levels are cumulative: at LOG_INFO errors, warnings and information are shown. Safe to call from
 * any thread. Knows nothing about guests; the guest's own console does not go through here.
 */
#ifndef KITTSON_UTILS_LOG_H
#define KITTSON_UTILS_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Also appends every shown message to a file. NULL closes it. 0 or -errno. */
int log_set_file(const char *path);

/* What lines on standard error begin with; "kittson" unless set. Stays the caller's. */
void log_set_program(const char *name);

/* The terminal is in raw mode: lines on standard error then start with a carriage return and end
 * with CR LF, so that they do not run down the screen in steps. */
void log_set_raw_terminal(bool raw);

/* One line each, without a newline at the end. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A line that is shown whatever the level, with a label of its own. */
void log_labelled(const char *label, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* True the first time a key is seen, for messages worth one line and not thousands:
 *     if (log_once("sal", id)) log_warn(...);
 * The table is bounded: a guest cannot make it grow without end. */
bool log_once(const char *area, unsigned long long key);

#endif
