/* Simple Network, PXE base code and Load File on the emulated 82540EM, called the way a program
 * calls them. At the other end of the cable is a small server of the test's: DHCP, TFTP, echo.
 */
#include "efi_machine.h"

#include "dhcp4.h"
#include "e1000.h"
#include "netif.h"
#include "pci.h"

#define MB      (1ull << 20)
#define MEMORY  (128 * MB)
#define CODE    0x2000000ull
#define DATA    0x2100000ull
#define BUFFER  0x2140000ull
#define STACK   0x2200000ull
#define BACKING 0x2300000ull
#define STATION 0x0a00020fu
#define SERVER  0x0a000202u
#define SIZE    10000u

/* Members, as words of the interfaces. */
enum {
    SNP_START = 1,
    SNP_STOP,
    SNP_INITIALIZE,
    SNP_RESET,
    SNP_SHUTDOWN,
    SNP_FILTERS,
    SNP_ADDRESS,
    SNP_STATISTICS,
    SNP_MCAST,
    SNP_NVDATA,
    SNP_STATUS,
    SNP_TRANSMIT,
    SNP_RECEIVE,
    SNP_EVENT,
    SNP_MODE,
};
enum {
    PXE_START = 1,
    PXE_STOP,
    PXE_DHCP,
    PXE_DISCOVERY,
    PXE_MTFTP,
    PXE_WRITE,
    PXE_READ,
    PXE_FILTER,
    PXE_ARP,
    PXE_PARAMETERS,
    PXE_STATION,
    PXE_SET_PACKETS,
    PXE_MODE,
};
#define CHECK_EVENT (24 + 8 * 12)

static struct mem *m;
static struct ioport_space *ports;
static struct pci *pci;
static struct e1000 *adapter;
static struct net_end cable;
static struct firmware *fw;
static struct cpu *c;
static struct boot *b;
static uint64_t now_ns, snp, pxe, load_file;
static const uint8_t mac[6] = {2, 0xaa, 0xbb, 0xcc, 0, 1};
static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 9};

/* --- the other end --- */

static struct udp4 net;
static bool silent;
static uint8_t file[SIZE], seen[2048];
static size_t seen_len;
static unsigned frames;

static void to_guest(void *opaque, const uint8_t *frame, size_t len)
{
    (void)opaque;
    net_send(&cable, frame, len);
}

static void say(const struct udp4_datagram *to, uint16_t port, const void *data, size_t len)
{
    struct udp4_datagram d = {
        .dst = to->src, .sport = port, .dport = to->sport, .data = data, .len = len};

    if (!d.dst)
        d.dst = UDP4_BROADCAST;
    udp4_output(&net, &d);
}

static void serve_dhcp(const struct udp4_datagram *d)
{
    static const uint8_t options[] = {54, 4, 10, 0, 2, 2, 1, 4, 255, 255, 255, 0, 255};
    uint8_t r[300] = {2, 1, 6}, type;
    const uint8_t *p;
    unsigned len;

    p = dhcp4_option(d->data, d->len, DHCP4_TYPE, &len);
    ck_assert(p && len == 1);
    type = p[0] == DHCP4_DISCOVER ? DHCP4_OFFER : DHCP4_ACK;
    memcpy(r + 4, d->data + 4, 4);
    udp4_put32(r + 16, STATION);
    udp4_put32(r + 20, SERVER);
    memcpy(r + 28, d->data + 28, 6);
    strcpy((char *)r + 108, "boot.efi");
    udp4_put32(r + 236, 0x63825363);
    r[240] = DHCP4_TYPE;
    r[241] = 1;
    r[242] = type;
    memcpy(r + 243, options, sizeof(options));
    say(d, 67, r, sizeof(r));
}

static void send_block(const struct udp4_datagram *d, unsigned number)
{
    uint8_t r[4 + 1468] = {0, 3, (uint8_t)(number >> 8), (uint8_t)number};
    size_t at = (number - 1) * 1468ul, len = at > SIZE ? 0 : MIN(SIZE - at, 1468);

    memcpy(r + 4, file + at, len);
    say(d, 4000, r, 4 + len);
}

