/* The multi-server environment: the servers of the device database (hpvmdevmgmt -a server:NAME) and
 * which of them this host is, as hpvmstatus -m lists them. Asks no other server: those are taken to
 * be down.
 */
#ifndef KITTSON_VMP_MULTI_SERVER_H
#define KITTSON_VMP_MULTI_SERVER_H

#include "devdb.h"

#include <stdio.h>

enum multi_server_form { MULTI_SERVER_TEXT, MULTI_SERVER_MACHINE, MULTI_SERVER_XML };

/* host: this host's name. "No HPVM multi-server environment configured" when there are no servers.
 */
void multi_server_show(FILE *out, const struct devdb *db, const char *host,
                       enum multi_server_form form);

#endif
