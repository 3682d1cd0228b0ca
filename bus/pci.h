/* PCI: root bridges, configuration space, base address registers and interrupt wiring.
 *
 * Host bridges only, no PCI-to-PCI bridges: a root has one bus of up to 32 devices. A function is
 * described by constants and gets its register accesses through callbacks; the bus keeps its
 * configuration space. Accesses reach a function only inside its root's windows and while its
 * command register allows them. All calls come from one thread.
 */
#ifndef KITTSON_BUS_PCI_H
#define KITTSON_BUS_PCI_H

#include <stdbool.h>
#include <stdint.h>
#include "ioport.h"
#include "irq.h"
#include "mem.h"

#define PCI_MAX_ROOTS   8
#define PCI_MAX_DEVICES 32
#define PCI_BARS        6

/* Configuration registers. */
#define PCI_VENDOR     0x00u
#define PCI_COMMAND    0x04u
#define PCI_STATUS     0x06u
#define PCI_REVISION   0x08u
#define PCI_CACHE_LINE 0x0cu
#define PCI_LATENCY    0x0du
#define PCI_HEADER     0x0eu
#define PCI_BAR0       0x10u
#define PCI_SUBSYSTEM  0x2cu
#define PCI_ROM        0x30u
#define PCI_CAP_PTR    0x34u
#define PCI_IRQ_LINE   0x3cu
#define PCI_IRQ_PIN    0x3du

#define PCI_COMMAND_IO       0x0001u
#define PCI_COMMAND_MEMORY   0x0002u
#define PCI_COMMAND_MASTER   0x0004u
#define PCI_COMMAND_INTX_OFF 0x0400u
#define PCI_STATUS_INTX      0x0008u
#define PCI_STATUS_CAPS      0x0010u

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

/* size: a power of two, at least 4 for ports and 16 for memory. PCI_BAR_MEM64 takes this entry and
 * the next, which stays PCI_BAR_NONE. Offsets given to read and write are relative to the BAR. */
struct pci_bar {
    enum pci_bar_kind kind;
    bool prefetchable;
    uint64_t size;
    mem_read_fn *read;
    mem_write_fn *write;
};

struct pci_function_config {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code; /* 24 bits */
    uint8_t revision;
    uint8_t pin; /* 0 none, 1 INTA .. 4 INTD */
    uint8_t min_grant, max_latency;
    struct pci_bar bar[PCI_BARS];
    void *opaque;
    void (*reset)(void *opaque); /* bus reset; may be NULL */
};

/* Windows of a root: what the host bridge forwards. A size of 0 leaves one out. Ports may be given
 * in two pieces. */
struct pci_root_config {
    unsigned bus;
    struct {
        unsigned port, count;
    } io[2];
    uint64_t mem32, mem32_size;
    uint64_t mem64, mem64_size;
    struct irq_line line[8]; /* pin p (0..3) of device d pulls line (d + p) % lines */
    unsigned lines;
};

struct pci;
struct pci_function;

/* m and ports take the windows; both must outlive the bus. */
struct pci *pci_new(struct mem *m, struct ioport_space *ports);
void pci_free(struct pci *p);
/* 0, -EINVAL, -EEXIST (bus number taken, or a window overlaps), -ENOSPC, -ENOMEM. */
int pci_add_root(struct pci *p, const struct pci_root_config *config);
/* A function at bus/device/fn. 0, -EINVAL (absurd configuration, no such root), -EEXIST, -ENOMEM.
 */
int pci_add(struct pci *p, unsigned bus, unsigned device, unsigned fn,
            const struct pci_function_config *config, struct pci_function **out);

/* Power-on state of all functions, their reset functions called, lines released. */
void pci_reset(struct pci *p);
/* Saves or restores configuration spaces and lines of all functions (utils/archive.h), which must
 * be the same ones; interrupt inputs are the controller's. Version 1. */
struct archive;
void pci_state(struct pci *p, struct archive *s);
/* What firmware does at power-on: gives every BAR an address inside its root's windows and sets
 * command, cache line size and latency. irq(opaque, bus, line) names the interrupt input of a
 * root's line for the interrupt line register. */
void pci_assign(struct pci *p, unsigned (*irq)(unsigned bus, unsigned line));

/* Configuration accesses of 1, 2 or 4 bytes, aligned. Absent functions read as all ones. */
uint32_t pci_config_read(struct pci *p, unsigned segment, unsigned bus, unsigned devfn,
                         unsigned reg, unsigned size);
void pci_config_write(struct pci *p, unsigned segment, unsigned bus, unsigned devfn, unsigned reg,
                      unsigned size, uint32_t value);

/* For functions. pci_capability adds a capability of len bytes (header included) and returns its
 * offset, 0 when there is no room; pci_set8/16/32 give registers their power-on values, and
 * pci_writable says which bits of a 32-bit register the guest may change. */
unsigned pci_capability(struct pci_function *f, unsigned id, unsigned len);
void pci_set8(struct pci_function *f, unsigned reg, unsigned value);
void pci_set16(struct pci_function *f, unsigned reg, unsigned value);
void pci_set32(struct pci_function *f, unsigned reg, uint32_t value);
void pci_writable(struct pci_function *f, unsigned reg, uint32_t mask);
/* The function's INTx pin. */
void pci_set_irq(struct pci_function *f, bool level);
/* DMA as bus master: mem.h's, but -EACCES while the command register forbids it. */
int pci_dma_read(struct pci_function *f, uint64_t addr, void *buf, uint64_t len);
int pci_dma_write(struct pci_function *f, uint64_t addr, const void *buf, uint64_t len);

#endif
