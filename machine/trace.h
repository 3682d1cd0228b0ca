/* Trace files: what machine was recorded, and the records of its run (docs/trace-format.md).
 *
 * Reads and writes them; knows nothing of a running machine (tape.h does). Records come in the
 * order in which things happened. Everything that is read may be anything: a refusal is one
 * sentence.
 */
#ifndef KITTSON_MACHINE_TRACE_H
#define KITTSON_MACHINE_TRACE_H

#include <glib.h>
#include "machine.h"
#include "sections.h"

extern const struct section_kind trace_kind;

/* A file the machine was made of. */
enum trace_role { TRACE_KERNEL, TRACE_INITRD, TRACE_DRIVE };
#define TRACE_SUM 32 /* bytes of a SHA-256 */
struct trace_image {
    uint32_t role;  /* enum trace_role */
    uint32_t drive; /* number of the drive, TRACE_DRIVE only */
    char *path;     /* as it was given */
    uint64_t size;
    uint8_t sum[TRACE_SUM]; /* of what the machine saw at the start */
    bool embedded;          /* the trace has the blocks that were read */
};

struct trace_machine {
    char *program; /* version that recorded it */
    uint64_t memory;
    uint32_t cpus, model;
    uint64_t every; /* instruction slots between digests of registers */
    bool no_reboot;
    bool demo; /* the kernel was the built-in guest */
    char *append, *serial;
    uint8_t uuid[16];
    struct machine_drive drives[MACHINE_MAX_DRIVES]; /* path, overlay: NULL */
    unsigned drive_count;
    struct machine_nic nics[MACHINE_MAX_NICS]; /* places only */
    unsigned nic_count;
    GArray *images;    /* struct trace_image */
    GByteArray *nvram; /* the variable file as it was at the start, or NULL: none */
};

void trace_machine_free(struct trace_machine *t);

/* SHA-256 of a file's contents. 0 or a negative errno. */
int trace_sum_file(const char *path, uint64_t *size, uint8_t sum[TRACE_SUM]);

/* --- records --- */

enum trace_record {
    TRACE_TURN = 1, /* digest of a processor's registers: 4 bytes, no length */
    TRACE_MEMORY,   /* pages written since the last: pairs of frame number and checksum */
    TRACE_PLUG,     /* an adapter's address: number, MAC */
    TRACE_LINK,     /* number, up */
    TRACE_FRAME,    /* number, frame from the network */
    TRACE_INPUT,    /* characters from the console */
    TRACE_COMMAND,  /* a monitor command that changes the machine */
    TRACE_WAIT,     /* ticks that passed while all processors were halted, if fewer than usual */
    TRACE_END,      /* enum trace_end, and digests of all processors */
    TRACE_RECORDS
};

/* Why a recording ends. */
enum trace_end { TRACE_POWERED_OFF, TRACE_RESET, TRACE_QUIT, TRACE_STOPPED, TRACE_CUT };

/* Numbers in records; round: of the run loop, when it happened. */
struct trace_item {
    enum trace_record kind;
    uint64_t round;      /* not of TRACE_TURN */
    uint32_t digest;     /* TRACE_TURN */
    const uint8_t *data; /* valid until the next record is read */
    size_t size;
};
#define TRACE_DATA_MAX (16u << 20)

struct trace_page {
    uint32_t frame; /* address / 4096 */
    uint32_t crc;
};

/* --- writing --- */

struct trace_writer;
/* Writes the description; images that are embedded are added by trace_embed before any record. */
int trace_create(const char *path, const struct trace_machine *machine, struct trace_writer **out,
                 char *why, size_t size);
void trace_embed(struct trace_writer *w, unsigned image, uint64_t offset, const void *data,
                 size_t size);
void trace_put(struct trace_writer *w, enum trace_record kind, uint64_t round, const void *data,
               size_t size);
void trace_put_turn(struct trace_writer *w, uint32_t digest);
/* What was recorded until now reaches the file. */
void trace_flush(struct trace_writer *w);
int trace_finish(struct trace_writer *w, char *why, size_t size);
void trace_abandon(struct trace_writer *w);

/* --- reading --- */

struct trace_reader;
int trace_open(const char *path, struct trace_reader **out, char *why, size_t size);
int trace_open_stream(FILE *in, const char *name, struct trace_reader **out, char *why,
                      size_t size);
const struct trace_machine *trace_describe(const struct trace_reader *r);
/* Blocks of embedded images come before the first record: each(...) for all of them, once. */
int trace_embedded(struct trace_reader *r,
                   void (*each)(void *opaque, unsigned image, uint64_t offset, const uint8_t *data,
                                size_t size),
                   void *opaque, char *why, size_t size);
/* The next record: 1, 0 at the end, or a negative errno. */
int trace_next(struct trace_reader *r, struct trace_item *out, char *why, size_t size);
void trace_progress(const struct trace_reader *r, uint64_t *done, uint64_t *all);
void trace_close(struct trace_reader *r);

#endif
