/* EFI_LOAD_FILE_PROTOCOL on network adapters: an address by DHCP, a boot server when PXE says so,
 * and the boot file by TFTP, with what happens on the console. Escape or Ctrl-C ends it.
 *
 * The first call, without a buffer, finds the size; the second loads. A failure, and a call after a
 * load, start again from DHCP. No boot menus: the first entry is taken.
 */
#include <inttypes.h>
#include "log.h"
#include "pe.h"
#include "pxe.h"

static const char kind[] = "load file";

enum { BEGIN, DHCP, SERVER, SIZE, READ };

/* Words of the task. */
enum { STAGE, SIZE_AT, BUFFER, ROOM };

/* What PXE's messages are known by, and what they mean. */
static const struct {
    unsigned stage;
    uint64_t status; /* 0: any other */
    const char *text;
} messages[] = {
    {DHCP, EFI_TIMEOUT, "PXE-E51: No DHCP or proxyDHCP offers were received."},
    {DHCP, EFI_NO_RESPONSE, "PXE-E52: The DHCP server does not acknowledge its offer."},
    {SERVER, EFI_TIMEOUT, "PXE-E55: No boot server answers."},
    {SIZE, EFI_TIMEOUT, "PXE-E32: The TFTP server does not answer."},
    {READ, EFI_TIMEOUT, "PXE-E32: The TFTP server does not answer any more."},
    {SIZE, EFI_TFTP_ERROR, "PXE-E23: The TFTP server reports an error"},
    {READ, EFI_TFTP_ERROR, "PXE-E23: The TFTP server reports an error"},
    {SIZE, EFI_ICMP_ERROR, "PXE-E99: The TFTP server cannot be reached."},
    {READ, EFI_ICMP_ERROR, "PXE-E99: The TFTP server cannot be reached."},
    {SIZE, EFI_LOAD_ERROR, "PXE-E98: The boot file is empty or too large."},
    {READ, EFI_BUFFER_TOO_SMALL, "PXE-E05: The boot file is larger than the server said."},
    {SERVER, EFI_NOT_FOUND, "PXE-E53: No boot file name was received."},
    {BEGIN, EFI_NO_MEDIA, "PXE-E61: The network cable is not connected."},
    {BEGIN, EFI_OUT_OF_RESOURCES, "PXE-E00: There is not enough memory."},
};

static const char *message(unsigned stage, uint64_t status)
{
    if (status == EFI_ABORTED)
        return "PXE-E21: Cancelled.";
    for (unsigned i = 0; i < G_N_ELEMENTS(messages); i++)
        if (messages[i].stage == stage && messages[i].status == status)
            return messages[i].text;
    return "PXE-E99: The network boot failed.";
}

