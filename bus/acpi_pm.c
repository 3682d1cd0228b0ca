/* See acpi_pm.h. Registers: ACPI specification, chapter 4.8. */
#include "acpi_pm.h"
#include "archive.h"

#include <stdlib.h>
#include <string.h>

#define STS_TMR    (1u << 0)
#define STS_GBL    (1u << 5)
#define STS_PWRBTN (1u << 8)
#define STS_SLPBTN (1u << 9)
#define STS_RTC    (1u << 10)
#define STS_WAK    (1u << 15)
#define STS_IMPLD  (STS_TMR | STS_GBL | STS_PWRBTN | STS_SLPBTN | STS_RTC | STS_WAK)
#define EN_IMPLD   (STS_TMR | STS_GBL | STS_PWRBTN | STS_SLPBTN | STS_RTC)

#define CNT_SCI_EN        (1u << 0)
#define CNT_BM_RLD        (1u << 1)
#define CNT_SLP_TYP_SHIFT 10
#define CNT_SLP_TYP       (7u << CNT_SLP_TYP_SHIFT)
#define CNT_SLP_EN        (1u << 13)

#define NS_PER_S 1000000000u

struct acpi_pm {
    struct acpi_pm_config cfg;
    uint16_t sts, en, cnt, gpe_sts, gpe_en;
    uint64_t carries; /* half periods of the timer already noted in TMR_STS */
    uint8_t reset_reg;
};

static uint64_t ticks(const struct acpi_pm *pm)
{
    unsigned __int128 ns = pm->cfg.now_ns ? pm->cfg.now_ns(pm->cfg.opaque) : 0;

    return (uint64_t)(ns * ACPI_PM_TIMER_HZ / NS_PER_S);
}

/* TMR_STS is set whenever the highest bit of the timer changes. */
static unsigned carry_shift(const struct acpi_pm *pm)
{
    return pm->cfg.timer_32bit ? 31 : 23;
}

static void note_carry(struct acpi_pm *pm)
{
    uint64_t carries = ticks(pm) >> carry_shift(pm);

    if (carries != pm->carries)
        pm->sts |= STS_TMR;
    pm->carries = carries;
}

static void update_sci(struct acpi_pm *pm)
{
    irq_set(&pm->cfg.sci, (pm->sts & pm->en & EN_IMPLD) || (pm->gpe_sts & pm->gpe_en));
}

void acpi_pm_poll(struct acpi_pm *pm)
{
    note_carry(pm);
    update_sci(pm);
}

