/* Names of keys as people give them, and what to press for a character on a US keyboard.
 *
 * Keys are usages of HID's keyboard page. Knows no keyboard: the caller says what pressing is.
 */
#ifndef KITTSON_MACHINE_KEYS_H
#define KITTSON_MACHINE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* The most keys that are pressed together. */
#define KEYS_TOGETHER 8u

/* "a", "ctrl-alt-f1", "shift-minus": usages in the order they are pressed. Returns how many, or
 * -EINVAL with one sentence in why. */
int keys_parse(const char *text, unsigned usages[KEYS_TOGETHER], char *why, size_t size);
/* The same for a character; 0 when it is not on the keyboard. */
int keys_for_character(unsigned char c, unsigned usages[KEYS_TOGETHER]);

#endif
