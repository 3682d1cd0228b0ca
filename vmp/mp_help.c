/* The virtual console's commands and its help. */
#include "mp_impl.h"

#include "vmp.h"

#include <string.h>
#include <time.h>

static void enter_menu(struct mp *m, enum mp_menu menu)
{
    if (m->menu != MENU_HELP)
        mp_show_menu(m, menu);
}

static void cmd_commands(struct mp *m, const struct mp_arguments *a)
{
    (void)a;
    enter_menu(m, MENU_COMMANDS);
}

static void cmd_machine(struct mp *m, const struct mp_arguments *a)
{
    (void)a;
    enter_menu(m, MENU_MACHINE);
}

static void cmd_main(struct mp *m, const struct mp_arguments *a)
{
    (void)a;
    enter_menu(m, MENU_MAIN);
}

static void cmd_console(struct mp *m, const struct mp_arguments *a)
{
    (void)a;
    mp_enter_console(m);
}

static void cmd_exit(struct mp *m, const struct mp_arguments *a)
{
    (void)a;
    m->finished = true;
}

#define IN_MAIN    (1u << MENU_MAIN)
#define IN_CM      (1u << MENU_COMMANDS)
#define IN_VM      (1u << MENU_MACHINE)
#define NO_CONFIRM "-nc    no questions: for scripts"

const struct mp_command mp_commands[] = {
    {"COnsole", "Console", cmd_console,
     "Connects to the console of the virtual machine. What it printed before is shown\n"
     "first. The attention character (Ctrl-B, or what hpvmconsole -e names) leads back\n"
     "to the main menu; pressed twice it goes to the virtual machine.\n"
     "\n"
     "Any number of viewers may watch, one of them types. Ctrl-E c f passes the right\n"
     "to type to you.",
     IN_MAIN, false},
    {"CM", "Command Menu", cmd_commands,
     "Shows the commands that control the virtual machine. They are understood in\n"
     "every menu.",
     IN_MAIN, false},
    {"CL", "Console Log", mp_cmd_console_log,
     "Prints what the virtual machine has written to its console, oldest first, also\n"
     "from before its last starts. The characters are the guest's own.\n"
     "\n"
     "     CL [ -nc ]",
     IN_MAIN, false},
    {"SL", "Show Event Logs", mp_cmd_event_logs,
     "Shows the logs of the virtual machine.\n"
     "\n"
     "     SL [ -e | -f ] [ -nc ]\n"
     "\n"
     "     -e     system events: power, resets, changes of the configuration, media\n"
     "     -f     forward progress: how far firmware and operating system have come",
     IN_MAIN, false},
    {"VM", "Virtual Machine Menu", cmd_machine,
     "Shows the commands that tell about the virtual machine and its media.", IN_MAIN, false},
    {"DL", "List of Devices for Removable Media", mp_cmd_devices,
     "Lists the drives for removable media with what is in them.\n"
     "\n"
     "     DL [ -nc ]",
     IN_VM, false},
    {"EJect", "Eject Removable Media", mp_cmd_eject,
     "Takes the medium out of a virtual DVD drive, which the guest then sees empty.\n"
     "Not kept when the virtual machine is started again.\n"
     "\n"
     "     EJ [ item ] [ -force ] [ -nc ]\n"
     "\n"
     "     item   number in the list of devices\n"
     "     -force even if the guest has locked the drive\n"
     "     " NO_CONFIRM,
     IN_CM | IN_VM, false},
    {"INsert", "Insert Removable Media", mp_cmd_insert,
     "Puts a medium into an empty virtual DVD drive: a file of the directory the drive\n"
     "was given, or what is in the drive of the host. Not kept when the virtual machine\n"
     "is started again.\n"
     "\n"
     "     IN [ item [ file ] ] [ -force ] [ -nc ]\n"
     "\n"
     "     item   number in the list of devices\n"
     "     file   number in the list of files, or a name\n"
     "     " NO_CONFIRM,
     IN_CM | IN_VM, false},
    {"PC", "Power Control", mp_cmd_power,
     "Switches the virtual machine on and off. Without an option it asks.\n"
     "\n"
     "     PC [ -on | -off | -cycle | -graceful ] [ -nc ]\n"
     "\n"
     "     -on       starts it, as hpvmstart does\n"
     "     -off      as a power failure: the operating system has no time to clean up\n"
     "     -cycle    off and on again\n"
     "     -graceful presses the power button and waits for the operating system\n"
     "     -nc       no questions: for scripts",
     IN_CM, false},
    {"PS", "Power Status", mp_cmd_status,
     "Shows whether the virtual machine is on, and how far it has come.\n"
     "\n"
     "     PS [ -nc ]",
     IN_CM | IN_VM, false},
    {"ID", "Identity of the Virtual Machine", mp_cmd_identity,
     "Shows name, number, label, UUID, serial number and size of the virtual machine.\n"
     "\n"
     "     ID [ -nc ]",
     IN_VM, false},
    {"REC", "Activity Record", mp_cmd_record,
     "Shows what the virtual machine has done: its forward progress log.\n"
     "\n"
     "     REC -view [ -nc ]",
     IN_CM, false},
    {"RS", "Reset", mp_cmd_reset,
     "Resets the virtual machine. It stays on and starts its firmware again; the\n"
     "operating system has no time to clean up.\n"
     "\n"
     "     RS [ -nc ]",
     IN_CM, false},
    {"SAY", "Message to All Viewers", mp_cmd_say,
     "Shows a line to everybody who is connected to this virtual machine.\n"
     "\n"
     "     SAY text",
     IN_CM, true},
    {"TC", "Transfer of Control", mp_cmd_transfer,
     "Interrupts the virtual machine (INIT): an operating system that has prepared for\n"
     "it writes a crash dump.\n"
     "\n"
     "     TC [ -nc ]",
     IN_CM, false},
    {"WHO", "Connected Viewers", mp_cmd_who,
     "Lists who is connected to the virtual console, and who may type.\n"
     "\n"
     "     WHO [ -nc ]",
     IN_CM, false},
    {"MA", "Return to Main Menu", cmd_main, "Returns to the main menu, as Ctrl-B does.",
     IN_CM | IN_VM, false},
    {"HElp", "Main Help Menu", mp_cmd_help,
     "Enters the help system, or with the name of a command explains that.\n"
     "\n"
     "     HE [ command ]",
     IN_MAIN | IN_CM | IN_VM, false},
    {"X", "Exit Connection", cmd_exit, "Ends the connection. The virtual machine is not affected.",
     IN_MAIN | IN_CM | IN_VM, false},
    {0},
};