static void serve_tftp(const struct udp4_datagram *d)
{
    static const char oack[] = "\0\6tsize\00010000\0blksize\0001468", none[] = "\0\5\0\1absent";

    if (udp4_get16(d->data) == 1)
        strcmp((const char *)d->data + 2, "boot.efi") ? say(d, 4000, none, sizeof(none))
                                                      : say(d, 4000, oack, sizeof(oack));
    else if (udp4_get16(d->data) == 4 && udp4_get16(d->data + 2) <= SIZE / 1468)
        send_block(d, udp4_get16(d->data + 2) + 1u);
}

static void on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    struct udp4_datagram d;

    (void)opaque;
    frames++;
    memcpy(seen, frame, len);
    seen_len = len;
    if (silent || udp4_input(&net, frame, len, &d) != UDP4_DATAGRAM)
        return;
    if (d.dport == 67)
        serve_dhcp(&d);
    else if (d.dport == 69 || d.dport == 4000)
        serve_tftp(&d);
    else if (d.dport == 7)
        say(&d, 7, d.data, d.len);
}

/* --- machine --- */

static void on_firmware(void *opaque, struct cpu *cpu, uint64_t imm)
{
    (void)opaque;
    firmware_call(fw, cpu, imm);
}

static uint64_t clock_ns(void *opaque)
{
    (void)opaque;
    return now_ns;
}

static uint64_t config_read(void *opaque, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                            unsigned size)
{
    (void)opaque;
    return pci_config_read(pci, seg, bus, devfn, reg, size);
}

static void config_write(void *opaque, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                         unsigned size, uint64_t value)
{
    (void)opaque;
    pci_config_write(pci, seg, bus, devfn, reg, size, (uint32_t)value);
}

static void no_line(void *opaque, int n, int level)
{
    (void)opaque;
    (void)n;
    (void)level;
}

static unsigned no_irq(unsigned bus, unsigned line)
{
    return bus + line;
}

static void put64(uint64_t at, uint64_t v)
{
    ck_assert_int_eq(mem_dma_write(m, at, &v, 8), 0);
}

static uint64_t get64(uint64_t at)
{
    uint64_t v;

    ck_assert_int_eq(mem_dma_read(m, at, &v, 8), 0);
    return v;
}

static void put(uint64_t at, const void *data, size_t len)
{
    ck_assert_int_eq(mem_dma_write(m, at, data, len), 0);
}

static const void *get(uint64_t at, size_t len)
{
    const void *p = mem_ram(m, at, len);

    ck_assert_ptr_nonnull(p);
    return p;
}

static void add_adapter(void)
{
    struct pci_root_config root = {.mem32 = HPVM_PCI_MEM(0),
                                   .mem32_size = HPVM_PCI_MEM_SIZE(0),
                                   .io = {{0x2000, 0x1000}},
                                   .line = {{no_line, NULL, 0}},
                                   .lines = 1};
    struct e1000_config config = {.device = 1, .now_ns = clock_ns};
    struct net_end peer = {.frame = on_frame};
    int err;

    ports = ioport_new();
    pci = pci_new(m, ports);
    ck_assert_int_eq(pci_add_root(pci, &root), 0);
    config.pci = pci;
    memcpy(config.mac, mac, 6);
    adapter = e1000_new(&config, &err);
    ck_assert_ptr_nonnull(adapter);
    pci_assign(pci, no_irq);
    e1000_connect(adapter, &peer);
    cable = e1000_end(adapter);
}

