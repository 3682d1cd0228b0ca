/* The device database, common/hpvm_mgmtdb: restricted devices (rdev), devices of guests (gdev) and
 * servers, with attributes.
 *
 * Which guests depend on a device is not in the file: the guests' configurations say so, and so a
 * device of a guest is an entry by itself. The file has what was added or set by hand.
 */
#ifndef KITTSON_VMP_DEVDB_H
#define KITTSON_VMP_DEVDB_H

#include "state.h"

enum devdb_kind { DEVDB_RDEV, DEVDB_GDEV, DEVDB_SERVER, DEVDB_KINDS };
extern const char *const devdb_kind_name[DEVDB_KINDS];

#define DEVDB_ENTRIES_MAX 4096
#define DEVDB_VALUE_MAX   64

struct devdb_entry {
    enum devdb_kind kind;
    char *name;
    GHashTable *attributes; /* char * to char *; only what was set */
    GPtrArray *depends;     /* names of guests */
    GPtrArray *released;    /* guests that were taken off the list by hand */
    bool is_switch, kept;   /* a vswitch; written to the file */
};

struct devdb {
    GPtrArray *entries; /* struct devdb_entry: rdev, gdev, server, in the order they were made */
};

/* The file and what the guests have. NULL with a sentence in why when the file is damaged. */
struct devdb *devdb_load(struct state *s, char *why, size_t size);
int devdb_save(struct state *s, const struct devdb *db); /* 0 or -errno */
void devdb_free(struct devdb *db);

/* NULL: none. */
struct devdb_entry *devdb_find(const struct devdb *db, enum devdb_kind kind, const char *name);
struct devdb_entry *devdb_add(struct devdb *db, enum devdb_kind kind, const char *name);
void devdb_remove(struct devdb *db, struct devdb_entry *e);

/* No character that would break a record. */
bool devdb_name_valid(const char *name);
/* Sets, or with NULL forgets, an attribute. 0, or -EINVAL with one sentence. */
int devdb_set(struct devdb_entry *e, const char *attribute, const char *value, char *why,
              size_t size);
/* The value in force, also of CONFIG, EXIST, DEVTYPE and SHARE. NULL: there is none. */
const char *devdb_get(const struct devdb_entry *e, const char *attribute);
/* "name:CONFIG=gdev,EXIST=YES,...:guest,guest:unique id" */
GString *devdb_record(const struct devdb_entry *e);

/* Rules of a start. Shared: as marked, or -1 when nobody said so. */
bool devdb_restricted(const struct devdb *db, const char *device);
int devdb_shared(const struct devdb *db, const char *device);

#endif
