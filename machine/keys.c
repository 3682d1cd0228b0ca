/* See keys.h. Numbers: HID Usage Tables, page 7. */
#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KEY_A      0x04u
#define KEY_1      0x1eu
#define KEY_0      0x27u
#define KEY_F1     0x3au
#define KEY_F13    0x68u
#define LEFT_SHIFT 0xe1u

static const struct {
    const char *name;
    unsigned usage;
} names[] = {
    {"ret", 0x28},         {"enter", 0x28},        {"esc", 0x29},           {"backspace", 0x2a},
    {"tab", 0x2b},         {"spc", 0x2c},          {"space", 0x2c},         {"minus", 0x2d},
    {"equal", 0x2e},       {"bracket_left", 0x2f}, {"bracket_right", 0x30}, {"backslash", 0x31},
    {"semicolon", 0x33},   {"apostrophe", 0x34},   {"grave_accent", 0x35},  {"comma", 0x36},
    {"dot", 0x37},         {"slash", 0x38},        {"caps_lock", 0x39},     {"print", 0x46},
    {"sysrq", 0x46},       {"scroll_lock", 0x47},  {"pause", 0x48},         {"insert", 0x49},
    {"home", 0x4a},        {"pgup", 0x4b},         {"delete", 0x4c},        {"end", 0x4d},
    {"pgdn", 0x4e},        {"right", 0x4f},        {"left", 0x50},          {"down", 0x51},
    {"up", 0x52},          {"num_lock", 0x53},     {"kp_divide", 0x54},     {"kp_multiply", 0x55},
    {"kp_subtract", 0x56}, {"kp_add", 0x57},       {"kp_enter", 0x58},      {"kp_1", 0x59},
    {"kp_2", 0x5a},        {"kp_3", 0x5b},         {"kp_4", 0x5c},          {"kp_5", 0x5d},
    {"kp_6", 0x5e},        {"kp_7", 0x5f},         {"kp_8", 0x60},          {"kp_9", 0x61},
    {"kp_0", 0x62},        {"kp_decimal", 0x63},   {"less", 0x64},          {"compose", 0x65},
    {"menu", 0x65},        {"power", 0x66},        {"ctrl", 0xe0},          {"shift", LEFT_SHIFT},
    {"alt", 0xe2},         {"meta_l", 0xe3},       {"ctrl_r", 0xe4},        {"shift_r", 0xe5},
    {"alt_r", 0xe6},       {"altgr", 0xe6},        {"meta_r", 0xe7},
};

/* Characters of keys without a letter or digit: alone, with Shift. */
static const struct {
    char plain, shifted;
    unsigned usage;
} signs[] = {
    {'-', '_', 0x2d}, {'=', '+', 0x2e},  {'[', '{', 0x2f},   {']', '}', 0x30},   {'\\', '|', 0x31},
    {';', ':', 0x33}, {'\'', '"', 0x34}, {'`', '~', 0x35},   {',', '<', 0x36},   {'.', '>', 0x37},
    {'/', '?', 0x38}, {' ', '\0', 0x2c}, {'\n', '\0', 0x28}, {'\t', '\0', 0x2b},
};

static unsigned letter_or_digit(char c)
{
    if (c >= 'a' && c <= 'z')
        return KEY_A + (unsigned)(c - 'a');
    if (c >= '1' && c <= '9')
        return KEY_1 + (unsigned)(c - '1');
    return c == '0' ? KEY_0 : 0;
}

static unsigned function_key(const char *name)
{
    unsigned n = 0;
    int end = 0;

    if (sscanf(name, "%*1[fF]%2u%n", &n, &end) != 1 || name[end] != '\0' || n < 1 || n > 24)
        return 0;
    return n <= 12 ? KEY_F1 + n - 1 : KEY_F13 + n - 13;
}

static unsigned named(const char *name)
{
    if (name[0] != '\0' && name[1] == '\0')
        return letter_or_digit(name[0] >= 'A' && name[0] <= 'Z' ? (char)(name[0] + 'a' - 'A')
                                                                : name[0]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(names[i].name, name) == 0)
            return names[i].usage;
    return function_key(name);
}

int keys_parse(const char *text, unsigned usages[KEYS_TOGETHER], char *why, size_t size)
{
    unsigned count = 0;

    for (;;) {
        size_t len = strcspn(text, "-");
        char name[24];

        snprintf(name, sizeof name, "%.*s", len < sizeof name ? (int)len : 0, text);
        if (count == KEYS_TOGETHER || (usages[count++] = named(name)) == 0) {
            snprintf(why, size,
                     "%.40s: give at most %u keys as in ctrl-alt-f1, a, shift-minus, ret, kp_5",
                     text, KEYS_TOGETHER);
            return -EINVAL;
        }
        if (text[len] == '\0')
            return (int)count;
        text += len + 1;
    }
}

static int press(unsigned usage, bool shift, unsigned usages[KEYS_TOGETHER])
{
    int n = 0;

    if (shift)
        usages[n++] = LEFT_SHIFT;
    usages[n++] = usage;
    return n;
}

int keys_for_character(unsigned char c, unsigned usages[KEYS_TOGETHER])
{
    static const char over_digits[] = "!@#$%^&*()"; /* 1 to 9, 0 */
    const char *over = c != '\0' ? strchr(over_digits, c) : NULL;
    unsigned usage = letter_or_digit((char)c);

    if (usage != 0)
        return press(usage, false, usages);
    if (c >= 'A' && c <= 'Z')
        return press(KEY_A + c - 'A', true, usages);
    if (over != NULL)
        return press(KEY_1 + (unsigned)(over - over_digits), true, usages);
    for (size_t i = 0; i < sizeof signs / sizeof signs[0] && c != '\0'; i++)
        if (c == (unsigned char)signs[i].plain || c == (unsigned char)signs[i].shifted)
            return press(signs[i].usage, c == (unsigned char)signs[i].shifted, usages);
    return 0;
}
