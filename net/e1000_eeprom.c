/* 82540EM: the 64-word Microwire EEPROM (a 93C46), through EERD and bit by bit through EECD. */
#include "e1000_impl.h"

#define EECD_SK   0x001u
#define EECD_CS   0x002u
#define EECD_DI   0x004u
#define EECD_DO   0x008u
#define EECD_FWE  0x030u
#define EECD_REQ  0x040u
#define EECD_GNT  0x080u
#define EECD_PRES 0x100u

#define EERD_START 0x01u
#define EERD_DONE  0x10u

#define ADDRESS_BITS 6
#define COMMAND_BITS (3 + ADDRESS_BITS) /* start bit, two of opcode, address */
#define WRITE_BITS   EEPROM_BITS_MAX    /* and 16 of data */
#define CHECKSUM     0xbabau            /* what all words add up to */

enum { OP_EXTENDED = 4, OP_WRITE = 5, OP_READ = 6, OP_ERASE = 7 };

static void set_checksum(struct e1000_eeprom *e)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < EEPROM_WORDS - 1; i++)
        sum += e->word[i];
    e->word[EEPROM_WORDS - 1] = (uint16_t)(CHECKSUM - sum);
}

void e1000_eeprom_init(struct e1000 *d)
{
    struct e1000_eeprom *e = &d->eeprom;
    const uint8_t *mac = d->config.mac;

    for (unsigned i = 0; i < 3; i++)
        e->word[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
    e->word[0x08] = 0xffff; /* board number: none */
    e->word[0x09] = 0xffff;
    e->word[0x0a] = 0x4408; /* initialisation control 1: ids are valid */
    e->word[0x0b] = d->config.subsystem;
    e->word[0x0c] = d->config.subsystem_vendor;
    e->word[0x0d] = 0x100e;
    e->word[0x0e] = 0x8086;
    e->word[0x0f] = 0x3040; /* initialisation control 2: pause both ways */
    set_checksum(e);
}

uint32_t e1000_eerd(const struct e1000 *d, uint32_t v)
{
    if (!(v & EERD_START))
        return v & 0xff00;
    return (uint32_t)d->eeprom.word[(v >> 8) % EEPROM_WORDS] << 16 | (v & 0xff00) | EERD_DONE;
}

uint32_t e1000_eecd_read(const struct e1000 *d)
{
    const struct e1000_eeprom *e = &d->eeprom;
    uint32_t v = e->pins | EECD_PRES;

    if (e->pins & EECD_REQ)
        v |= EECD_GNT;
    if (e->data_out)
        v |= EECD_DO;
    return v;
}

/* Erasing and writing take no time: the next look at DO says ready. */
static void erase_or_write(struct e1000_eeprom *e, unsigned word, uint16_t value)
{
    if (e->write_enabled)
        e->word[word] = value;
}

static void command_complete(struct e1000_eeprom *e)
{
    unsigned op = e->command >> ADDRESS_BITS, word = e->command % EEPROM_WORDS;

    e->data_out = false;
    if (op == OP_READ)
        e->out = e->word[word];
    else if (op == OP_ERASE)
        erase_or_write(e, word, 0xffff);
    else if (op == OP_EXTENDED && word >> 4 == 3) /* 100 11xxxx: write enable */
        e->write_enabled = true;
    else if (op == OP_EXTENDED && word >> 4 == 0)
        e->write_enabled = false;
}

/* A rising clock edge: a bit comes in and, while reading, one goes out. */
static void clock_edge(struct e1000_eeprom *e, bool in)
{
    if (e->bits == 0 && !in) /* waits for the start bit */
        return;
    if (e->bits < COMMAND_BITS) {
        e->command = e->command << 1 | in;
        if (++e->bits == COMMAND_BITS)
            command_complete(e);
        return;
    }
    unsigned op = e->command >> ADDRESS_BITS;
    if (op == OP_READ) {
        if (e->bits == WRITE_BITS) { /* reading goes on with the next word */
            e->command = OP_READ << ADDRESS_BITS | ((e->command + 1) % EEPROM_WORDS);
            e->out = e->word[e->command % EEPROM_WORDS];
            e->bits = COMMAND_BITS;
        }
        e->data_out = e->out >> 15;
        e->out = (uint16_t)(e->out << 1);
        e->bits++;
    } else if (op == OP_WRITE && e->bits < WRITE_BITS) {
        e->out = (uint16_t)(e->out << 1 | in);
        if (++e->bits == WRITE_BITS)
            erase_or_write(e, e->command % EEPROM_WORDS, e->out);
    }
}

void e1000_eecd_write(struct e1000 *d, uint32_t v)
{
    struct e1000_eeprom *e = &d->eeprom;
    uint32_t before = e->pins;

    e->pins = v & (EECD_SK | EECD_CS | EECD_DI | EECD_FWE | EECD_REQ);
    if (!(v & EECD_CS) || !(before & EECD_CS)) {
        e->bits = 0;
        e->command = 0;
        e->data_out = v & EECD_CS; /* ready */
    }
    if ((v & EECD_CS) && (v & EECD_SK) && !(before & EECD_SK))
        clock_edge(e, v & EECD_DI);
}