uint64_t acpi_pm_due_ns(const struct acpi_pm *pm)
{
    unsigned __int128 next = ((unsigned __int128)pm->carries + 1) << carry_shift(pm);

    if (!(pm->en & STS_TMR) || (pm->sts & STS_TMR))
        return UINT64_MAX;
    return (uint64_t)((next * NS_PER_S + ACPI_PM_TIMER_HZ - 1) / ACPI_PM_TIMER_HZ);
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* The whole block as the guest sees it now. */
static void image(struct acpi_pm *pm, uint8_t regs[ACPI_PM_SIZE])
{
    uint64_t t = ticks(pm);

    memset(regs, 0, ACPI_PM_SIZE);
    put16(regs + ACPI_PM1_STS, pm->sts);
    put16(regs + ACPI_PM1_EN, pm->en);
    put16(regs + ACPI_PM1_CNT, pm->cnt);
    put16(regs + ACPI_PM_TMR, t & 0xffff);
    put16(regs + ACPI_PM_TMR + 2, (t >> 16) & (pm->cfg.timer_32bit ? 0xffff : 0xff));
    put16(regs + ACPI_GPE0_STS, pm->gpe_sts);
    put16(regs + ACPI_GPE0_EN, pm->gpe_en);
}

uint64_t acpi_pm_read(void *opaque, uint64_t offset, unsigned size)
{
    struct acpi_pm *pm = opaque;
    uint8_t regs[ACPI_PM_SIZE];
    uint64_t v = 0;

    note_carry(pm);
    image(pm, regs);
    for (unsigned i = 0; i < size && i < 8; i++) {
        uint64_t byte = offset + i < ACPI_PM_SIZE ? regs[offset + i] : 0xff;

        v |= byte << (8 * i);
    }
    update_sci(pm);
    return v;
}

static void write_control(struct acpi_pm *pm, uint16_t v)
{
    pm->cnt = CNT_SCI_EN | (v & (CNT_BM_RLD | CNT_SLP_TYP));
    if (!(v & CNT_SLP_EN) || (v & CNT_SLP_TYP) >> CNT_SLP_TYP_SHIFT != pm->cfg.s5_slp_typ)
        return; /* S5 is the only sleeping state on offer */
    if (pm->cfg.power_off)
        pm->cfg.power_off(pm->cfg.opaque);
}

/* A write to some bytes (mask) of the register at an even offset. */
static void write_reg(struct acpi_pm *pm, unsigned reg, uint16_t v, uint16_t mask)
{
    switch (reg) {
    case ACPI_PM1_STS:
        pm->sts &= (uint16_t) ~(v & mask);
        break;
    case ACPI_PM1_EN:
        pm->en = ((pm->en & ~mask) | (v & mask)) & EN_IMPLD;
        break;
    case ACPI_PM1_CNT:
        write_control(pm, (uint16_t)((pm->cnt & ~mask) | (v & mask)));
        break;
    case ACPI_GPE0_STS:
        pm->gpe_sts &= (uint16_t) ~(v & mask);
        break;
    case ACPI_GPE0_EN:
        pm->gpe_en = (uint16_t)((pm->gpe_en & ~mask) | (v & mask));
        break;
    default: /* the timer only counts */
        break;
    }
}

void acpi_pm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct acpi_pm *pm = opaque;

    note_carry(pm);
    for (unsigned i = 0; i < size && i < 8;) {
        uint64_t at = offset + i;
        bool both = !(at & 1) && i + 1 < size;
        unsigned shift = at & 1 ? 8 : 0;
        uint16_t mask = both ? 0xffff : (uint16_t)(0xff << shift);

        if (at >= ACPI_PM_SIZE)
            break;
        write_reg(pm, (unsigned)at & ~1u, (uint16_t)((value >> (8 * i)) << shift), mask);
        i += both ? 2 : 1;
    }
    update_sci(pm);
}

uint64_t acpi_reset_read(void *opaque, uint64_t offset, unsigned size)
{
    struct acpi_pm *pm = opaque;

    (void)size;
    return offset == 0 ? pm->reset_reg : 0;
}

void acpi_reset_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct acpi_pm *pm = opaque;

    (void)size;
    if (offset != 0)
        return;
    pm->reset_reg = (uint8_t)value;
    if (pm->reset_reg == pm->cfg.reset_value && pm->cfg.reset)
        pm->cfg.reset(pm->cfg.opaque);
}

void acpi_pm_power_button(struct acpi_pm *pm)
{
    pm->sts |= STS_PWRBTN;
    update_sci(pm);
}

void acpi_pm_gpe(struct acpi_pm *pm, unsigned n)
{
    if (n < 16)
        pm->gpe_sts |= (uint16_t)(1u << n);
    update_sci(pm);
}

void acpi_pm_reset(struct acpi_pm *pm)
{
    pm->sts = pm->en = pm->gpe_sts = pm->gpe_en = 0;
    pm->cnt = CNT_SCI_EN;
    pm->reset_reg = 0;
    pm->carries = ticks(pm) >> carry_shift(pm);
    update_sci(pm);
}

struct acpi_pm *acpi_pm_new(const struct acpi_pm_config *config)
{
    struct acpi_pm *pm = calloc(1, sizeof(*pm));

    if (!pm)
        return NULL;
    pm->cfg = *config;
    acpi_pm_reset(pm);
    return pm;
}

void acpi_pm_free(struct acpi_pm *pm)
{
    free(pm);
}

static const struct archive_field fields[] = {
    ARCHIVE_FIELD(struct acpi_pm, sts),       ARCHIVE_FIELD(struct acpi_pm, en),
    ARCHIVE_FIELD(struct acpi_pm, cnt),       ARCHIVE_FIELD(struct acpi_pm, gpe_sts),
    ARCHIVE_FIELD(struct acpi_pm, gpe_en),    ARCHIVE_FIELD(struct acpi_pm, carries),
    ARCHIVE_FIELD(struct acpi_pm, reset_reg),
};

void acpi_pm_state(struct acpi_pm *pm, struct archive *s)
{
    archive_fields(s, pm, fields, sizeof(fields) / sizeof(fields[0]));
}
