/* Runs a fuzz target without libFuzzer: over every file of a corpus directory, and over a fixed
 * sequence of mutations of them.
 *
 *   fuzz_NAME DIRECTORY|FILE... [MUTATIONS]
 */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

#define MAX_INPUTS 1024
#define MAX_SIZE   (1u << 20)

struct input {
    uint8_t *data;
    size_t size;
};

static struct input inputs[MAX_INPUTS];
static size_t input_count;
static uint64_t state = 1;

static uint64_t rnd(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void add_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct input *in = &inputs[input_count];

    if (!f || input_count == MAX_INPUTS) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(2);
    }
    in->data = malloc(MAX_SIZE);
    if (!in->data)
        abort();
    in->size = fread(in->data, 1, MAX_SIZE, f);
    fclose(f);
    input_count++;
}

static void add(const char *path)
{
    struct stat st;
    struct dirent **names;
    int n;

    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        add_file(path);
        return;
    }
    n = scandir(path, &names, NULL, alphasort); /* sorted: mutations depend on the order */
    for (int k = 0; k < n; k++) {
        char file[4096];

        snprintf(file, sizeof file, "%s/%s", path, names[k]->d_name);
        if (names[k]->d_name[0] != '.')
            add_file(file);
        free(names[k]);
    }
    if (n >= 0)
        free(names);
}

/* A copy of exactly its size, so that reading beyond the end shows. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static size_t mutate_once(uint8_t *d, size_t size)
{
    static const uint64_t corner[] = {0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, ~0ull, 1ull << 63};
    size_t at = rnd() % size, n;
    uint64_t v = corner[rnd() % (sizeof corner / sizeof *corner)];

    switch (rnd() % 6) {
    case 0:
        d[at] ^= (uint8_t)(1u << (rnd() & 7));
        return size;
    case 1:
        d[at] = (uint8_t)rnd();
        return size;
    case 2: /* a field at one of its extremes */
        n = 1ull << (rnd() & 3);
        memcpy(d + at, &v, n < size - at ? n : size - at);
        return size;
    case 3: /* truncated */
        return at + 1;
    case 4: /* a piece lost */
        n = rnd() % (size - at);
        memmove(d + at, d + at + n, size - at - n);
        return size - n;
    default: /* a piece twice */
        n = rnd() % (size - at);
        if (size + n > MAX_SIZE)
            return size;
        memmove(d + at + n, d + at, size - at);
        return size + n;
    }
}

static void run_mutation(void)
{
    static uint8_t buf[MAX_SIZE];
    const struct input *in = &inputs[rnd() % input_count];
    size_t size = in->size;

    memcpy(buf, in->data, size);
    for (unsigned k = 1 + rnd() % 6; k > 0 && size > 0; k--)
        size = mutate_once(buf, size);
    run(buf, size);
}

int main(int argc, char **argv)
{
    unsigned long mutations = 0;

    for (int k = 1; k < argc; k++) {
        char *end;
        unsigned long n = strtoul(argv[k], &end, 10);

        if (*end == 0)
            mutations = n;
        else
            add(argv[k]);
    }
    if (input_count == 0) {
        fprintf(stderr, "usage: %s DIRECTORY|FILE... [MUTATIONS]\n", argv[0]);
        return 2;
    }
    for (size_t k = 0; k < input_count; k++)
        run(inputs[k].data, inputs[k].size);
    for (unsigned long k = 0; k < mutations; k++)
        run_mutation();
    fprintf(stderr, "%zu inputs, %lu mutations\n", input_count, mutations);
    for (size_t k = 0; k < input_count; k++)
        free(inputs[k].data);
    return 0;
}
