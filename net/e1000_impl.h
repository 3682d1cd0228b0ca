/* The insides of an 82540EM. Private to e1000*.c. Numbers are those of the 8254x developer's
 * manual, chapter 13. */
#ifndef KITTSON_NET_E1000_IMPL_H
#define KITTSON_NET_E1000_IMPL_H

#include "e1000.h"

#define REG_SPACE 0x20000u

enum {
    R_CTRL = 0x0000,
    R_CTRL_DUP = 0x0004,
    R_STATUS = 0x0008,
    R_EECD = 0x0010,
    R_EERD = 0x0014,
    R_CTRL_EXT = 0x0018,
    R_MDIC = 0x0020,
    R_FCAL = 0x0028,
    R_FCT = 0x0030,
    R_VET = 0x0038,
    R_ICR = 0x00c0,
    R_ITR = 0x00c4,
    R_ICS = 0x00c8,
    R_IMS = 0x00d0,
    R_IMC = 0x00d8,
    R_RCTL = 0x0100,
    R_FCTTV = 0x0170,
    R_TXCW = 0x0178,
    R_TCTL = 0x0400,
    R_TIPG = 0x0410,
    R_AIT = 0x0458,
    R_LEDCTL = 0x0e00,
    R_PBA = 0x1000,
    R_FCRTL = 0x2160,
    R_FCRTH = 0x2168,
    R_RDBAL = 0x2800,
    R_RDBAH = 0x2804,
    R_RDLEN = 0x2808,
    R_RDH = 0x2810,
    R_RDT = 0x2818,
    R_RDTR = 0x2820,
    R_RXDCTL = 0x2828,
    R_RADV = 0x282c,
    R_RSRPD = 0x2c00,
    R_TXDMAC = 0x3000,
    R_TDFH = 0x3410,
    R_TDFPC = 0x3430,
    R_TDBAL = 0x3800,
    R_TDBAH = 0x3804,
    R_TDLEN = 0x3808,
    R_TDH = 0x3810,
    R_TDT = 0x3818,
    R_TIDV = 0x3820,
    R_TXDCTL = 0x3828,
    R_TADV = 0x382c,
    R_TSPMT = 0x3830,
    R_STATS = 0x4000,
    R_STATS_END = 0x4128,
    R_RXCSUM = 0x5000,
    R_MTA = 0x5200,
    R_RA = 0x5400,
    R_VFTA = 0x5600,
    R_WUC = 0x5800,
    R_WUFC = 0x5808,
    R_MANC = 0x5820,
    R_IPAV = 0x5838,
    R_IP4AT = 0x5840,
    R_IP6AT = 0x5880,
    R_WUPL = 0x5900,
    R_FFLT = 0x5f00,
    R_FFMT = 0x9000,
    R_FFVT = 0x9800,
};

/* Statistics. */
enum {
    S_MPC = 0x4010,
    S_PRC64 = 0x405c,
    S_GPRC = 0x4074,
    S_BPRC = 0x4078,
    S_MPRC = 0x407c,
    S_GPTC = 0x4080,
    S_GORCL = 0x4088,
    S_GOTCL = 0x4090,
    S_RNBC = 0x40a0,
    S_ROC = 0x40ac,
    S_TORL = 0x40c0,
    S_TOTL = 0x40c8,
    S_TPR = 0x40d0,
    S_TPT = 0x40d4,
    S_PTC64 = 0x40d8,
    S_MPTC = 0x40f0,
    S_BPTC = 0x40f4,
    S_TSCTC = 0x40f8,
    S_TSCTFC = 0x40fc,
};

#define CTRL_FD      0x00000001u
#define CTRL_SLU     0x00000040u
#define CTRL_SPD1000 0x00000200u
#define CTRL_RST     0x04000000u
#define CTRL_VME     0x40000000u
#define CTRL_PHY_RST 0x80000000u

#define STATUS_FD      0x001u
#define STATUS_LU      0x002u
#define STATUS_1000    0x080u
#define STATUS_ASD1000 0x200u

#define CTRL_EXT_EE_RST 0x2000u

#define INT_TXDW    0x0001u
#define INT_TXQE    0x0002u
#define INT_LSC     0x0004u
#define INT_RXDMT0  0x0010u
#define INT_RXO     0x0040u
#define INT_RXT0    0x0080u
#define INT_MDAC    0x0200u
#define INT_TXD_LOW 0x8000u
#define INT_ALL     0x1ffffu

