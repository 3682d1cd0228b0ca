/* A listening Unix socket for one user: mode 0600, in the place of one that nobody serves.
 *
 * Only makes it; who connects, and removing the file at the end, are the caller's.
 */
#ifndef KITTSON_UTILS_UNIX_SOCKET_H
#define KITTSON_UTILS_UNIX_SOCKET_H

#include <sys/stat.h>

/* A descriptor (close-on-exec, not blocking), with the file's status in st to recognise it by
 * later; or a negative errno and in *why the reason in words, a constant, or NULL when the errno
 * says it. */
int unix_socket_listen(const char *path, struct stat *st, const char **why);
/* Removes the file if it is still that one. */
void unix_socket_remove(const char *path, const struct stat *st);

#endif
