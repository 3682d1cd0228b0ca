/* The insides of a machine, shared by the board and the run loop. Private to machine/. */
#ifndef KITTSON_MACHINE_MACHINE_IMPL_H
#define KITTSON_MACHINE_MACHINE_IMPL_H

#include <poll.h>
#include <signal.h>
#include "breakset.h"
#include "firmware.h"
#include "hpvm_map.h"
#include "line_server.h"
#include "machine.h"
#include "mem.h"
#include "network.h"
#include "storage.h"
#include "tape.h"

struct board;
struct gdb_server;
struct graphics;
struct usb_input;
struct vcpus;
struct itrace;
struct symbols;

enum machine_request {
    REQUEST_NONE,
    REQUEST_POWER_OFF,
    REQUEST_RESET,
    REQUEST_DIVERGED, /* lockstep */
    REQUEST_TAPE,     /* a replay: the trace has ended, or the machine has left it */
};

struct machine {
    struct machine_config config;
    struct mem *mem;
    bool ram_locked;
    struct firmware *firmware;
    struct cpu *cpu[HPVM_MAX_CPUS];
    struct board *board;
    struct line_server *monitor; /* or NULL */
    struct firmware_drive drives[MACHINE_MAX_DRIVES];
    struct machine_drive drive_list[MACHINE_MAX_DRIVES]; /* config.drives */
    char *drive_path[MACHINE_MAX_DRIVES];                /* of attached ones */
    struct vcpus *vcpus; /* NULL: processors take turns on one thread */
    struct cpu *current; /* the one having its turn, NULL between turns */
    /* What ends or interrupts the run; see run.c. */
    _Atomic(enum machine_request) request;
    volatile sig_atomic_t signal; /* 0 or what ended the run */
    int wake_fd;                  /* readable once signal is set */
    /* Stopped by a debugger or the monitor, pause.c. */
    bool paused;
    uint64_t paused_ns; /* machine time since then */
    uint32_t held;      /* bit n: processor n takes no turns */
    struct breakset breaks;
    struct gdb_server *gdb; /* or NULL */
    struct itrace *itrace;  /* or NULL */
    const char
        *disc_state[MACHINE_MAX_DRIVES]; /* as last told, see machine_events.h; NULL: not yet */
    struct symbols *symbols;             /* for backtraces, or NULL; asked for once */
    bool symbols_asked;
    /* Time. Deterministic: ticks is where all processors' clocks stand at the start of a round. */
    uint64_t start_ns;
    uint64_t ticks;
    uint64_t turn_icount;  /* the current one's instruction count at the start of its turn */
    uint64_t turn_digests; /* of registers in this turn, see tape.h */
    uint64_t turn_waited;  /* ticks of this round it has spent halted */
    unsigned round_at;     /* whose turn it is in this round */
    uint64_t ahead[HPVM_MAX_CPUS]; /* ticks beyond the end of its last turn */
    /* Figures. */
    uint64_t rounds, idle_ns, resets;
    uint64_t run_ns[HPVM_MAX_CPUS];
    struct {
        uint64_t taken, since_ns;
    } answer[HPVM_MAX_CPUS]; /* to interrupts, see machine_cpu_figures */
    uint64_t icount_before;  /* instructions before the last reset */
};

/* machine_quit by others than a signal. */
#define MACHINE_SIGNAL_CONSOLE (-1)
#define MACHINE_SIGNAL_MONITOR (-2)
#define MACHINE_SIGNAL_TAPE    (-3) /* a replayed trace ends */

/* Machine time in nanoseconds since the start: the host's or the instructions'. */
uint64_t machine_now_ns(void *machine);
uint64_t machine_host_ns(void); /* monotonic */
/* Of a deterministic machine's clock. */
uint64_t machine_ticks_to_ns(uint64_t ticks);
uint64_t machine_ns_to_ticks(uint64_t ns);
void machine_power_off(void *machine);
void machine_reset(void *machine);

/* From power-on to the kernel's first instruction, and again after a reset. */
int machine_start(struct machine *m, char *why, size_t size);
int machine_restart(struct machine *m, char *why, size_t size);

/* Tells the firmware which drives there are, boot_drives.c. */
void machine_give_drives(struct machine *m);

/* The board: devices of the machine. */
int board_new(struct machine *m, char *why, size_t size);
int board_open_console(struct board *b, char *why, size_t size);
void board_free(struct board *b);
void board_reset(struct board *b);
/* Moves characters between console and UART and looks at the devices' timers. */
void board_poll(struct board *b);
/* Nanoseconds until a device wants board_poll, UINT64_MAX when none does. */
uint64_t board_due_ns(struct board *b);
/* What to poll(2) for: at most BOARD_MAX_FDS entries, none when nothing can come from outside. */
#define BOARD_MAX_FDS 512
unsigned board_poll_fds(struct board *b, struct pollfd *fds);
/* The part of both that serves the user at the console. */
void board_poll_console(struct board *b);
unsigned board_console_fds(struct board *b, struct pollfd *fds);
/* PCI configuration accesses of firmware_config. */
uint64_t board_pci_read(void *machine, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                        unsigned size);
void board_pci_write(void *machine, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                     unsigned size, uint64_t value);
void board_power_button(struct board *b);
/* Disks and discs. */
struct storage *board_storage(struct board *b);
struct network *board_network(struct board *b);
struct graphics *board_graphics(struct board *b);   /* or NULL */
struct usb_input *board_usb_input(struct board *b); /* or NULL */
/* Devices of the board that are saved, each in a section of its own (snapshot.h). */
struct archive;
struct board_part {
    const char *name;
    uint32_t version;
    void (*state)(struct board *b, struct archive *a);
};
extern const struct board_part board_parts[];
extern const unsigned board_part_count;
/* The user asked to end the process from the console. */
bool board_quit_requested(struct board *b);

#endif