/* A rule of 79 columns with the title, and the caller's role near its end. */
static void header(struct mp *m, const char *title)
{
    const char *role = m->config.role == MP_ADMIN ? "Admin" : "Oper";
    g_autoptr(GString) line = g_string_new("==== vMP Help: ");
    g_string_append_printf(line, "%s ", title);
    while (line->len + strlen(role) + 4 + 12 < 79)
        g_string_append_c(line, '=');
    mp_printf(m, "\n%s (%s) ============\n", line->str, role);
}

static void date(const struct mp *m, char *out, size_t size)
{
    time_t now = time(NULL);
    struct tm tm;
    if (m->config.now != NULL)
        g_strlcpy(out, m->config.now, size);
    else if (strftime(out, size, "%a %b %e %Y %Hh%Mm%Ss %Z", localtime_r(&now, &tm)) == 0)
        out[0] = '\0';
}

void mp_help_screen(struct mp *m)
{
    char now[64];
    date(m, now, sizeof now);
    header(m, "Main Menu");
    mp_printf(m,
              "HPVM A.03.00 Kittson %s %s\n" VMP_COPYRIGHT "\n\n"
              "   Virtual Management Processor (vMP) Help System\n\n"
              "   Enter a command at the help prompt:\n"
              "         OVerview  - Launch the help overview\n"
              "         LIst      - Show the list of vMP commands\n"
              "         <COMMAND> - Enter the command name for help on an individual command\n"
              "         TOPics    - Show all vMP Help topics and commands\n"
              "         HElp      - Display this screen\n"
              "         Q         - Quit help\n\n",
              KITTSON_VERSION, now);
}