static void setup(void)
{
    static const uint64_t self[2] = {0x0000000100000011, 0x4000000000000200}; /* br . */
    struct cpu_hooks hooks = {.firmware = on_firmware, .now_ns = clock_ns};
    struct firmware_config config = {.cpus = 1,
                                     .model = CPU_MONTECITO,
                                     .memory = MEMORY,
                                     .pci_read = config_read,
                                     .pci_write = config_write};
    struct netif *n;
    int err;

    m = efi_test_mem(MEMORY);
    now_ns = 1000000000;
    silent = false;
    for (unsigned i = 0; i < SIZE; i++)
        file[i] = (uint8_t)(i * 7 + (i >> 8));
    net = (struct udp4){.ip = SERVER, .mask = 0xffffff00, .send = to_guest};
    memcpy(net.mac, server_mac, 6);
    add_adapter();
    fw = firmware_new(m, &config, &err);
    c = cpu_new(0, CPU_MONTECITO, m);
    cpu_set_hooks(c, &hooks);
    firmware_attach_cpu(fw, c);
    fw->boot = b = boot_new(fw, c);
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(memmap_claim(&fw->map, CODE, BACKING + MB - CODE, EFI_LOADER_DATA), 0);
    put(CODE, self, sizeof(self));
    c->bsp = c->bspstore = BACKING;
    cpu_set_gr(c, 12, STACK + MB / 2);
    ck_assert_uint_eq(b->nets->len, 1);
    n = b->nets->pdata[0];
    snp = handle_interface(b, n->handle, guid_snp);
    pxe = handle_interface(b, n->handle, guid_pxe);
    load_file = handle_interface(b, n->handle, guid_load_file);
    ck_assert(snp && pxe && load_file);
    frames = 0;
}

static void teardown(void)
{
    firmware_free(fw);
    cpu_free(c);
    e1000_free(adapter);
    pci_free(pci);
    ioport_free(ports);
    mem_free(m);
}

static bool run(void)
{
    for (unsigned i = 0; i < 200000; i++) {
        if (c->ip == CODE && !c->halted)
            return true;
        cpu_check_timer(c);
        if (c->halted && cpu_interrupt_pending(c))
            c->halted = false;
        if (!c->halted)
            cpu_run(c, 100);
        now_ns += 1000000;
    }
    return false;
}

/* Arguments beyond eight go to the memory stack. */
static uint64_t call(uint64_t descriptor, const uint64_t *args, unsigned n)
{
    struct cpu_frame frame;

    for (unsigned i = 8; i < n; i++)
        put64(cpu_gr(c, 12) + 16 + 8 * (i - 8), args[i]);
    ck_assert(cpu_frame_push(c, &frame, args, MIN(n, 8)));
    c->br[0] = get64(descriptor);
    c->pfs = 0;
    cpu_set_gr(c, 1, get64(descriptor + 8));
    cpu_firmware_return(c, false);
    c->br[0] = CODE;
    ck_assert(run());
    ck_assert(cpu_frame_pop(c, &frame));
    return cpu_gr(c, 8);
}

#define CALL(descriptor, ...)                                                                      \
    call(descriptor, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / 8)
#define SNP(n, ...) CALL(get64(snp + 8 * (n)), snp, __VA_ARGS__)
#define PXE(n, ...) CALL(get64(pxe + 8 * (n)), pxe, __VA_ARGS__)

/* --- handle and states --- */

START_TEST(handle)
{
    struct netif *n = b->nets->pdata[0];
    struct devpath path;
    char *text;

    ck_assert(devpath_read(b, handle_interface(b, n->handle, guid_device_path), &path));
    text = devpath_text(&path);
    ck_assert_str_eq(text, "Acpi(PNP0A03,0)/Pci(1|0)/Mac(02AABBCC0001)");
    g_free(text);
    ck_assert_uint_eq(get64(snp), 0x10000);
    ck_assert_uint_eq(get64(pxe), 0x10000);
}
END_TEST

static uint32_t mode32(unsigned at)
{
    return (uint32_t)get64(get64(snp + 8 * SNP_MODE) + at);
}

