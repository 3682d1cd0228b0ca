/* A whole machine: RAM, processors, firmware and devices put together, and the loop that runs it.
 *
 * The only part that knows all others. A board file (board_hpvm.c) says which devices there are and
 * where; run.c gives the processors their turns and keeps time. Host options are interpreted by the
 * command line, not here.
 */
#ifndef KITTSON_MACHINE_MACHINE_H
#define KITTSON_MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "cpu.h"
#include "firmware.h"
#include "netdev.h"

/* A disk or disc drive: target of the SCSI adapter in a slot (0..6, 0..7, 0..14). Adapters are
 * there because of their drives. */
struct machine_drive {
    bool dvd;
    unsigned bus, slot, target;
    const char *path;    /* file, block device, NBD URI; for a drive also a directory of discs or
                            NULL: empty */
    bool read_only;      /* disks */
    bool shared;         /* disks: other machines that say the same may use it, and write */
    const char *overlay; /* disks: file that takes the writes, or NULL */
};
#define MACHINE_MAX_DRIVES 64

/* A network adapter and what it is plugged into: a running switch, or an uplink of its own. Strings
 * are the caller's. */
struct machine_nic {
    unsigned bus, slot;
    bool has_mac; /* else one is made from what identifies the machine and the place */
    uint8_t mac[NET_MAC_SIZE];
    const char *switch_name; /* NULL: uplink */
    unsigned port;           /* of the switch; 0: any */
    int vlan;                /* asked for where the port has none configured; -1: none */
    const char *guest;       /* a name for the switch's listings, or NULL */
    const char *uplink;      /* "user,..." (user_options.h) or "tap:INTERFACE"; NULL, and no
                                switch_name: not plugged in, as in a replay */
    const char *pcap;        /* capture file or NULL */
};
#define MACHINE_MAX_NICS 7

/* What the machine tells its owner, on the thread that runs it. Any may be NULL. */
struct machine_watch {
    void *opaque;
    /* Between turns, when drives may be changed and figures read: at least every second and soon
     * after machine_wake. */
    void (*between)(void *opaque);
    /* How far the system has come; text is what the event is about, or "". */
    void (*progress)(void *opaque, enum firmware_event event, const char *text);
};

/* Strings stay the caller's and must outlive the machine. */
struct tape;
struct machine_config {
    uint64_t memory; /* bytes */
    unsigned cpus;
    enum cpu_model model;
    const char *kernel; /* ELF file or gzip of one; NULL: image */
    const void *image;  /* an ELF file in memory; NULL too: the boot manager starts */
    size_t image_size;
    const char *initrd;  /* or NULL */
    const char *append;  /* kernel command line, or NULL */
    const char *console; /* see console_open() */
    const char *display; /* display_open(); NULL: there is no graphics adapter */
    const char *serial;  /* or NULL */
    const char *nvram;   /* file of EFI variables; NULL: they live in memory */
    const char *monitor; /* path of the monitor's socket, or NULL */
    const char *gdb;     /* where a debugger may connect, see gdb_server.h; or NULL */
    const char *itrace;  /* see itrace_open(), or NULL */
    bool wait;           /* stopped until somebody lets the machine go on */
    const char *restore; /* snapshot to go on from, instead of a start; or NULL */
    void (*restore_progress)(unsigned percent); /* or NULL */
    uint8_t uuid[16];
    const struct machine_drive *drives; /* the caller's */
    unsigned drive_count;
    const struct machine_nic *nics; /* the caller's */
    unsigned nic_count;
    struct machine_watch watch;
    bool jit;          /* translate hot code */
    bool lockstep;     /* and compare it with the interpreter; needs jit */
    bool jit_perf_map; /* cpu.h: for work on the translator */
    bool jit_dump;
    uint64_t jit_dump_at;
    bool deterministic; /* time follows retired instructions */
    bool no_reboot;     /* a guest reset ends the run */
    struct tape *tape;  /* recording or replay, see tape.h; needs deterministic; or NULL */
    bool lock_memory;   /* keep RAM in the host's memory, if the host allows it */
};

enum machine_end {
    MACHINE_POWERED_OFF,
    MACHINE_RESET,    /* only with no_reboot */
    MACHINE_QUIT,     /* ended from the console or by a signal */
    MACHINE_DIVERGED, /* a replay left its trace, see tape.h */
    MACHINE_STOPPED,  /* nothing can happen any more, or the restart failed */
};

struct machine;

/* Builds the machine and loads the kernel. 0, or a negative errno with one sentence in why. */
int machine_new(const struct machine_config *config, struct machine **out, char *why, size_t size);
void machine_free(struct machine *m);

/* Runs until the guest ends; a guest reset restarts it unless no_reboot. The sentence in why says
 * how it ended. */
enum machine_end machine_run(struct machine *m, char *why, size_t size);

/* Writes the whole machine into a file, between turns. last: it will not run on. 0, or a negative
 * errno with one sentence in why. */
int machine_save(struct machine *m, const char *path, bool last, char *why, size_t size);

/* Ends machine_run soon; may be called from a signal handler. */
void machine_quit(struct machine *m, int signal);

/* Ends the present wait of machine_run; may be called from any thread and signal handlers. */
void machine_wake(struct machine *m);

/* The following are for between turns only: from machine_watch's functions or before the run. */

/* Presses the power button, which a guest may take as a request to shut down. */
void machine_power_button(struct machine *m);
/* Resets the machine as the guest would: machine_run restarts it, or ends with no_reboot. */
void machine_press_reset(struct machine *m);

/* INIT to every processor. */
void machine_press_init(struct machine *m);
/* Where the boot processor is, and its global pointer. */
void machine_entry(const struct machine *m, uint64_t *ip, uint64_t *gp);

/* One processor since the start: host time it ran, instruction slots, and for how long an interrupt
 * has waited while it took none. */
struct machine_cpu_figures {
    uint64_t run_ns, slots, unanswered_ns;
};
struct machine_cpu_figures machine_cpu_figures(const struct machine *m, unsigned n);
/* Host addresses of guest memory: range n as the guest sees it. False when there is none. */
bool machine_ram(struct machine *m, unsigned n, uint64_t *start, uint64_t *size, void **host);
/* All of it was locked, as lock_memory asks. */
bool machine_ram_locked(const struct machine *m);

/* The registers of every processor, for people. */
void machine_print_state(const struct machine *m, FILE *out);

/* Discs. 0, or a negative errno with one sentence in why; eject without force respects the guest's
 * lock. name is a bare name in the drive's directory, which is that of --cdrom, or the one its disc
 * of then was in; or a path, for a drive with a directory only one that leads there. */
int machine_eject(struct machine *m, unsigned drive, bool force, char *why, size_t size);
int machine_insert(struct machine *m, unsigned drive, const char *name, char *why, size_t size);

/* Drives that come and go while the machine runs, by their number in the configuration. An attached
 * one gets a number that is free; its adapter must be there. -EBUSY while the guest uses it. Only
 * once boot services have ended: firmware does not expect it. */
int machine_attach(struct machine *m, const struct machine_drive *d, char *why, size_t size);
int machine_detach(struct machine *m, unsigned drive, char *why, size_t size);
/* d: the same place and kind, and what is to be there. */
int machine_replace(struct machine *m, unsigned drive, const struct machine_drive *d, char *why,
                    size_t size);
/* The number of a drive by its place, -1: there is none. */
int machine_find_drive(const struct machine *m, unsigned bus, unsigned slot, unsigned target);

/* What happened since the start, one figure per line. */
void machine_print_stats(const struct machine *m, FILE *out);

#endif
