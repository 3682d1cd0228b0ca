/* What must be undone when the process ends: the terminal's raw mode and socket files.
 *
 * Private to the console. The only process-wide state of it, because exit handlers and signal
 * handlers have no arguments.
 */
#ifndef KITTSON_BUS_CONSOLE_TTY_H
#define KITTSON_BUS_CONSOLE_TTY_H

#include <stdbool.h>
#include <sys/types.h>

/* Puts the terminal on fd into raw mode. false (nothing changed) if fd is no terminal, the process
 * is in its background, or another terminal is raw already. */
bool console_tty_raw(int fd);
void console_tty_restore(void);

/* Registers a socket file for removal, identified by its inode. -1 when there are too many. */
int console_file_register(const char *path, dev_t dev, ino_t ino);
/* Removes the file (if it is still the same one) and its registration. */
void console_file_remove(int handle);

#endif
