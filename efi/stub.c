/* The guest code in the firmware pages: one bundle per entry point, the loop application
 * processors wait in, and two bundles that touch a byte for the firmware.
 *
 * Assembled by hand; the comments are the source. Encodings: SDM 3:4.
 */
#include "fw.h"

#include <string.h>

/* B unit: break.b imm21 (B9), nop.b 0 (B9), br.cond.sptk.few to its own bundle (B1). */
#define OP_NOP_B   (2ull << 37)
#define OP_BR_SELF (4ull << 37)

struct bundle {
    uint64_t lo, hi;
};

static struct bundle make(unsigned template, uint64_t s0, uint64_t s1, uint64_t s2)
{
    return (struct bundle){template | s0 << 5 | s1 << 46, s1 >> 18 | s2 << 23};
}

/* { .bbb  break.b imm ; nop.b 0 ; br.cond.sptk.few . } The branch is never reached: the firmware
 * always says where to go on. */
static struct bundle entry_bundle(unsigned imm)
{
    uint64_t brk = (uint64_t)(imm & 0xfffff) << 6 | (uint64_t)(imm >> 20 & 1) << 36;

    return make(0x16, brk, OP_NOP_B, OP_BR_SELF);
}

/* After a halt in FW_ENTRY_AP_WAIT: take the interrupt as software does, then ask the firmware. */
static const struct bundle ap_poll[] = {
    {0x0000042c84000001, 0x0004000000000200}, /* mov cr.tpr = r0 ;; */
    {0x008000300000000b, 0x0004000000084904}, /* srlz.d ;; mov r8 = cr.ivr ;; */
    {0x7860000100000001, 0x0004000000720e20}, /* cmp.eq p6, p7 = 15, r8 ;; */
    {0x0000042c860000eb, 0x0004000000006000}, /* (p7) mov cr.eoi = r0 ;; srlz.d ;; */
};

/* ld1 r2 = [r3] ; br.cond.sptk.few b7 */
static const struct bundle touch_read = {0x0000100006001010, 0x0080007000000200};
/* cmpxchg1.acq r2 = [r3], r2, ar.ccv ; br.cond.sptk.few b7, with r2 = ar.ccv: changes nothing */
static const struct bundle touch_write = {0x0000100106081011, 0x0080007000000200};

static void put_touch(uint8_t *page)
{
    memcpy(page + FW_TOUCH_READ, &touch_read, sizeof(touch_read));
    memcpy(page + FW_TOUCH_WRITE, &touch_write, sizeof(touch_write));
}

static int build_pal_page(struct firmware *fw)
{
    uint8_t page[FW_PAL_SIZE] = {0};
    struct bundle pal = entry_bundle(FW_ENTRY_PAL);

    memcpy(page, &pal, sizeof(pal));
    put_touch(page);
    return fw_put(fw, FW_PAL, page, sizeof(page));
}

int stub_build(struct firmware *fw)
{
    uint8_t page[FW_STUBS_SIZE] = {0};
    uint8_t *poll = page + (FW_AP_POLL - FW_STUBS);
    struct bundle woken = entry_bundle(FW_ENTRY_AP_WOKEN);
    int err;

    for (unsigned i = 0; i < FW_ENTRY_COUNT; i++) {
        struct bundle e = entry_bundle(i);

        memcpy(page + 16 * i, &e, sizeof(e));
    }
    memcpy(poll, ap_poll, sizeof(ap_poll));
    memcpy(poll + sizeof(ap_poll), &woken, sizeof(woken));
    put_touch(page);
    err = fw_put(fw, FW_STUBS, page, sizeof(page));
    return err ? err : build_pal_page(fw);
}