#define RCTL_EN     0x00000002u
#define RCTL_UPE    0x00000008u
#define RCTL_MPE    0x00000010u
#define RCTL_LPE    0x00000020u
#define RCTL_LBM    0x000000c0u
#define RCTL_BAM    0x00008000u
#define RCTL_VFE    0x00040000u
#define RCTL_CFIEN  0x00080000u
#define RCTL_CFI    0x00100000u
#define RCTL_BSEX   0x02000000u
#define RCTL_SECRC  0x04000000u
#define TCTL_EN     0x00000002u
#define TCTL_PSP    0x00000008u
#define RXCSUM_IP   0x100u
#define RXCSUM_TU   0x200u
#define RAH_VALID   0x80000000u
#define DELAY_FLUSH 0x80000000u /* of RDTR and TIDV */

#define EEPROM_WORDS    64
#define EEPROM_BITS_MAX 25 /* of the longest command */
#define PHY_REGS        32
#define FIFO_SIZE       0xc000u /* receive part of the packet buffer: 48 KB */
#define FCS_SIZE        4
#define VLAN_SIZE       4
#define DESC_SIZE       16
#define NEVER           UINT64_MAX

struct e1000_eeprom {
    uint16_t word[EEPROM_WORDS];
    uint32_t pins; /* SK, CS, DI, REQ and the flash bits as written */
    unsigned bits; /* of the command since the start bit */
    uint32_t command;
    uint16_t out; /* data going out, highest bit first */
    bool data_out, write_enabled;
};

/* An offload context (context descriptor). */
struct e1000_context {
    uint8_t ipcss, ipcso, tucss, tucso;
    uint16_t ipcse, tucse;
    uint8_t tucmd, header;
    uint16_t mss;
};

/* The frame being put together from descriptors. */
struct e1000_tx {
    struct e1000_context plain, segmentation; /* as set by the last context descriptors */
    struct e1000_context active;              /* of this frame */
    uint8_t frame[NET_FRAME_MAX];
    uint8_t header[256]; /* the prototype of segmented frames */
    size_t len;          /* of frame */
    size_t header_len;
    uint32_t segments, payload_sent;
    bool started, bad, tso, vlan, insert_ip, insert_tcp, insert_legacy;
    uint8_t css, cso; /* of the legacy insert_legacy */
    uint16_t tag;
};

struct e1000 {
    struct pci *pci;
    struct pci_function *function;
    struct e1000_config config;
    struct net_end peer;
    bool link;
    uint32_t reg[REG_SPACE / 4]; /* those without a meaning of their own read as 0 */
    uint32_t icr, ims, io_addr;
    bool line;
    uint64_t quiet_until;             /* interrupt throttling */
    uint64_t rx_delay, rx_limit;      /* deadlines of RDTR and RADV */
    uint64_t tx_delay, tx_limit;      /* deadlines of TIDV and TADV */
    bool tx_busy, tx_work, rx_active; /* being looked at; descriptors left over; receiving */
    uint16_t phy[PHY_REGS];
    struct e1000_eeprom eeprom;
    struct e1000_tx tx;
    uint8_t fifo[FIFO_SIZE]; /* received frames waiting for descriptors: length, bytes */
    size_t fifo_used;
    struct e1000_figures figures;
};

static inline uint32_t e1000_reg(const struct e1000 *d, unsigned r)
{
    return d->reg[r / 4];
}

static inline uint64_t e1000_now(const struct e1000 *d)
{
    return d->config.now_ns(d->config.opaque);
}

static inline uint32_t e1000_le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t e1000_le64(const uint8_t *p)
{
    return e1000_le32(p) | (uint64_t)e1000_le32(p + 4) << 32;
}

/* Interrupts: adds causes; looks again whether the pin must be pulled. */
void e1000_cause(struct e1000 *d, uint32_t causes);
void e1000_update_irq(struct e1000 *d);
/* Statistics: counters stop at all ones. e1000_count_frame counts one in the table of sizes that
 * starts at sizes; len includes the frame check sequence. */
void e1000_count(struct e1000 *d, unsigned stat);
void e1000_count64(struct e1000 *d, unsigned stat_low, uint64_t n);
void e1000_count_size(struct e1000 *d, unsigned sizes, size_t len);

void e1000_eeprom_init(struct e1000 *d);
uint32_t e1000_eecd_read(const struct e1000 *d);
void e1000_eecd_write(struct e1000 *d, uint32_t v);
uint32_t e1000_eerd(const struct e1000 *d, uint32_t v);

void e1000_phy_reset(struct e1000 *d);
uint32_t e1000_mdic(struct e1000 *d, uint32_t v);
bool e1000_loopback(const struct e1000 *d);

/* Works through transmit descriptors; what is left after a fair share waits for e1000_poll. */
void e1000_transmit(struct e1000 *d);
/* One frame from the wire; descriptors may have come. */
void e1000_receive(struct e1000 *d, const uint8_t *frame, size_t len);
void e1000_receive_waiting(struct e1000 *d);

#endif
