/* 82540EM: the built-in copper transceiver, a Marvell 88E1011, behind MDIC. IEEE 802.3 clause 22
 * and 40 registers and those of the Marvell that drivers read for the result of negotiation. */
#include "e1000_impl.h"

#define PHY_ADDRESS 1u

enum {
    P_CONTROL,
    P_STATUS,
    P_ID1,
    P_ID2,
    P_ADVERTISE,
    P_PARTNER,
    P_EXPANSION,
    P_CONTROL_1000 = 9,
    P_STATUS_1000 = 10,
    P_EXT_STATUS = 15,
    P_SPECIFIC_STATUS = 17,
    P_INT_STATUS = 19,
};

#define CONTROL_RESET    0x8000u
#define CONTROL_LOOPBACK 0x4000u
#define CONTROL_RESTART  0x0200u

#define STATUS_CAPS     0x7949u /* 10 and 100 both duplexes, extended status, negotiation */
#define STATUS_DONE     0x0020u
#define STATUS_LINK     0x0004u
#define SPECIFIC_1000FD 0xac00u /* 1000, full duplex, resolved, link */

#define MDIC_WRITE 0x04000000u
#define MDIC_READ  0x08000000u
#define MDIC_READY 0x10000000u
#define MDIC_INT   0x20000000u
#define MDIC_ERROR 0x40000000u

/* Bits the guest may change. */
static const uint16_t writable[PHY_REGS] = {
    [P_CONTROL] = 0x7dc0, [P_ADVERTISE] = 0xbfff, [7] = 0xbfff,  [P_CONTROL_1000] = 0xff00,
    [16] = 0xffff,        [18] = 0xffff,          [20] = 0xffff, [24] = 0xffff,
    [25] = 0xffff,        [29] = 0xffff,          [30] = 0xffff,
};

static const uint16_t start[PHY_REGS] = {
    [P_CONTROL] = 0x1140,
    [P_STATUS] = STATUS_CAPS,
    [P_ID1] = 0x0141,
    [P_ID2] = 0x0c24, /* 88E1011 revision 4 */
    [P_ADVERTISE] = 0x0de1,
    [7] = 0x2001,
    [P_CONTROL_1000] = 0x0e00,
    [P_EXT_STATUS] = 0x3000,
    [16] = 0x0068,
    [20] = 0x0d60,
};

void e1000_phy_reset(struct e1000 *d)
{
    for (unsigned i = 0; i < PHY_REGS; i++)
        d->phy[i] = start[i];
}

bool e1000_loopback(const struct e1000 *d)
{
    return (e1000_reg(d, R_RCTL) & RCTL_LBM) == 0x40 || (d->phy[P_CONTROL] & CONTROL_LOOPBACK);
}

static uint16_t phy_read(struct e1000 *d, unsigned r)
{
    uint16_t v = d->phy[r];

    switch (r) {
    case P_STATUS:
        return v | (d->link ? STATUS_DONE | STATUS_LINK : 0);
    case P_PARTNER: /* acknowledges, 100 and 10 both duplexes, pause */
        return d->link ? 0x45e1 : 0;
    case P_EXPANSION:
        return d->link ? 0x000f : 0x0004;
    case P_STATUS_1000: /* both receivers are well, the partner knows 1000 full duplex */
        return d->link ? 0x7c00 : 0;
    case P_SPECIFIC_STATUS:
        return d->link ? SPECIFIC_1000FD : 0;
    case P_INT_STATUS:
        d->phy[r] = 0;
        return v;
    default:
        return v;
    }
}

/* Negotiation ends at once. */
static void phy_write(struct e1000 *d, unsigned r, uint16_t v)
{
    d->phy[r] = (uint16_t)((d->phy[r] & ~writable[r]) | (v & writable[r]));
    if (r != P_CONTROL)
        return;
    if (v & CONTROL_RESET)
        d->phy[P_CONTROL] = (uint16_t)(v & writable[P_CONTROL]);
    if (v & (CONTROL_RESET | CONTROL_RESTART) && d->link)
        e1000_cause(d, INT_LSC);
}

uint32_t e1000_mdic(struct e1000 *d, uint32_t v)
{
    unsigned r = v >> 16 & 31;

    v &= ~(MDIC_READY | MDIC_ERROR);
    if ((v >> 21 & 31) != PHY_ADDRESS)
        v |= MDIC_ERROR; /* nobody answers */
    else if (v & MDIC_READ)
        v = (v & 0xffff0000u) | phy_read(d, r);
    else if (v & MDIC_WRITE)
        phy_write(d, r, (uint16_t)v);
    v |= MDIC_READY;
    if (v & MDIC_INT)
        e1000_cause(d, INT_MDAC);
    return v;
}
