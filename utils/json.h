/* Strings of JSON (RFC 8259), for the little of it that is written here. */
#ifndef KITTSON_UTILS_JSON_H
#define KITTSON_UTILS_JSON_H

#include <glib.h>

/* Appends text in quotes, with what must be escaped; bytes that are not UTF-8 become U+FFFD. */
void json_append_string(GString *out, const char *text);

#endif
