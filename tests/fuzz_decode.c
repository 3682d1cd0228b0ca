/* Fuzz target: unpacking, decoding and printing of bundles, in buffers of all sizes. */
#include "fuzz.h"

#include "insn.h"

static void one_bundle(const uint8_t *p)
{
    uint64_t w[2];
    struct insn_bundle b;
    struct insn i;

    memcpy(w, p, sizeof w);
    b = insn_unpack(w[0], w[1]);
    for (unsigned unit = UNIT_A; unit <= UNIT_NONE; unit++)
        for (unsigned s = 0; s < 3; s++) {
            size_t size = 1 + (w[0] + unit + s) % 100;
            char *text = malloc(size);

            if (!text)
                abort();
            insn_decode(unit, b.slot[s], b.slot[1], &i);
            if (i.op >= OP_COUNT || i.row >= insn_row_count || i.qp > 63)
                abort();
            insn_disasm(text, size, unit, b.slot[s], b.slot[1], w[1]);
            if (!memchr(text, 0, size))
                abort();
            free(text);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 16 <= size; at += 16)
        one_bundle(data + at);
    return 0;
}
