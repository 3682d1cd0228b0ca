/* The virtual consoles of a running guest: the console socket, the viewers, and who of them types.
 * The menus are mp.h's. Private to app/.
 *
 * Everybody may connect; who is let in is decided by the account at the other end. One viewer types
 * at a time; the others look on and are told so. A viewer who reads too slowly, or says something
 * that is no frame, is dropped.
 */
#ifndef KITTSON_APP_CONSOLES_H
#define KITTSON_APP_CONSOLES_H

#include <stddef.h>
#include <sys/types.h>

#include "guest_config.h"

struct app;
struct consoles;

struct consoles *consoles_new(struct app *a);
/* The guest is off: every viewer is told. */
void consoles_free(struct consoles *c);
/* Output of the guest. */
void consoles_show(struct consoles *c, const char *bytes, size_t count);

#endif