static void overview(struct mp *m)
{
    header(m, "Overview");
    mp_print(m,
             "The virtual management processor (vMP) is to a virtual machine what the\n"
             "management processor is to a server: it has the console, the power switch, the\n"
             "logs and the drives for removable media, also when the machine is off.\n"
             "\n"
             "CO enters the console of the virtual machine, Ctrl-B comes back to the main menu.\n"
             "PC -on starts the machine, PC -graceful shuts it down, RS resets it. EJ and IN\n"
             "change discs. CL prints what the machine has written to its console, SL and\n"
             "REC -view what has happened to it.\n"
             "\n"
             "Commands may be written in capitals or not and work in every menu. Backspace\n"
             "takes back a character, Ctrl-U the line, Ctrl-C the command.\n"
             "\n"
             "Operators use all of this; administrators may also send messages to all viewers.\n"
             "The level you have stands in the first line of every help screen.\n\n");
}

static void list(struct mp *m)
{
    header(m, "Commands");
    for (const struct mp_command *c = mp_commands; c->name != NULL; c++)
        mp_printf(m, "   %-8s : %s%s\n", c->name, c->title, c->admin ? " (administrators)" : "");
    mp_print(m, "\n");
}

static void keys(struct mp *m)
{
    header(m, "Keys");
    mp_print(m, "Ctrl-B       back to the main menu; hpvmconsole -e names another character\n"
                "Ctrl-B twice sends Ctrl-B to the virtual machine\n"
                "Ctrl-E c f   in the console: take the right to type\n"
                "Backspace    takes back a character\n"
                "Ctrl-U       takes back the line\n"
                "Ctrl-C       ends a command that asks\n\n");
}

static void topics(struct mp *m);

static const struct {
    const char *name, *title;
    void (*show)(struct mp *m);
} topic_table[] = {
    {"OVerview", "What the vMP is", overview},
    {"LIst", "List of vMP commands", list},
    {"KEys", "Keys and the attention character", keys},
    {"TOPics", "All help topics and commands", topics},
    {"HElp", "The first help screen", mp_help_screen},
};

static void topics(struct mp *m)
{
    header(m, "Topics");
    mp_print(m, "Topics\n");
    for (size_t i = 0; i < G_N_ELEMENTS(topic_table); i++)
        mp_printf(m, "   %-8s : %s\n", topic_table[i].name, topic_table[i].title);
    mp_print(m, "Commands\n");
    for (const struct mp_command *c = mp_commands; c->name != NULL; c++)
        mp_printf(m, "   %-8s : %s\n", c->name, c->title);
    mp_print(m, "\n");
}

bool mp_help_about(struct mp *m, const char *word)
{
    for (size_t i = 0; i < G_N_ELEMENTS(topic_table); i++) {
        if (mp_matches(topic_table[i].name, word)) {
            topic_table[i].show(m);
            return true;
        }
    }
    const struct mp_command *c = mp_find(word);
    if (c == NULL)
        return false;
    g_autofree char *upper = g_ascii_strup(c->name, -1);
    g_autofree char *title = g_strdup_printf("%s: %s", upper, c->title);
    header(m, title);
    mp_printf(m, "%s\n\n", c->help);
    return true;
}

static void no_help(struct mp *m, const char *word)
{
    mp_fail(m, "There is no help on '%.40s'. Enter LI for the commands.", word);
}

void mp_help_line(struct mp *m, const char *line)
{
    if (line[0] == '\0')
        return;
    if (mp_quits(line) || mp_matches("X", line))
        m->menu = m->help_from;
    else if (!mp_help_about(m, line))
        no_help(m, line);
}

void mp_cmd_help(struct mp *m, const struct mp_arguments *a)
{
    if (a->words->len > 0) {
        if (!mp_help_about(m, a->words->pdata[0]))
            no_help(m, a->words->pdata[0]);
        return;
    }
    mp_help_screen(m);
    if (a->no_input)
        return;
    m->help_from = m->menu;
    m->menu = MENU_HELP;
}