static void open_snp(void)
{
    ck_assert_uint_eq(SNP(SNP_START, 0), EFI_SUCCESS);
    ck_assert_uint_eq(SNP(SNP_INITIALIZE, 0, 0), EFI_SUCCESS);
    ck_assert_uint_eq(SNP(SNP_FILTERS, NIC_UNICAST | NIC_BROADCAST, 0, 0, 0, 0), EFI_SUCCESS);
}

START_TEST(states)
{
    const uint8_t *mode = get(get64(snp + 8 * SNP_MODE), 656);

    ck_assert_uint_eq(mode32(0), SNP_STOPPED);
    ck_assert_mem_eq(mode + 552, mac, 6);
    ck_assert_mem_eq(mode + 616, mac, 6);
    ck_assert_uint_eq(mode[648], 1);
    ck_assert_uint_eq(mode[652], 1); /* the cable is in */
    ck_assert_uint_eq(SNP(SNP_INITIALIZE, 0, 0), EFI_NOT_STARTED);
    ck_assert_uint_eq(SNP(SNP_STOP, 0), EFI_NOT_STARTED);
    ck_assert_uint_eq(SNP(SNP_START, 0), EFI_SUCCESS);
    ck_assert_uint_eq(SNP(SNP_START, 0), EFI_ALREADY_STARTED);
    ck_assert_uint_eq(SNP(SNP_SHUTDOWN, 0), EFI_DEVICE_ERROR);
    ck_assert_uint_eq(SNP(SNP_INITIALIZE, 0, 0), EFI_SUCCESS);
    ck_assert_uint_eq(mode32(0), SNP_INITIALIZED);
    ck_assert_uint_eq(SNP(SNP_STOP, 0), EFI_DEVICE_ERROR);
    ck_assert_uint_eq(SNP(SNP_RESET, 1), EFI_SUCCESS);
    ck_assert_uint_eq(SNP(SNP_SHUTDOWN, 0), EFI_SUCCESS);
    ck_assert_uint_eq(SNP(SNP_STOP, 0), EFI_SUCCESS);
    ck_assert_uint_eq(mode32(0), SNP_STOPPED);
    ck_assert_uint_eq(CALL(get64(snp + 8), 0), EFI_INVALID_PARAMETER);
}
END_TEST

/* --- frames --- */

START_TEST(transmit)
{
    uint16_t type = 0x88b5;

    open_snp();
    put(BUFFER + 14, "payload", 7);
    put(DATA, server_mac, 6);
    put(DATA + 64, &type, 2);
    ck_assert_uint_eq(SNP(SNP_TRANSMIT, 14, 21, BUFFER, 0, DATA, DATA + 64), EFI_SUCCESS);
    ck_assert_uint_eq(frames, 1);
    ck_assert_uint_ge(seen_len, 21);
    ck_assert_mem_eq(seen, server_mac, 6);
    ck_assert_mem_eq(seen + 6, mac, 6);
    ck_assert_mem_eq(seen + 12, "\x88\xb5payload", 9);
    ck_assert_uint_eq(SNP(SNP_STATUS, DATA + 128, DATA + 136), EFI_SUCCESS);
    ck_assert_uint_eq((uint32_t)get64(DATA + 128), 2);
    ck_assert_uint_eq(get64(DATA + 136), BUFFER);
    ck_assert_uint_eq(SNP(SNP_STATUS, 0, DATA + 136), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 136), 0);
    ck_assert_uint_eq(SNP(SNP_TRANSMIT, 0, 13, BUFFER, 0, 0, 0), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(SNP(SNP_TRANSMIT, 13, 60, BUFFER, 0, DATA, DATA), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SNP(SNP_TRANSMIT, 14, 60, BUFFER, 0, 0, DATA), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SNP(SNP_TRANSMIT, 0, 1515, BUFFER, 0, 0, 0), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SNP(SNP_TRANSMIT, 0, 60, MEMORY - 30, 0, 0, 0), EFI_INVALID_PARAMETER);
    for (unsigned i = 0; i < NETIF_SENT_MAX; i++)
        ck_assert_uint_eq(SNP(SNP_TRANSMIT, 0, 60, BUFFER, 0, 0, 0), EFI_SUCCESS);
    ck_assert_uint_eq(SNP(SNP_TRANSMIT, 0, 60, BUFFER, 0, 0, 0), EFI_NOT_READY);
    ck_assert_uint_eq(frames, 1 + NETIF_SENT_MAX);
}
END_TEST

