/* Fuzz target: trace files, and their records behind sections whose checksums are right. */
#include "fuzz.h"

#include "trace.h"

static void ignore(void *opaque, unsigned image, uint64_t offset, const uint8_t *data, size_t size)
{
    (void)opaque;
    (void)image;
    (void)offset;
    if (size > 0 && data[0] + data[size - 1] < 0)
        abort();
}

static void read_all(const char *path)
{
    char why[300];
    struct trace_reader *r;
    struct trace_item i;

    if (trace_open(path, &r, why, sizeof why) != 0)
        return;
    if (trace_embedded(r, ignore, NULL, why, sizeof why) == 0)
        while (trace_next(r, &i, why, sizeof why) > 0)
            if (i.size > 0 && i.data[0] + i.data[i.size - 1] < 0)
                abort();
    trace_close(r);
}

/* The input cut into sections at its own lengths, each under the name its first byte picks. */
static void as_sections(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"machine", "blocks", "records", "other"};
    char why[300];
    struct section_writer *w;
    int fd;
    const char *path = fuzz_file("", 0, &fd);

    if (sections_create(path, &trace_kind, false, &w, why, sizeof why) != 0)
        abort();
    while (size >= 3) {
        size_t n = data[1] | (size_t)data[2] << 8;

        n = n < size - 3 ? n : size - 3;
        section_write(w, names[data[0] % 4], 1, data + 3, n);
        data += 3 + n;
        size -= 3 + n;
    }
    if (sections_finish(w, why, sizeof why) == 0)
        read_all(path);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd;

    read_all(fuzz_file(data, size, &fd));
    close(fd);
    as_sections(data, size);
    return 0;
}
