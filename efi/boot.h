/* The inside of EFI boot services: what their files share. Private to efi/.
 *
 * EFI 1.10, on the boot processor, in physical mode, with interrupts enabled below TPL_HIGH_LEVEL
 * (the processor state EFI prescribes for Itanium). Structures that programs see are in guest
 * memory; everything behind them is in host memory, so that a damaged guest can only harm itself.
 * A member function is a guest function descriptor whose code puts a number into r15 and branches
 * to FW_ENTRY_BOOT; the number selects a boot_fn.
 *
 * Host functions never wait and never call the guest directly: they are split into steps of a task
 * (task.c) that go on when a guest function has returned or a time has come.
 */
#ifndef KITTSON_EFI_BOOT_H
#define KITTSON_EFI_BOOT_H

#include <glib.h>
#include "blockdev.h"
#include "fw.h"
#include "partition.h"
#include "efi_status.h"

/* The firmware's image in low memory: interruption vectors, stubs, function descriptors, stack. */
#define BOOT_IVT          0x100000ull
#define BOOT_IVT_SIZE     0x8000ull
#define BOOT_STUBS        0x108000ull
#define BOOT_DESCRIPTORS  0x10a000ull
#define BOOT_FUNCTIONS    512
#define BOOT_CODE_SIZE    0xa000ull /* vectors and stubs */
#define BOOT_STACK        0x110000ull
#define BOOT_STACK_SIZE   0x50000ull
#define BOOT_BACKING_SIZE 0x10000ull /* at its bottom: register backing store */
#define BOOT_END          (BOOT_STACK + BOOT_STACK_SIZE)

#define BOOT_TIMER_VECTOR 0xefu

#define TPL_APPLICATION 4u
#define TPL_CALLBACK    8u
#define TPL_NOTIFY      16u
#define TPL_HIGH_LEVEL  31u

/* Bounds on what a guest can make the host remember. */
#define BOOT_MAX_OBJECTS 65536u
#define BOOT_MAX_TASKS   256u

struct boot;
struct task;
struct event;
struct image;

/* Guest-callable. Returns what r8 gets, unless a task was begun for the call. */
typedef uint64_t boot_fn(struct boot *b, struct fwcall *k);

/* --- boot_services.c: composition, functions, guest memory --- */

struct boot {
    struct firmware *fw;
    struct cpu *c;
    bool live; /* until ExitBootServices */
    /* functions and objects */
    boot_fn *fn[BOOT_FUNCTIONS];
    unsigned functions;
    GHashTable *objects; /* guest address -> struct boot_object */
    /* task.c */
    struct task *top;
    unsigned tasks;
    /* memory.c */
    GHashTable *pool_pages; /* page number -> struct pool_page */
    GHashTable *pool_large; /* address -> size in pages */
    GHashTable *pool_free;  /* type and class -> address of a page with room */
    uint64_t map_key;
    /* handles.c */
    GHashTable *handles; /* id -> struct handle */
    GQueue handle_order;
    GSList *registrations;
    uint64_t next_id;
    /* events.c */
    GHashTable *events;
    GQueue pending[TPL_HIGH_LEVEL + 1];
    unsigned tpl;
    /* image.c */
    GHashTable *images; /* handle -> struct image */
    struct image *running;
    /* tables and console */
    uint64_t table, configs;
    unsigned config_count;
    uint64_t con_in, con_out, console_handle;
    struct terminal *terminal;
    struct key_input *keys;
    uint64_t watchdog; /* moment, 0: off */
    uint32_t low_count;
    GPtrArray *roots;   /* struct root, see pci_io.c */
    GPtrArray *devices; /* struct blk_device, see block.c */
    GPtrArray *nets;    /* struct netif, see snp.c */
    struct bootmgr *manager;
};

struct boot *boot_new(struct firmware *fw, struct cpu *c);

/* Argument n of a call, from registers or the memory stack. */
uint64_t boot_arg(struct boot *b, const struct fwcall *k, unsigned n);

/* Guest memory by physical address (bit 63, the uncacheable attribute, is ignored); RAM only. */
bool boot_read(struct boot *b, uint64_t at, void *buf, uint64_t len);
bool boot_write(struct boot *b, uint64_t at, const void *buf, uint64_t len);
bool boot_write64(struct boot *b, uint64_t at, uint64_t v);
bool boot_read64(struct boot *b, uint64_t at, uint64_t *v);
/* A host pointer to the range, or NULL. Writers call boot_wrote() afterwards. */
uint8_t *boot_ram(struct boot *b, uint64_t at, uint64_t len);
void boot_wrote(struct boot *b, uint64_t at, uint64_t len);
/* A NUL-terminated UCS-2 string of at most `max` characters; NULL if it is not one. g_free. */
uint16_t *boot_read_str16(struct boot *b, uint64_t at, unsigned max);

