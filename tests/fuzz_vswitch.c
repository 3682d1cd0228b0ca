/* Fuzz target: a switch's frames, hellos, settings and control lines.
 *
 * The input is a list of actions. What comes out is held against the rules: only ports of the same
 * VLAN, no tags towards guests, nothing back to where it came from. */
#include "fuzz.h"

#include "control.h"
#include "log.h"

#define ACTIONS 300
#define PORTS   6

struct input {
    const uint8_t *p;
    size_t left;
};

static struct daemon d;
static unsigned from; /* the port a frame comes from, while it is forwarded */
static bool forwarding;
static uint64_t now;

static unsigned take(struct input *in, unsigned n)
{
    unsigned v = 0;

    for (unsigned i = 0; i < n && in->left > 0; i++, in->left--)
        v = v << 8 | *in->p++;
    return v;
}

static uint64_t clock_ns(void *opaque)
{
    (void)opaque;
    return now;
}

static void require(bool right)
{
    if (!right)
        abort();
}

static bool on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    unsigned to = (unsigned)(uintptr_t)opaque;
    const struct vswitch_port *in = vswitch_port(d.sw, from), *out = vswitch_port(d.sw, to);

    require(forwarding && to != from && out->connected && !out->down && len >= NET_HEADER);
    if (to != VSWITCH_UPLINK) {
        require(net_get16(frame + 12) != 0x8100 && net_get16(frame + 12) != 0x88a8);
        require(len <= VSWITCH_FRAME_MAX);
        require(from == VSWITCH_UPLINK || vswitch_vlan(in) == vswitch_vlan(out));
    }
    return len % 7 != 0; /* now and then one does not fit */
}

static void on_link(void *opaque, bool up)
{
    require(vswitch_port(d.sw, (unsigned)(uintptr_t)opaque)->connected && (up || !up));
}

static void connect_port(struct input *in)
{
    struct switch_hello h = {.header = {.type = SWITCH_HELLO},
                             .version = take(in, 1) & 15 ? SWITCH_PROTO_VERSION : 77,
                             .port = 1 + take(in, 1) % PORTS};
    struct switch_refused r = {0};
    struct vswitch_end end = {
        .opaque = (void *)(uintptr_t)h.port, .frame = on_frame, .link = on_link};
    unsigned vlan = take(in, 1);

    h.vlan = vlan & 0x80 ? SWITCH_VLAN_NONE : (int)(vlan & 3) - (vlan == 0x7f);
    for (unsigned i = 0; i < NET_MAC_SIZE; i++)
        h.mac[i] = (uint8_t)(i == 0 || i == 5 ? take(in, 1) & 7 : 0);
    for (unsigned i = 0; i < 8; i++)
        h.guest[i] = (char)take(in, 1);
    int port = vswitch_connect(d.sw, &h, &end, &r);
    require(port < 0 ? r.reason[0] != '\0' : port == (int)h.port);
}

static void frame(struct input *in)
{
    uint8_t bytes[VSWITCH_FRAME_MAX + 16] = {0};
    unsigned port = take(in, 1) % (PORTS + 1), kind = take(in, 1), n = 0;
    size_t len = kind & 1 ? take(in, 2) % sizeof bytes : 60;

    if (!vswitch_port(d.sw, port)->connected)
        return;
    bytes[0] = (uint8_t)(kind & 2 ? 0xff : take(in, 1) & 7);
    memset(bytes + 1, kind & 2 ? 0xff : 0, 4);
    bytes[5] = (uint8_t)(kind & 2 ? 0xff : take(in, 1) & 7);
    bytes[6] = (uint8_t)(take(in, 1) & 7);
    bytes[11] = (uint8_t)(take(in, 1) & 7);
    for (n = 12; kind & 4 && n < 24; n += 4) { /* tags, one in another */
        net_put16(bytes + n, take(in, 1) & 3 ? 0x8100 : 0x88a8);
        net_put16(bytes + n + 2, take(in, 2) & (kind & 8 ? 0xf003 : 0xffff));
        if (take(in, 1) & 3)
            break;
    }
    uint8_t *exact = malloc(len != 0 ? len : 1); /* reading beyond the end shows */
    memcpy(exact, bytes, len);
    from = port;
    forwarding = true;
    vswitch_input(d.sw, port, exact, len);
    forwarding = false;
    free(exact);
}

static void line(struct input *in)
{
    static const char *const starts[] = {
        "",        "status",    "port ", "clear", "hostfwd add ", "pcap start ", "port 2 vlan ",
        "port 3 ", "pcap stop "};
    char text[CONTROL_LINE];
    GString *out = g_string_new(NULL);
    unsigned len = take(in, 1) % 80;
    size_t at = (size_t)snprintf(text, sizeof text, "%s", starts[take(in, 1) % 9]);

    for (unsigned i = 0; i < len && in->left > 0; i++)
        text[at++] = (char)take(in, 1);
    text[at] = '\0';
    control_request(&d, text, take(in, 1) & 1 ? open("/dev/null", O_WRONLY) : -1, out);
    require(g_str_has_suffix(out->str, "ok\n") || strstr(out->str, "error ") != NULL);
    g_string_free(out, TRUE);
}

static void act(struct input *in)
{
    unsigned port;

    switch (take(in, 1) % 8) {
    case 0:
        connect_port(in);
        break;
    case 1:
        port = 1 + take(in, 1) % PORTS;
        vswitch_disconnect(d.sw, port);
        break;
    case 2:
        line(in);
        break;
    case 3:
        now += (uint64_t)take(in, 2) * 10000000;
        vswitch_age(d.sw);
        break;
    case 4:
        port = 1 + take(in, 1) % PORTS;
        vswitch_set_vlan(d.sw, port, (int)(take(in, 1) % 5) - 1);
        vswitch_set_down(d.sw, port, take(in, 1) % 4 == 0);
        break;
    default:
        frame(in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct vswitch_end up = {.opaque = (void *)VSWITCH_UPLINK, .frame = on_frame};

    log_set_level(LOG_ERROR);
    now = 1;
    d = (struct daemon){.name = "fuzz", .sw = vswitch_new(clock_ns, NULL)};
    d.loop = g_main_loop_new(NULL, FALSE);
    snprintf(d.uplink, sizeof d.uplink, "none");
    if (take(&in, 1) & 1)
        vswitch_set_uplink(d.sw, &up, take(&in, 1) & 1);
    for (unsigned i = 0; i < ACTIONS && in.left > 0; i++)
        act(&in);
    vswitch_free(d.sw);
    g_main_loop_unref(d.loop);
    return 0;
}
