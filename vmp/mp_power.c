/* The virtual console's commands for power and reset: PC, RS, TC. */
#include "mp_impl.h"

#include <string.h>

static const struct power {
    const char *option; /* -on */
    const char *word;   /* in the menu */
    const char *doing;  /* "powered on" */
    enum mp_action action;
    bool asks, needs_on;
} powers[] = {
    {"-on", "ON", "powered on", MP_POWER_ON, false, false},
    {"-off", "OFF", "powered off", MP_POWER_OFF, true, true},
    {"-cycle", "C", "powered off and on", MP_POWER_CYCLE, true, true},
    {"-graceful", "G", "shut down", MP_POWER_GRACEFUL, true, true},
};

static const char confirm[] = "Confirm? (Y/[N]): ";

static void progress(struct mp *m)
{
    switch (m->request.action) {
    case MP_POWER_ON:
    case MP_POWER_CYCLE:
        mp_printf(m,
                  "-> System is being %s.\n"
                  "Please wait for the guest start sequence to complete. Use of the attention\n"
                  "character can prevent the guest from running.\n%s",
                  m->request.action == MP_POWER_ON ? "powered on" : "powered off and on",
                  m->request.action == MP_POWER_ON ? "\n" : "");
        break;
    case MP_POWER_OFF:
        mp_print(m, "-> System is being powered off.\n");
        break;
    case MP_POWER_GRACEFUL:
        mp_print(m, "-> System is being shut down.\n");
        break;
    default:
        mp_print(m, "-> System is being reset.\n");
    }
}

static void go(struct mp *m)
{
    progress(m);
    mp_act(m);
}

static void confirmed(struct mp *m, const char *line)
{
    if (g_ascii_strcasecmp(line, "y") != 0 && g_ascii_strcasecmp(line, "yes") != 0) {
        mp_cancelled(m);
        return;
    }
    mp_print(m, "\n");
    go(m);
}

/* Announces what comes and asks, unless told not to. */
static void announce(struct mp *m, const char *text, bool asks)
{
    mp_print(m, text);
    if (asks && !m->no_input)
        mp_ask(m, confirm, confirmed);
    else
        go(m);
}

static void power(struct mp *m, const struct power *p)
{
    struct mp_status status;
    if (m->ops->status(m->opaque, &status) != 0) {
        mp_fail(m, "The state of the virtual machine is not known.");
    } else if (status.on != p->needs_on) {
        mp_fail(m, "System is already %s.", status.on ? "on" : "off");
    } else {
        g_autofree char *text = g_strdup_printf("\nSystem will be %s.\n\n", p->doing);
        m->request = (struct mp_request){.action = p->action};
        announce(m, text, p->asks);
    }
}

static void chosen(struct mp *m, const char *line)
{
    if (mp_quits(line))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(powers); i++) {
        if (g_ascii_strcasecmp(line, powers[i].word) == 0) {
            power(m, &powers[i]);
            return;
        }
    }
    mp_print(m, "Invalid menu item.\n");
    mp_ask(m, m->question, chosen);
}

static void power_menu(struct mp *m)
{
    struct mp_status status = {.on = false};
    m->ops->status(m->opaque, &status);
    mp_printf(m,
              "\nCurrent system power state: %s\n\n"
              "Power Control Menu\n\n"
              "     ON  - Power on\n"
              "     OFF - Power off\n"
              "     C   - Power cycle\n"
              "     G   - Graceful shutdown\n\n",
              status.on ? "On" : "Off");
    mp_ask(m, "Enter menu item or [Q] to Quit: ", chosen);
}

void mp_cmd_power(struct mp *m, const struct mp_arguments *a)
{
    m->no_input = a->no_input;
    if (a->words->len == 0 && !a->no_input) {
        power_menu(m);
        return;
    }
    const char *word = a->words->len == 1 ? a->words->pdata[0] : "";
    for (size_t i = 0; i < G_N_ELEMENTS(powers); i++) {
        if (strlen(word) > 1 &&
            g_ascii_strncasecmp(powers[i].option, word, MAX(strlen(word), 2)) == 0) {
            power(m, &powers[i]);
            return;
        }
    }
    mp_fail(m, "Usage: PC [ -on | -off | -cycle | -graceful ] [ -nc ]");
}

static bool is_on(struct mp *m)
{
    struct mp_status status = {.on = false};
    m->ops->status(m->opaque, &status);
    if (!status.on)
        mp_fail(m, "System is off.");
    return status.on;
}

void mp_cmd_reset(struct mp *m, const struct mp_arguments *a)
{
    m->no_input = a->no_input;
    if (a->words->len > 0) {
        mp_fail(m, "Usage: RS [ -nc ]");
    } else if (is_on(m)) {
        m->request = (struct mp_request){.action = MP_RESET};
        announce(m, "\nSystem will be reset.\n\n", true);
    }
}

void mp_cmd_transfer(struct mp *m, const struct mp_arguments *a)
{
    m->no_input = a->no_input;
    if (a->words->len > 0) {
        mp_fail(m, "Usage: TC [ -nc ]");
    } else if (is_on(m)) {
        m->request = (struct mp_request){.action = MP_INIT};
        announce(m, "\nSystem will be reset through a transfer of control (INIT).\n\n", true);
    }
}
