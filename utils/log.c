/* See log.h. */
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ONCE_MAX 512

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static struct {
    pthread_mutex_t lock;
    enum log_level level;
    bool raw;
    const char *program;
    FILE *file;
    unsigned once_count;
    struct {
        char area[16];
        unsigned long long key;
    } once[ONCE_MAX];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_WARN, .program = "kittson"};

void log_set_level(enum log_level level)
{
    state.level = level;
}

enum log_level log_get_level(void)
{
    return state.level;
}

int log_set_file(const char *path)
{
    FILE *f = NULL;
    if (path != NULL) {
        f = fopen(path, "ae");
        if (f == NULL)
            return -errno;
        setvbuf(f, NULL, _IOLBF, 0);
    }
    pthread_mutex_lock(&state.lock);
    if (state.file != NULL)
        fclose(state.file);
    state.file = f;
    pthread_mutex_unlock(&state.lock);
    return 0;
}

void log_set_program(const char *name)
{
    state.program = name;
}

void log_set_raw_terminal(bool raw)
{
    state.raw = raw;
}

/* The line is built first and written with one call, so that lines of threads and of the guest's
 * console do not mix. label: NULL for errors, which have none on standard error. */
static void put(const char *label, const char *fmt, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    for (char *p = text; *p != '\0'; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    pthread_mutex_lock(&state.lock);
    const char *start = state.raw ? "\r" : "";
    const char *end = state.raw ? "\r\n" : "\n";
    if (label == NULL)
        fprintf(stderr, "%s%s: %s%s", start, state.program, text, end);
    else
        fprintf(stderr, "%s%s: %s: %s%s", start, state.program, label, text, end);
    if (state.file != NULL)
        fprintf(state.file, "%s: %s\n", label != NULL ? label : level_names[LOG_ERROR], text);
    pthread_mutex_unlock(&state.lock);
}

static void emit(enum log_level level, const char *fmt, va_list ap)
{
    if (level <= state.level)
        put(level == LOG_ERROR ? NULL : level_names[level], fmt, ap);
}

void log_labelled(const char *label, const char *fmt, va_list ap)
{
    put(label, fmt, ap);
}

void log_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(LOG_ERROR, fmt, ap);
    va_end(ap);
}

void log_warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(LOG_WARN, fmt, ap);
    va_end(ap);
}

void log_info(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(LOG_INFO, fmt, ap);
    va_end(ap);
}

void log_debug(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(LOG_DEBUG, fmt, ap);
    va_end(ap);
}

static bool once_seen(const char *area, unsigned long long key)
{
    for (unsigned i = 0; i < state.once_count; i++)
        if (state.once[i].key == key && strcmp(state.once[i].area, area) == 0)
            return true;
    return false;
}

bool log_once(const char *area, unsigned long long key)
{
    char shortened[sizeof state.once[0].area];
    snprintf(shortened, sizeof shortened, "%s", area);
    pthread_mutex_lock(&state.lock);
    bool fresh = state.once_count < ONCE_MAX && !once_seen(shortened, key);
    if (fresh) {
        unsigned n = state.once_count++;
        memcpy(state.once[n].area, shortened, sizeof shortened);
        state.once[n].key = key;
    }
    pthread_mutex_unlock(&state.lock);
    return fresh;
}