static void arrive(const uint8_t to[6], size_t len)
{
    uint8_t f[1514] = {0};

    memcpy(f, to, 6);
    memcpy(f + 6, server_mac, 6);
    f[12] = 0x88;
    f[13] = 0xb5;
    memset(f + 14, 0x5a, len - 14);
    net_send(&cable, f, len);
}

START_TEST(receive)
{
    static const uint8_t other[6] = {2, 1, 1, 1, 1, 1};
    uint64_t event;

    open_snp();
    event = get64(snp + 8 * SNP_EVENT);
    put64(DATA, 2048);
    ck_assert_uint_eq(SNP(SNP_RECEIVE, 0, DATA, BUFFER, 0, 0, 0), EFI_NOT_READY);
    ck_assert_uint_eq(CALL(get64(b->table + CHECK_EVENT), event), EFI_NOT_READY);
    arrive(other, 100); /* not for this address */
    ck_assert_uint_eq(CALL(get64(b->table + CHECK_EVENT), event), EFI_NOT_READY);
    arrive(mac, 200);
    arrive(mac, 1514);
    ck_assert_uint_eq(CALL(get64(b->table + CHECK_EVENT), event), EFI_SUCCESS);
    put64(DATA, 199);
    ck_assert_uint_eq(SNP(SNP_RECEIVE, 0, DATA, BUFFER, 0, 0, 0), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(get64(DATA), 200);
    ck_assert_uint_eq(SNP(SNP_RECEIVE, DATA + 8, DATA, BUFFER, DATA + 64, DATA + 128, DATA + 192),
                      EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA), 200);
    ck_assert_uint_eq(get64(DATA + 8), 14);
    ck_assert_mem_eq(get(DATA + 64, 6), server_mac, 6);
    ck_assert_mem_eq(get(DATA + 128, 6), mac, 6);
    ck_assert_uint_eq(get64(DATA + 192) & 0xffff, 0x88b5);
    put64(DATA, 2048);
    ck_assert_uint_eq(SNP(SNP_RECEIVE, 0, DATA, BUFFER, 0, 0, 0), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA), 1514);
    for (unsigned i = 0; i < 300; i++) { /* several times around the ring */
        arrive(mac, 60 + i);
        put64(DATA, 2048);
        ck_assert_uint_eq(SNP(SNP_RECEIVE, 0, DATA, BUFFER, 0, 0, 0), EFI_SUCCESS);
        ck_assert_uint_eq(get64(DATA), 60 + i);
    }
}
END_TEST

