/* Files of named sections: snapshots and traces.
 *
 * A header with eight bytes that say what the file is and the number of its format; sections with a
 * name, a version, a length and compressed, checksummed contents; a last section that says how many
 * there were, so that a file that was cut off is known as such. docs/trace-format.md has the
 * layout. Contents are the caller's business. Everything that is read is checked, and a refusal is
 * one sentence that starts with the file's name.
 */
#ifndef KITTSON_UTILS_SECTIONS_H
#define KITTSON_UTILS_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SECTION_NAME 16
#define SECTION_MAX  (64u << 20) /* bytes of contents */

/* What a file is: eight bytes, the newest format that is known, and a word for messages. */
struct section_kind {
    char magic[9];
    uint32_t format;
    const char *name; /* "snapshot" */
};

/* --- writing --- */

struct section_writer;

/* whole: the file appears under its name when it is complete and on stable storage, replacing what
 * was there; else it grows in place. 0, or a negative errno with a sentence in why. */
int sections_create(const char *path, const struct section_kind *kind, bool whole,
                    struct section_writer **out, char *why, size_t size);
/* Errors stay and are told by sections_finish. */
void section_write(struct section_writer *w, const char *name, uint32_t version, const void *data,
                   size_t size);
/* Hands over to the host what was written so far. */
void sections_flush(struct section_writer *w);
/* Writes the end and closes. 0, or a negative errno with a sentence in why. */
int sections_finish(struct section_writer *w, char *why, size_t size);
/* Closes without the end; a `whole` file is gone. */
void sections_abandon(struct section_writer *w);

/* --- reading --- */

struct section {
    char name[SECTION_NAME + 1];
    uint32_t version;
    uint8_t *data; /* the reader's, until the next call */
    size_t size;
};

struct section_reader;

int sections_open(const char *path, const struct section_kind *kind, struct section_reader **out,
                  char *why, size_t size);
/* The same of an open stream, which becomes the reader's. name is for messages. */
int sections_open_stream(FILE *in, const char *name, const struct section_kind *kind,
                         struct section_reader **out, char *why, size_t size);
/* The next section: 1, 0 at the end, or a negative errno with a sentence in why. */
int section_read(struct section_reader *r, struct section *out, char *why, size_t size);
/* Bytes read and bytes in all, for those who wait. */
void sections_progress(const struct section_reader *r, uint64_t *done, uint64_t *all);
const char *sections_name(const struct section_reader *r);
void sections_close(struct section_reader *r);

#endif
