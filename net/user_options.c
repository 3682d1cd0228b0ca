/* See user_options.h. */
#include "user_options.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FORWARD_SIZE 128

#define FORWARD_RULE                                                                               \
    "give hostfwd=tcp:ADDR:PORT-[ADDR]:PORT or udp:, ADDR an IPv4 address or [IPv6 address]"
#define USER_RULE "give user[,hostfwd=tcp:ADDR:PORT-:PORT]...[,tftp=DIR][,bootfile=F][,dns=ADDR]"

static int parse_addr(const char *text, struct user_place *p)
{
    size_t len = strlen(text);
    char inner[USER_ADDR_SIZE];

    if (text[0] != '[')
        return text[0] == '\0' || inet_pton(AF_INET, text, p->addr) == 1 ? 0 : -EINVAL;
    if (len < 2 || text[len - 1] != ']' || len - 2 >= sizeof inner)
        return -EINVAL;
    memcpy(inner, text + 1, len - 2);
    inner[len - 2] = '\0';
    p->v6 = true;
    return inet_pton(AF_INET6, inner, p->addr) == 1 ? 0 : -EINVAL;
}

/* ADDR:PORT; an empty address is all zeros. */
static int parse_place(char *text, struct user_place *p)
{
    char *colon = strrchr(text, ':');
    uint64_t n;

    *p = (struct user_place){0};
    if (colon == NULL || text_parse_number(colon + 1, 1, 65535, &n) != 0)
        return -EINVAL;
    *colon = '\0';
    p->port = (uint16_t)n;
    return parse_addr(text, p);
}

static int parse_protocol(const char *text, bool *udp)
{
    *udp = strncmp(text, "udp:", 4) == 0;
    return *udp || strncmp(text, "tcp:", 4) == 0 ? 0 : -EINVAL;
}

static bool is_zero(const struct user_place *p)
{
    static const uint8_t zero[16];

    return memcmp(p->addr, zero, sizeof zero) == 0;
}

int user_parse_forward(const char *value, struct user_forward *f)
{
    char text[FORWARD_SIZE], *dash;

    if (strlen(value) >= sizeof text || parse_protocol(value, &f->udp) != 0)
        return -EINVAL;
    strcpy(text, value);
    dash = strchr(text, '-');
    if (dash == NULL)
        return -EINVAL;
    *dash = '\0';
    if (parse_place(text + 4, &f->host) != 0 || parse_place(dash + 1, &f->guest) != 0)
        return -EINVAL;
    return f->host.v6 != f->guest.v6 || (f->guest.v6 && is_zero(&f->guest)) ? -EINVAL : 0;
}

int user_parse_listener(const char *value, struct user_forward *f)
{
    char text[FORWARD_SIZE];

    *f = (struct user_forward){0};
    if (strlen(value) >= sizeof text || parse_protocol(value, &f->udp) != 0)
        return -EINVAL;
    strcpy(text, value);
    return parse_place(text + 4, &f->host);
}

static void print_place(const struct user_place *p, char *out, size_t size)
{
    char addr[USER_ADDR_SIZE] = "";

    if (p->v6 || !is_zero(p))
        inet_ntop(p->v6 ? AF_INET6 : AF_INET, p->addr, addr, sizeof addr);
    snprintf(out, size, p->v6 ? "[%s]:%u" : "%s:%u", addr, p->port);
}

void user_print_forward(const struct user_forward *f, char *out, size_t size)
{
    char host[64], guest[64];

    print_place(&f->host, host, sizeof host);
    print_place(&f->guest, guest, sizeof guest);
    snprintf(out, size, "%s:%s-%s", f->udp ? "udp" : "tcp", host, guest);
}

/* --- words --- */

static int copy(char *out, size_t size, const char *value)
{
    size_t len = strlen(value);

    if (len == 0 || len >= size)
        return -EINVAL;
    memcpy(out, value, len + 1);
    return 0;
}

static int parse_dns(struct user_options *o, const char *value)
{
    uint8_t addr[16];

    if (inet_pton(AF_INET, value, addr) != 1 && inet_pton(AF_INET6, value, addr) != 1)
        return -EINVAL;
    return copy(o->dns, sizeof o->dns, value);
}

static int add_forward(struct user_options *o, const char *value, const char **rule)
{
    if (o->forwards == USER_MAX_FORWARDS) {
        *rule = "there is room for 64 forwards";
        return -EINVAL;
    }
    *rule = FORWARD_RULE;
    int err = user_parse_forward(value, &o->forward[o->forwards]);
    o->forwards += err == 0;
    return err;
}

int user_parse_word(struct user_options *o, const char *word, const char **rule)
{
    const char *equals = strchr(word, '='), *value = equals != NULL ? equals + 1 : "";

    if (strncmp(word, "hostfwd=", 8) == 0)
        return add_forward(o, value, rule);
    if (strncmp(word, "tftp=", 5) == 0) {
        *rule = "give the name of a directory";
        return copy(o->tftp, sizeof o->tftp, value);
    }
    if (strncmp(word, "bootfile=", 9) == 0) {
        *rule = "give a name of 1 to 127 bytes";
        return copy(o->bootfile, sizeof o->bootfile, value);
    }
    if (strncmp(word, "dns=", 4) == 0) {
        *rule = "give the IPv4 or IPv6 address of a name server";
        return parse_dns(o, value);
    }
    return -ENOENT;
}

int user_parse(struct user_options *o, const char *text, char *why, size_t size)
{
    const char *rest = text + 4, *rule = USER_RULE;
    int err = strncmp(text, "user", 4) == 0 && (*rest == '\0' || *rest == ',') ? 0 : -EINVAL;

    *o = (struct user_options){0};
    while (err == 0 && *rest == ',') {
        char word[USER_PATH_SIZE + 16];
        size_t len = strcspn(++rest, ",");
        rule = USER_RULE;
        if (len >= sizeof word) {
            err = -EINVAL;
            break;
        }
        memcpy(word, rest, len);
        word[len] = '\0';
        err = user_parse_word(o, word, &rule);
        rest += len;
    }
    if (err != 0)
        snprintf(why, size, "%s: %s", text, rule);
    return err != 0 ? -EINVAL : 0;
}