START_TEST(addresses_and_figures)
{
    static const uint8_t group[6] = {1, 0, 0x5e, 1, 2, 3}, other[6] = {2, 7, 7, 7, 7, 7};
    const uint8_t *p;

    open_snp();
    put(DATA, "\xe1\x81\x02\x03", 4);
    ck_assert_uint_eq(SNP(SNP_MCAST, 0, DATA, DATA + 64), EFI_SUCCESS);
    ck_assert_mem_eq(get(DATA + 64, 6), group, 6);
    ck_assert_uint_eq(SNP(SNP_MCAST, 1, DATA, DATA + 64), EFI_INVALID_PARAMETER);
    arrive(group, 60);
    ck_assert_uint_eq(SNP(SNP_STATUS, DATA + 8, 0), EFI_SUCCESS);
    ck_assert_uint_eq((uint32_t)get64(DATA + 8), 0);
    ck_assert_uint_eq(SNP(SNP_FILTERS, NIC_MULTICAST, 0, 0, 1, DATA + 64), EFI_SUCCESS);
    arrive(group, 60);
    put(DATA, other, 6);
    ck_assert_uint_eq(SNP(SNP_ADDRESS, 0, DATA), EFI_SUCCESS);
    arrive(other, 60);
    arrive(mac, 60);
    ck_assert_uint_eq(SNP(SNP_ADDRESS, 1, 0), EFI_SUCCESS);
    put64(DATA, 8 * NIC_FIGURES);
    ck_assert_uint_eq(SNP(SNP_STATISTICS, 0, DATA, DATA + 64), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA + 64 + 8 * 1), 2); /* good */
    ck_assert_uint_eq(get64(DATA + 64 + 8 * 5), 1); /* unicast */
    ck_assert_uint_eq(get64(DATA + 64 + 8 * 7), 1); /* multicast */
    ck_assert_uint_eq(get64(DATA + 64 + 8 * 21), UINT64_MAX);
    put64(DATA, 8);
    ck_assert_uint_eq(SNP(SNP_STATISTICS, 1, DATA, DATA + 64), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(get64(DATA), 8 * NIC_FIGURES);
    ck_assert_uint_eq(SNP(SNP_FILTERS, 0x20, 0, 0, 0, 0), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SNP(SNP_FILTERS, 2, 0, 0, 17, DATA), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SNP(SNP_NVDATA, 1, 0, 6, DATA), EFI_SUCCESS);
    p = get(DATA, 6);
    ck_assert_mem_eq(p, mac, 6);
    ck_assert_uint_eq(SNP(SNP_NVDATA, 1, 126, 4, DATA), EFI_INVALID_PARAMETER);
    ck_assert_uint_eq(SNP(SNP_NVDATA, 0, 0, 2, DATA), EFI_UNSUPPORTED);
}
END_TEST

/* --- PXE --- */

static uint64_t load(uint64_t room, uint64_t buffer)
{
    put64(DATA, room);
    return CALL(get64(load_file), load_file, DATA + 64, 1, DATA, buffer);
}

