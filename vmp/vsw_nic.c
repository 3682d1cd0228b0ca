/* Interfaces of the host that switches are bound to: see vsw.h. Finds and connects them; makes no
 * bridges and changes no addresses. */
#define _GNU_SOURCE
#include "vsw.h"

#include "text.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int control(unsigned long request, const char *nic, struct ifreq *r)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    g_strlcpy(r->ifr_name, nic, sizeof r->ifr_name);
    int err = ioctl(fd, request, r) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

static bool is_vlan(const char *nic)
{
    struct vlan_ioctl_args args = {.cmd = GET_VLAN_REALDEV_NAME_CMD};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    g_strlcpy(args.device1, nic, sizeof args.device1);
    bool vlan = ioctl(fd, SIOCGIFVLAN, &args) == 0;
    close(fd);
    return vlan;
}

static bool has_driver(const char *nic, const char *driver)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq r = {.ifr_data = (char *)&info};
    return control(SIOCETHTOOL, nic, &r) == 0 && strcmp(info.driver, driver) == 0;
}

int vsw_nic_find(const char *text, char name[VSW_NIC_SIZE], char *why, size_t size)
{
    uint64_t number;
    struct ifreq r = {0};
    bool found = text_parse_number(text, 1, INT32_MAX, &number) == 0
                     ? if_indextoname((unsigned)number, name) != NULL
                     : strlen(text) < VSW_NIC_SIZE && if_nametoindex(text) != 0;
    if (!found) {
        snprintf(why, size, "Network interface '%.40s' does not exist.", text);
        return -EINVAL;
    }
    if (if_nametoindex(text) != 0)
        g_strlcpy(name, text, VSW_NIC_SIZE);
    if (control(SIOCGIFHWADDR, name, &r) != 0 || r.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        snprintf(why, size, "Network interface '%s' is not a LAN interface.", name);
    else if (is_vlan(name))
        snprintf(why, size, "Network interface '%s' is a VLAN interface.", name);
    else
        return 0;
    return -EINVAL;
}

void vsw_nic_addresses(const char *nic, char mac[20], char ip[16])
{
    struct ifreq r = {0};
    mac[0] = ip[0] = '\0';
    if (control(SIOCGIFHWADDR, nic, &r) == 0) {
        const uint8_t *m = (const uint8_t *)r.ifr_hwaddr.sa_data;
        snprintf(mac, 20, "0x%02x%02x%02x%02x%02x%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    }
    memset(&r, 0, sizeof r);
    if (control(SIOCGIFADDR, nic, &r) == 0) {
        struct sockaddr_in a;
        memcpy(&a, &r.ifr_addr, sizeof a);
        inet_ntop(AF_INET, &a.sin_addr, ip, 16);
    }
}

/* The bridge that an interface is a port of. */
static bool bridge_of(const char *nic, char bridge[VSW_NIC_SIZE])
{
    g_autofree char *link = g_strdup_printf("/sys/class/net/%s/brport/bridge", nic);
    g_autofree char *target = g_file_read_link(link, NULL);
    const char *slash = target != NULL ? strrchr(target, '/') : NULL;
    if (slash == NULL || strlen(slash + 1) >= VSW_NIC_SIZE)
        return false;
    g_strlcpy(bridge, slash + 1, VSW_NIC_SIZE);
    return true;
}

int vsw_nic_plan(const char *nic, const char *name, char uplink[VSW_UPLINK_SIZE],
                 char bridge[VSW_NIC_SIZE], char *why, size_t size)
{
    bool is_bridge = has_driver(nic, "bridge");
    bridge[0] = '\0';
    if (if_nametoindex(nic) == 0) {
        snprintf(why, size, "Network interface '%s' does not exist.", nic);
        return -ENODEV;
    }
    if (is_bridge)
        g_strlcpy(bridge, nic, VSW_NIC_SIZE);
    if (is_bridge || bridge_of(nic, bridge))
        snprintf(uplink, VSW_UPLINK_SIZE, "tap:hpvm-%s", name);
    else
        snprintf(uplink, VSW_UPLINK_SIZE, "%s:%s", has_driver(nic, "tun") ? "tap" : "nic", nic);
    return 0;
}

int vsw_nic_join(const char *tap, const char *bridge, char *why, size_t size)
{
    struct ifreq r = {.ifr_ifindex = (int)if_nametoindex(tap)};
    int err = control(SIOCBRADDIF, bridge, &r);
    if (err != 0)
        snprintf(why, size, "Interface '%s' cannot be put into bridge '%s': %s.", tap, bridge,
                 strerror(-err));
    return err;
}