/* Address of the guest function descriptor of a host function. */
uint64_t boot_function(struct boot *b, boot_fn *fn);
/* Writes a structure of n words at `at`, functions for those that are not NULL. */
void boot_put_functions(struct boot *b, uint64_t at, boot_fn *const *fn, unsigned n);

/* What is behind a guest address. kind is compared by address. */
void boot_bind(struct boot *b, uint64_t at, const char *kind, void *data);
void boot_unbind(struct boot *b, uint64_t at);
void *boot_object(struct boot *b, uint64_t at, const char *kind);

/* Moments are values of ITC. */
uint64_t boot_now(const struct boot *b);
uint64_t boot_ticks(const struct boot *b, uint64_t hundred_ns);

uint64_t boot_status(int err); /* of a negative errno */
/* Updates the console's and boot services' pointers in the system table. */
void boot_put_system_table(struct boot *b);
void boot_exit_services(struct boot *b);
uint64_t boot_install_config(struct boot *b, const uint8_t guid[16], uint64_t table);

/* --- task.c --- */

typedef void task_step(struct boot *b, struct task *t, uint64_t status);

enum task_kind { TASK_SERVICE, TASK_PART, TASK_INTERRUPT, TASK_ROOT };

struct task {
    struct task *below;
    enum task_kind kind;
    task_step *step;
    uint64_t w[6]; /* the task's own */
    void *data;
    void (*drop)(struct boot *b, struct task *t); /* when it ends, however it does */
    uint64_t b0, pfs, gp, sp;                     /* TASK_SERVICE: the caller's */
    uint64_t ret[3];                              /* r9 to r11 */
    /* A guest function is being called, or time must pass. */
    bool calling, waiting;
    struct cpu_frame frame;
    uint64_t call_sp, call_gp;
    unsigned tpl;
    struct cpu_state *state; /* TASK_INTERRUPT */
};

/* The call becomes a task; NULL (answer EFI_OUT_OF_RESOURCES) when there are too many. */
struct task *task_service(struct boot *b, struct fwcall *k, task_step *step);
/* A part of the task on top, whose step gets the result. */
struct task *task_part(struct boot *b, task_step *step);
struct task *task_root(struct boot *b, task_step *step);
/* Calls the function of a descriptor; the step gets its r8. */
void task_call(struct boot *b, struct task *t, uint64_t descriptor, const uint64_t *args,
               unsigned n);
/* The step is called again at the moment, or earlier when something may have happened. */
void task_wait(struct boot *b, struct task *t, uint64_t moment);
void task_done(struct boot *b, struct task *t, uint64_t status);
/* Drops the tasks above t, which is in a call, as if that call had returned. */
void task_unwind(struct boot *b, struct task *t);
void task_drop_all(struct boot *b);
/* Ends a service call with a status after event notifications that are due. */
uint64_t task_finish(struct boot *b, struct fwcall *k, uint64_t status);

/* --- memory.c --- */

enum { ALLOCATE_ANY, ALLOCATE_MAX, ALLOCATE_ADDRESS };

uint64_t memory_allocate(struct boot *b, unsigned how, uint32_t type, uint64_t pages,
                         uint64_t *address);
uint64_t memory_free(struct boot *b, uint64_t address, uint64_t pages);
/* 0 when there is no room. */
uint64_t pool_allocate(struct boot *b, uint32_t type, uint64_t size);
bool pool_free(struct boot *b, uint64_t address);
/* Boot services data, zeroed. */
uint64_t boot_alloc(struct boot *b, uint64_t size);
void memory_init(struct boot *b);
void memory_done(struct boot *b);

boot_fn bs_allocate_pages, bs_free_pages, bs_get_memory_map, bs_allocate_pool, bs_free_pool;

/* --- events.c --- */

#define EVT_TIMER         0x80000000u
#define EVT_RUNTIME       0x40000000u
#define EVT_NOTIFY_WAIT   0x00000100u
#define EVT_NOTIFY_SIGNAL 0x00000200u
#define EVT_EXIT_BOOT     0x00000201u
#define EVT_VIRTUAL       0x60000202u

void events_init(struct boot *b);
void events_done(struct boot *b);
/* An event whose state a host function tells (keys, packets). 0: no room. */
uint64_t event_host(struct boot *b, bool (*ready)(struct boot *b, void *data), void *data);
void event_signal(struct boot *b, struct event *e);
struct event *event_find(struct boot *b, uint64_t id);
/* Signals every event of a type. */
void events_signal_type(struct boot *b, uint32_t type);
/* Signals timers that are due; true if some notification waits to be called. */
bool events_poll(struct boot *b);
/* Whether a notification above the current TPL waits. */
bool events_due(const struct boot *b);
/* A task_part on top of the current task that calls them; ends with EFI_SUCCESS. */
void events_dispatch(struct boot *b);
/* Sets TPL and with it PSR.i. */
void events_set_tpl(struct boot *b, unsigned tpl);
/* Programs the interval timer for the next timer, or the moment if it comes first. */
void events_arm(struct boot *b, uint64_t moment);