START_TEST(boots_from_server)
{
    const uint8_t *mode = get(get64(pxe + 8 * PXE_MODE), 10424);

    put64(DATA, 0);
    ck_assert_uint_eq(CALL(get64(load_file), load_file, DATA + 64, 0, DATA, 0), EFI_UNSUPPORTED);
    ck_assert_uint_eq(load(0, 0), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(get64(DATA), SIZE);
    ck_assert_uint_eq(load(SIZE - 1, BUFFER), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(load(SIZE + 5, BUFFER), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA), SIZE);
    ck_assert_mem_eq(get(BUFFER, SIZE), file, SIZE);
    ck_assert(mode[0] && mode[8] && mode[9] && !mode[10]);
    ck_assert_uint_eq(udp4_get32(mode + 20), STATION);
    ck_assert_uint_eq(udp4_get32(mode + 36), 0xffffff00);
    ck_assert_uint_eq(udp4_get32(mode + 52 + 1472 + 16), STATION); /* in the acknowledgement */
    ck_assert_uint_eq(mode[52], 1);                                /* the discover message */
}
END_TEST

START_TEST(no_server_no_link)
{
    struct net_end nothing = {0};

    silent = true;
    ck_assert_uint_eq(load(0, 0), EFI_TIMEOUT);
    ck_assert_uint_eq(frames, DHCP4_TRIES);
    e1000_connect(adapter, &nothing);
    ck_assert_uint_eq(load(0, 0), EFI_NO_MEDIA);
    ck_assert_uint_eq(mode32(0), SNP_STOPPED);
    ck_assert_ptr_null(b->top);
}
END_TEST

static uint64_t tftp(unsigned operation, uint64_t room, const char *name)
{
    put64(DATA, room);
    put(DATA + 64, "\x0a\x00\x02\x02", 4);
    put(DATA + 128, name, strlen(name) + 1);
    return PXE(PXE_MTFTP, operation, BUFFER, 0, DATA, 0, DATA + 64, DATA + 128, 0, 0);
}

START_TEST(base_code)
{
    const uint8_t *mode = get(get64(pxe + 8 * PXE_MODE), 10424);

    ck_assert_uint_eq(PXE(PXE_DHCP, 0), EFI_NOT_STARTED);
    ck_assert_uint_eq(PXE(PXE_START, 1), EFI_UNSUPPORTED);
    ck_assert_uint_eq(PXE(PXE_START, 0), EFI_SUCCESS);
    ck_assert_uint_eq(PXE(PXE_START, 0), EFI_ALREADY_STARTED);
    ck_assert_uint_eq(tftp(1, 0, "boot.efi"), EFI_INVALID_PARAMETER); /* no address */
    ck_assert_uint_eq(PXE(PXE_DHCP, 1), EFI_SUCCESS);
    ck_assert_uint_eq(tftp(1, 0, "boot.efi"), EFI_SUCCESS);
    ck_assert_uint_eq(get64(DATA), SIZE);
    ck_assert_uint_eq(tftp(2, SIZE, "boot.efi"), EFI_SUCCESS);
    ck_assert_mem_eq(get(BUFFER, SIZE), file, SIZE);
    ck_assert_uint_eq(tftp(2, 3000, "boot.efi"), EFI_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(get64(DATA), SIZE);
    ck_assert_uint_eq(tftp(2, SIZE, "other"), EFI_TFTP_ERROR);
    ck_assert(mode[15] && mode[10296] == 1 && strcmp((const char *)mode + 10297, "absent") == 0);
    ck_assert_uint_eq(tftp(5, SIZE, "boot.efi"), EFI_UNSUPPORTED);
    silent = true;
    ck_assert_uint_eq(tftp(2, SIZE, "boot.efi"), EFI_TIMEOUT);
    ck_assert_uint_eq(PXE(PXE_STOP, 0), EFI_SUCCESS);
    ck_assert_uint_eq(mode[0], 0);
    ck_assert_uint_eq(mode32(0), SNP_STOPPED);
}
END_TEST

/* Ports and addresses as UdpWrite and UdpRead want them. */
enum {
    AT_IP = 0,
    AT_PORT = 16,
    AT_MINE = 24,
    AT_SIZE = 32,
    AT_FROM = 40,
    AT_HEAD = 64,
    AT_MAC = 96
};

START_TEST(datagrams)
{
    uint16_t echo = 7, mine = 1234;
    uint64_t d = DATA;

    ck_assert_uint_eq(PXE(PXE_START, 0), EFI_SUCCESS);
    put(d + AT_IP, "\x0a\x00\x02\x0f", 4);
    put(d + AT_MAC, "\xff\xff\xff\x00", 4);
    ck_assert_uint_eq(PXE(PXE_STATION, d + AT_IP, d + AT_MAC), EFI_SUCCESS);
    put(d + AT_IP, "\x0a\x00\x02\x02", 4);
    ck_assert_uint_eq(PXE(PXE_ARP, d + AT_IP, d + AT_MAC), EFI_SUCCESS);
    ck_assert_mem_eq(get(d + AT_MAC, 6), server_mac, 6);
    put(d + AT_PORT, &echo, 2);
    put(d + AT_MINE, &mine, 2);
    put64(d + AT_SIZE, 5);
    put(BUFFER, "hello", 6);
    ck_assert_uint_eq(
        PXE(PXE_WRITE, 0, d + AT_IP, d + AT_PORT, 0, 0, d + AT_MINE, 0, 0, d + AT_SIZE, BUFFER),
        EFI_SUCCESS);
    put64(d + AT_SIZE, 100);
    put64(d + AT_HEAD, 2);
    memset(mem_ram(m, BUFFER, 16), 0, 16);
    ck_assert_uint_eq(PXE(PXE_READ, 0, 0, d + AT_MINE, d + AT_IP, d + AT_PORT, d + AT_HEAD,
                          BUFFER + 64, d + AT_SIZE, BUFFER),
                      EFI_SUCCESS);
    ck_assert_uint_eq(get64(d + AT_SIZE), 3);
    ck_assert_mem_eq(get(BUFFER, 3), "llo", 3);
    ck_assert_mem_eq(get(BUFFER + 64, 2), "he", 2);
    ck_assert_uint_eq(PXE(PXE_READ, 3, 0, d + AT_MINE, d + AT_FROM, 0, 0, 0, d + AT_SIZE, BUFFER),
                      EFI_TIMEOUT);
    ck_assert_uint_eq(PXE(PXE_READ, 0, 0, 0, d + AT_IP, d + AT_PORT, 0, 0, d + AT_SIZE, BUFFER),
                      EFI_INVALID_PARAMETER);
    put64(d + AT_SIZE, 1473);
    ck_assert_uint_eq(PXE(PXE_WRITE, 0, d + AT_IP, d + AT_PORT, 0, 0, 0, 0, 0, d + AT_SIZE, BUFFER),
                      EFI_BAD_BUFFER_SIZE);
    put(d + AT_IP, "\x0a\x00\x02\x63", 4); /* nobody has it */
    ck_assert_uint_eq(PXE(PXE_ARP, d + AT_IP, 0), EFI_TIMEOUT);
    put64(d + AT_SIZE, 5);
    ck_assert_uint_eq(PXE(PXE_WRITE, 0, d + AT_IP, d + AT_PORT, 0, 0, 0, 0, 0, d + AT_SIZE, BUFFER),
                      EFI_TIMEOUT);
}
END_TEST

/* --- the end --- */

/* The adapter is as after power-on: nothing comes into memory any more. */
START_TEST(reset_at_exit)
{
    struct netif *n = b->nets->pdata[0];
    uint64_t regs = n->nic.regs, rings, v;
    uint8_t before[4096];

    open_snp();
    rings = n->nic.at;
    memcpy(before, get(rings, 4096), 4096);
    boot_exit_services(b);
    arrive(mac, 100);
    ck_assert_mem_eq(get(rings, 4096), before, 4096);
    ck_assert(mem_read(m, regs + 0x100, 4, &v) && v == 0);  /* RCTL */
    ck_assert(mem_read(m, regs + 0x400, 4, &v) && v == 0);  /* TCTL */
    ck_assert(mem_read(m, regs + 0x2800, 4, &v) && v == 0); /* RDBAL */
    ck_assert(mem_read(m, regs + 0x5400, 4, &v) && v == 0xccbbaa02);
    ck_assert_uint_eq(SNP(SNP_START, 0), EFI_UNSUPPORTED);
}
END_TEST

/* Every member with every argument nonsense of one kind, in every state. */
START_TEST(nonsense)
{
    static const uint64_t values[] = {0,      1,          7,           DATA + 3,   MEMORY - 1,
                                      MEMORY, UINT64_MAX, 0x8000000ul, 0xfee00000, 1ull << 63};
    const uint64_t objects[] = {snp, pxe};

    silent = true;
    for (unsigned state = 0; state < 2; state++) {
        for (unsigned i = 0; i < 10 * 24; i++) {
            uint64_t v = values[i / 24], object = objects[i % 24 / 12];
            unsigned member = 1 + i % 12;
            uint64_t args[13] = {object, v, v, v, v, v, v, v, v, v, v, v, v};

            if (object == pxe && member == PXE_DHCP)
                continue; /* waits a minute for each */
            call(get64(object + 8 * member), args, 13);
        }
        SNP(SNP_START, 0);
        SNP(SNP_INITIALIZE, 0, 0);
        PXE(PXE_START, 0);
    }
    ck_assert_ptr_null(b->top);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {handle,
                                  states,
                                  transmit,
                                  receive,
                                  addresses_and_figures,
                                  boots_from_server,
                                  no_server_no_link,
                                  base_code,
                                  datagrams,
                                  reset_at_exit,
                                  nonsense};
    Suite *s = suite_create("network protocols");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