static void say_ip(struct boot *b, const char *name, uint32_t ip)
{
    console_printf(b, "%s%u.%u.%u.%u", name, ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static void say_lease(struct pxe *p, const struct dhcp4_info *ack)
{
    struct boot *b = p->b;

    say_ip(b, "\r\nCLIENT IP: ", p->net.ip);
    say_ip(b, "  MASK: ", p->net.mask);
    say_ip(b, "  DHCP IP: ", ack->server);
    if (p->net.gateway)
        say_ip(b, "\r\nGATEWAY IP: ", p->net.gateway);
    console_puts(b, "\r\n");
}

static void fail(struct boot *b, struct task *t, uint64_t status)
{
    struct pxe *p = t->data;

    console_printf(b, "\r\n%s", message((unsigned)t->w[STAGE], status));
    if (status == EFI_TFTP_ERROR)
        console_printf(b, " %u: %s", p->tftp.error_code, p->tftp.error_text);
    console_puts(b, "\r\n");
    log_info("network boot: %s", message((unsigned)t->w[STAGE], status));
    if (p->started)
        pxe_end(p);
    task_done(b, t, status);
}

/* --- stages, in order --- */

static void read_file(struct boot *b, struct task *t)
{
    struct pxe *p = t->data;

    boot_write64(b, t->w[SIZE_AT], p->file_size);
    if (!t->w[BUFFER] || t->w[ROOM] < p->file_size) {
        task_done(b, t, EFI_BUFFER_TOO_SMALL);
        return;
    }
    t->w[STAGE] = READ;
    p->buffer = t->w[BUFFER];
    p->room = t->w[ROOM];
    p->discard = false;
    pxe_tftp_run(p, TFTP_READ, p->boot_server, p->boot_file, 0);
}

/* The answer that names the file: of a boot server, a proxy or the DHCP server. */
static bool find_file(struct pxe *p)
{
    static const unsigned order[] = {PXE_REPLY, PXE_PROXY, PXE_ACK};
    struct dhcp4_info i;

    for (unsigned n = 0; n < G_N_ELEMENTS(order); n++) {
        if (!p->valid[order[n]] || !dhcp4_read(p->packet[order[n]], DHCP4_SIZE, &i) || !i.file[0])
            continue;
        memcpy(p->boot_file, i.file, sizeof(p->boot_file));
        p->boot_server = i.boot_server;
        return i.boot_server != 0;
    }
    return false;
}

static void ask_size(struct boot *b, struct task *t)
{
    struct pxe *p = t->data;

    t->w[STAGE] = SERVER;
    if (!find_file(p)) {
        fail(b, t, EFI_NOT_FOUND);
        return;
    }
    t->w[STAGE] = SIZE;
    say_ip(b, "TFTP ", p->boot_server);
    console_printf(b, ": %s\r\n", p->boot_file);
    p->room = 0;
    pxe_tftp_run(p, TFTP_SIZE, p->boot_server, p->boot_file, 0);
}

static void find_server(struct boot *b, struct task *t)
{
    struct pxe *p = t->data;
    struct dhcp4_info ack;

    if (dhcp4_read(p->packet[PXE_ACK], DHCP4_SIZE, &ack))
        say_lease(p, &ack);
    t->w[STAGE] = SERVER;
    if (!pxe_discover_run(p))
        ask_size(b, t);
}

static void start(struct boot *b, struct task *t)
{
    struct pxe *p = t->data;
    const uint8_t *m = p->n->nic.current;
    uint64_t status;

    t->w[STAGE] = BEGIN;
    if (p->started)
        pxe_end(p);
    status = pxe_begin(p);
    if (status == EFI_SUCCESS && !nic_link(&p->n->nic))
        status = EFI_NO_MEDIA;
    if (status != EFI_SUCCESS) {
        fail(b, t, status);
        return;
    }
    console_printf(b,
                   "CLIENT MAC ADDR: %02X %02X %02X %02X %02X %02X\r\n"
                   "DHCP... (Esc or Ctrl-C cancels)",
                   m[0], m[1], m[2], m[3], m[4], m[5]);
    t->w[STAGE] = DHCP;
    pxe_dhcp_run(p, true);
}

static void sized(struct boot *b, struct task *t)
{
    struct pxe *p = t->data;

    p->file_size = p->tftp.size;
    if (!p->tftp.has_size || !p->file_size || p->file_size > PE_IMAGE_MAX) {
        fail(b, t, EFI_LOAD_ERROR);
        return;
    }
    p->has_size = true;
    read_file(b, t);
}

static void loaded(struct boot *b, struct task *t)
{
    struct pxe *p = t->data;

    p->loaded = true;
    boot_write64(b, t->w[SIZE_AT], p->tftp.done);
    console_printf(b, "%" PRIu64 " bytes\r\n", p->tftp.done);
    log_info("network boot: %s, %" PRIu64 " bytes", p->boot_file, p->tftp.done);
    task_done(b, t, EFI_SUCCESS);
}

static void step(struct boot *b, struct task *t, uint64_t status)
{
    if (!b->nets) {
        task_done(b, t, EFI_ABORTED);
        return;
    }
    if (status != EFI_SUCCESS)
        fail(b, t, status);
    else if (t->w[STAGE] == DHCP)
        find_server(b, t);
    else if (t->w[STAGE] == SERVER)
        ask_size(b, t);
    else if (t->w[STAGE] == SIZE)
        sized(b, t);
    else
        loaded(b, t);
}

/* Keys are looked at only while the boot manager's file is loaded. */
static void begin(struct pxe *p, struct task *t)
{
    p->keys = true;
    if (p->started && p->has_size && !p->loaded)
        read_file(p->b, t);
    else
        start(p->b, t);
}

static void dropped(struct boot *b, struct task *t)
{
    struct pxe *p = t->data;

    if (!b->nets)
        return;
    p->busy = p->keys = false;
}

/* (this, path, boot policy, *size, buffer) */
static uint64_t pxe_load_file(struct boot *b, struct fwcall *k)
{
    struct pxe *p = boot_object(b, k->arg[0], kind);
    struct task *t;
    uint64_t room;

    if (!p || !boot_read64(b, k->arg[3], &room))
        return EFI_INVALID_PARAMETER;
    if (!(k->arg[2] & 0xff)) /* files by name are not what DHCP chooses */
        return EFI_UNSUPPORTED;
    if (p->busy)
        return EFI_NOT_READY;
    if (k->arg[4] && room && !boot_ram(b, k->arg[4], room))
        return EFI_INVALID_PARAMETER;
    t = pxe_task(p, k, step);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->drop = dropped;
    t->w[SIZE_AT] = k->arg[3];
    t->w[BUFFER] = k->arg[4];
    t->w[ROOM] = room;
    begin(p, t);
    return EFI_SUCCESS;
}

void pxe_boot_attach(struct pxe *p)
{
    static boot_fn *const members[] = {pxe_load_file};

    p->load_at = boot_alloc(p->b, sizeof(members));
    if (!p->load_at)
        return;
    boot_put_functions(p->b, p->load_at, members, G_N_ELEMENTS(members));
    boot_bind(p->b, p->load_at, kind, p);
    handle_install(p->b, &p->n->handle, guid_load_file, p->load_at);
}
