/* The forms hpvmstatus prints a guest in. Each function writes one of them; none reads files. */
#ifndef KITTSON_VMP_STATUS_H
#define KITTSON_VMP_STATUS_H

#include "vmp.h"

/* Which configuration of an entry is shown: the active one, or with deferred the next. */
const struct guest *status_shown(const struct entry *e, bool deferred);

void status_summary_header(FILE *out);
void status_summary_row(FILE *out, const struct entry *e, bool deferred);

void status_tables(FILE *out, const struct entry *e, const struct guest *g,
                   const struct vmp_host *h);
void status_verbose(FILE *out, const struct entry *e, const struct guest *g,
                    const struct vmp_host *h);
void status_print_grants(FILE *out, const struct guest *g);
void status_devices(FILE *out, const struct guest *g);
void status_machine(FILE *out, const struct entry *e, bool deferred, bool full,
                    const struct vmp_host *h);
void status_xml(FILE *out, const struct entry *e, bool deferred, const struct vmp_host *h);

void status_json(FILE *out, const struct entry *e, bool deferred, const struct vmp_host *h);
void status_json_host(FILE *out, const struct vmp_host *h);

/* hpvmstatus -s, and the most virtual processors a guest can start with. */
void status_host(FILE *out, const struct vmp_host *h);
uint64_t status_vcpus(const struct vmp_host *h);

/* "512 MB", "2 GB". */
const char *status_memory(uint64_t mb, char text[32]);

#endif