boot_fn bs_raise_tpl, bs_restore_tpl, bs_create_event, bs_set_timer, bs_wait_for_event,
    bs_signal_event, bs_close_event, bs_check_event;

/* --- handles.c, drivers.c --- */

#define OPEN_BY_HANDLE 0x01u
#define OPEN_GET       0x02u
#define OPEN_TEST      0x04u
#define OPEN_BY_CHILD  0x08u
#define OPEN_BY_DRIVER 0x10u
#define OPEN_EXCLUSIVE 0x20u

struct open_info {
    uint64_t agent, controller;
    uint32_t attributes, count;
};

struct protocol {
    uint8_t guid[16];
    uint64_t interface;
    GArray *opens; /* struct open_info */
};

struct handle {
    uint64_t id;
    GList *link;
    GPtrArray *protocols;
};

void handles_init(struct boot *b);
void handles_done(struct boot *b);
struct handle *handle_find(struct boot *b, uint64_t id);
struct protocol *handle_protocol(struct handle *h, const uint8_t guid[16]);
/* *id 0: a new handle. */
uint64_t handle_install(struct boot *b, uint64_t *id, const uint8_t guid[16], uint64_t interface);
uint64_t handle_uninstall(struct boot *b, uint64_t id, const uint8_t guid[16], uint64_t interface);
/* The interface, or 0 (a NULL interface counts as none). */
uint64_t handle_interface(struct boot *b, uint64_t id, const uint8_t guid[16]);
/* Handles with a protocol (NULL: all), in the order of their creation. g_array_unref. */
GArray *handles_with(struct boot *b, const uint8_t *guid);
/* The handle with the longest device path that begins `path` and with the protocol; *used gets the
 * number of its bytes. 0: none. */
uint64_t handle_by_path(struct boot *b, const uint8_t *guid, const uint8_t *path, size_t size,
                        size_t *used);

/* task_parts, as ConnectController and DisconnectController. driver 0: all. */
void driver_connect(struct boot *b, uint64_t controller, uint64_t driver, bool recursive);
void driver_disconnect(struct boot *b, uint64_t controller, uint64_t driver, uint64_t child);

boot_fn bs_install_protocol, bs_reinstall_protocol, bs_uninstall_protocol, bs_handle_protocol,
    bs_register_notify, bs_locate_handle, bs_locate_device_path, bs_connect, bs_disconnect,
    bs_open_protocol, bs_close_protocol, bs_open_information, bs_protocols_per_handle,
    bs_locate_handle_buffer, bs_locate_protocol, bs_install_multiple, bs_uninstall_multiple;

/* --- devpath.c: device paths in host memory --- */

#define DEVPATH_MAX 4096u

struct devpath {
    uint8_t data[DEVPATH_MAX];
    size_t size; /* without the end node */
};

/* Reads a path from guest memory: whole nodes up to an end node, or false. Only the first instance
 * of a path of several. */
bool devpath_read(struct boot *b, uint64_t at, struct devpath *out);
/* Copies it into boot services data with an end node; 0: no room. */
uint64_t devpath_write(struct boot *b, const struct devpath *p);
void devpath_add(struct devpath *p, uint8_t type, uint8_t subtype, const void *data, size_t len);
void devpath_add_acpi(struct devpath *p, uint16_t pnp, uint32_t uid);
void devpath_add_pci(struct devpath *p, unsigned device, unsigned function);
void devpath_add_scsi(struct devpath *p, unsigned pun, unsigned lun);
void devpath_add_partition(struct devpath *p, const struct partition *part);
void devpath_add_file(struct devpath *p, const uint16_t *name);
/* Size of the node at offset, 0 at the end. */
size_t devpath_node(const struct devpath *p, size_t at);
/* The file name that nodes from `at` on spell (file path nodes only), or NULL. g_free. */
uint16_t *devpath_file(const struct devpath *p, size_t at);
/* Text form, such as Acpi(PNP0A03,0)/Pci(0|0)/Scsi(Pun0,Lun0). g_free. */
char *devpath_text(const struct devpath *p);

/* --- image.c --- */

void images_init(struct boot *b);
void images_done(struct boot *b);
/* From host memory; the path is what LoadedImage says. */
uint64_t image_load(struct boot *b, uint64_t parent, const struct devpath *path, const void *file,
                    size_t size, uint64_t *handle);
