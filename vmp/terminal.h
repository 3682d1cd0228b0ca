/* The terminal of a viewer in raw mode: every key goes to the program. It is given back however
 * the process ends (SIGKILL excepted), and while it is stopped. One terminal at a time; reads and
 * writes nothing.
 */
#ifndef KITTSON_VMP_TERMINAL_H
#define KITTSON_VMP_TERMINAL_H

/* 0, or -errno (-ENOTTY: fd is no terminal). */
int terminal_raw(int fd);
void terminal_restore(void);

#endif