/* load_file.c: the program a device path names, from a file system or a Load File protocol
 * (policy: chosen by the boot manager). A task_part whose result is the status; word
 * IMAGE_HANDLE_WORD of the task below gets the handle, or 0. */
#define IMAGE_HANDLE_WORD 3
void image_load_path(struct boot *b, uint64_t parent, bool policy, const struct devpath *path);
/* A task_part; its result is what the program returned. */
void image_start(struct boot *b, uint64_t handle);
uint64_t image_unload_host(struct boot *b, uint64_t handle);
/* A task_part: what UnloadImage does. */
void image_unload(struct boot *b, uint64_t handle);
bool image_is_driver(struct boot *b, uint64_t handle);
/* An interruption nothing handles: ends the program. */
void image_crash(struct boot *b, unsigned vector);
void image_set_options(struct boot *b, uint64_t handle, const void *data, uint32_t size);

boot_fn bs_load_image, bs_start_image, bs_exit, bs_unload_image, bs_exit_boot_services;

/* --- protocols --- */

void text_init(struct boot *b); /* text_out.c, text_in.c: console handle with both */
void text_out_init(struct boot *b, uint64_t *handle);
void text_in_init(struct boot *b, uint64_t *handle);
void text_done(struct boot *b);
void console_puts(struct boot *b, const char *text);
void console_printf(struct boot *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void console_clear(struct boot *b);
/* From 0; positions outside 80 columns and 25 rows are ignored. */
void console_cursor(struct boot *b, unsigned column, unsigned row);
/* Colours as in SetAttribute(). */
void console_attribute(struct boot *b, unsigned attribute);
/* Moves the cursor by character cells, over the ends of rows, not beyond the screen's corners. */
void console_move(struct boot *b, int cells);
/* While set, everything that programs and the firmware print goes there. NULL: to the terminal. */
typedef void console_tap(void *opaque, uint16_t c);
void console_divert(struct boot *b, console_tap *tap, void *opaque);
/* A key, or false. unicode is 0 for scan codes. */
struct key {
    uint16_t scan, unicode;
};
bool console_key(struct boot *b, struct key *key);
bool console_ready(struct boot *b);
/* Whether Control-C was typed; it and the keys before it are gone then. */
bool console_break(struct boot *b);

/* The serial port behind the console, serial.c. */
void serial_init(struct boot *b, uint64_t *handle);
void serial_put(struct boot *b, uint8_t byte);
bool serial_get(struct boot *b, uint8_t *byte);

/* Drives, partitions and their file systems, block.c and file.c. */
struct blk_device;
void block_init(struct boot *b);
void block_done(struct boot *b);
void file_attach(struct boot *b, struct blk_device *d, uint64_t handle);
void file_detach(struct boot *b, struct blk_device *d);
void files_close(struct boot *b);
/* Reads a file of the simple file system on a handle of the firmware's own. */
uint64_t file_load(struct boot *b, uint64_t handle, const uint16_t *name, uint8_t **data,
                   size_t *size);
/* " \EFI\NAME ... \NAME ...": what is in \EFI and in the root of the volume of a handle, at most 64
 * of each; "": it has none. g_free. */
char *file_names(struct boot *b, uint64_t handle);

/* Network adapters: SNP, PXE base code, Load File, snp.c. net_done leaves them reset. */
void net_init(struct boot *b);
void net_done(struct boot *b);

void collation_init(struct boot *b);
/* One access of 1, 2, 4 or 8 bytes to memory, I/O ports or configuration space (then `a` is EFI's
 * PCI address). false: there is no such place. */
enum bus_space { SPACE_MEM, SPACE_IO, SPACE_PCI };
bool bus_access(struct boot *b, enum bus_space s, uint64_t a, unsigned size, bool write,
                uint64_t *v);
void pci_io_init(struct boot *b);
void pci_io_done(struct boot *b);
void console_control_init(struct boot *b, uint64_t handle);

void bootmgr_start(struct boot *b);
void bootmgr_done(struct boot *b);

/* GUIDs, guids.c, as they lie in memory. */
extern const uint8_t guid_device_path[16], guid_loaded_image[16], guid_text_in[16],
    guid_text_out[16], guid_console_control[16], guid_block_io[16], guid_disk_io[16],
    guid_simple_fs[16], guid_file_info[16], guid_fs_info[16], guid_fs_label[16], guid_load_file[16],
    guid_serial_io[16], guid_collation[16], guid_device_io[16], guid_pci_root[16], guid_fpswa[16],
    guid_driver_binding[16], guid_global_variable[16], guid_vt100_plus[16], guid_console_in[16],
    guid_console_out[16], guid_standard_error[16], guid_snp[16], guid_pxe[16];

#endif
