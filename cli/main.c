/* The kittson program: finds the subcommand and runs it. Knows no subcommand's options. */
#include "cli.h"
#include "hpvmapp.h"
#include "log.h"
#include "text.h"
#include "vmp.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* NULL: not there yet */
    const char *operands;
    const char *help;
    const char *more; /* shown by `help COMMAND`; for a missing command what it comes with */
    void (*options)(FILE *out);
};

static const struct command commands[] = {
    {"run", cmd_run, "[OPTION]...", "start a machine",
     "Without --kernel, drives and network the built-in demo guest is started. On the terminal "
     "Ctrl-B X ends the\n"
     "process and Ctrl-B Ctrl-B sends a Ctrl-B to the guest.\n"
     "Exit status: 0 the guest powered off, 1 it stopped otherwise, 2 bad usage or input.\n",
     run_print_options},
    {"vectors", cmd_vectors, "FILE...", "run golden instruction vectors",
     "Runs every case of the files (.tsv or .tsv.gz) and prints a table per family.\n"
     "Exit status: 0 all agree, 1 a difference was found, 2 bad usage or input.\n",
     NULL},
    {"disasm", cmd_disasm, "FILE", "disassemble IA-64 code",
     "Prints the code of an ELF file, or raw bundles, in objdump's syntax.\n", NULL},
    {"doctor", cmd_doctor, "", "check this computer and say what is missing",
     "Looks at the processor, memory, limits and packages, and says in plain sentences what\n"
     "stands in the way. Exit status: 0 nothing, 1 something.\n",
     NULL},
    {"overlay", cmd_overlay, "info|commit|force-commit|discard FILE",
     "look after an overlay file of a disk",
     "info says what it is made over and how much it holds, commit writes it into its base and\n"
     "empties it, discard empties it. No machine may be using it.\n"
     "Exit status: 0 done, 2 bad usage or input.\n",
     NULL},
    {"nvram", cmd_nvram, "export|import FILE", "EFI variables as text, and back",
     "export prints the variables of a file that --nvram names, import replaces them by what it\n"
     "reads from standard input in the same form. No machine may be using it for import.\n"
     "Exit status: 0 done, 2 bad usage or input.\n",
     NULL},
    {"itrace", cmd_itrace, "FILE", "show a binary instruction trace",
     "Prints what run --itrace FILE,binary has written, one line per record (docs/debugging.md).\n"
     "Exit status: 0 done, 2 bad usage or input.\n",
     NULL},
    {"monitor", cmd_monitor, "[--json] unix:PATH [COMMAND...]", "talk to a running machine",
     "Sends COMMAND to a machine started with --monitor unix:PATH and prints the answer; without\n"
     "one it reads commands from standard input. The command help lists them. With --json answers\n"
     "are lines for programs, and without a command events come too (docs/debugging.md).\n"
     "Exit status: 0 done, 1 the machine answered with an error, 2 it could not be asked.\n",
     NULL},
    {"record", cmd_record, "-o FILE RUN-OPTION...", "run a machine and write a trace of it",
     "As kittson run, with time that follows the instructions, and what comes from outside kept "
     "in\n"
     "FILE together with digests of the machine's state.\n",
     NULL},
    {"replay", cmd_replay, "[OPTION]... TRACE", "run a recorded machine again and compare",
     "Needs no network and changes no file: images are read, writes stay in memory. Where the\n"
     "machine is not as it was, the interval is reported, and the first instruction that differs\n"
     "from a reference. Exit status: 0 alike, 1 not, 2 bad usage or input.\n",
     replay_print_options},
    {"trace", cmd_trace, "info|verify|diff|cut TRACE...", "look at traces",
     "info TRACE: the machine, its files and what happened. verify TRACE: reads all of it. diff\n"
     "TRACE TRACE: where they differ first. cut [--until=TURN] [--self-contained] TRACE NEW: a\n"
     "shorter one, or one that needs no images; also saves what is whole of a damaged one.\n"
     "Exit status: 0 fine, 1 different, 2 bad usage or input.\n",
     NULL},
    {"snapshot", cmd_snapshot, "save|suspend unix:PATH FILE", "write a running machine into a file",
     "Saves the machine with this monitor socket: processors, memory, devices, EFI variables and\n"
     "what its overlays hold. suspend also ends it, and is needed when a disk has no overlay. The\n"
     "system must have been started: not while boot services run. Exit status as of monitor.\n",
     NULL},
    {"restore", cmd_restore, "FILE RUN-OPTION...", "go on from a snapshot",
     "The same as kittson run --restore FILE: give the options that the machine had. Overlays get\n"
     "the contents they had then. Options and exit status are those of run.\n",
     NULL},
    {"get-guest", NULL, "", "", "the disk boot", NULL},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_help(void)
{
    printf("Kittson %s: a full-system Itanium (IA-64) emulator\n\n"
           "usage: kittson COMMAND [ARGUMENT]...\n\n",
           KITTSON_VERSION);
    for (size_t i = 0; i < COMMANDS; i++)
        if (commands[i].run != NULL)
            printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("  %-10s %s\n\n", "help", "say more about a command: kittson help COMMAND");
    printf("kittson --help, kittson --version. Manual: man kittson\n");
}

static void print_command_help(const struct command *c)
{
    printf("usage: kittson %s%s%s\n\n%s", c->name, c->operands[0] ? " " : "", c->operands, c->more);
    if (c->options != NULL) {
        printf("\n");
        c->options(stdout);
    }
}

static int unknown(const char *name)
{
    const char *names[COMMANDS + 1];
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    names[COMMANDS] = "help";
    const char *near = text_nearest(name, names, COMMANDS + 1);
    if (near != NULL)
        log_error("unknown command %s: did you mean %s?", name, near);
    else
        log_error("unknown command %s: kittson --help lists them", name);
    return CLI_USAGE;
}

static int missing(const struct command *c)
{
    log_error("%s comes with %s, which this version does not have yet", c->name, c->more);
    return CLI_USAGE;
}

static int help(int argc, char **argv)
{
    if (argc < 3) {
        print_help();
        return CLI_OK;
    }
    const struct command *c = find(argv[2]);
    if (c == NULL)
        return unknown(argv[2]);
    if (c->run == NULL)
        return missing(c);
    print_command_help(c);
    return CLI_OK;
}

static int global_option(const char *arg)
{
    static const char *const names[] = {"--help", "--version"};
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
        print_help();
        return CLI_OK;
    }
    if (strcmp(arg, "--version") == 0) {
        printf("kittson %s\n", KITTSON_VERSION);
        return CLI_OK;
    }
    const char *near = text_nearest(arg, names, 2);
    if (near != NULL)
        log_error("unknown option %s: did you mean %s?", arg, near);
    else
        log_error("unknown option %s: options come after a command, as in kittson run %s", arg,
                  arg);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of a write, like a full disk */
    vmp_command *hpvm = argc > 0 ? vmp_find(argv[0]) : NULL;
    if (hpvm != NULL)
        return hpvm(argc, argv);
    if (argc > 0 && g_str_has_suffix(argv[0], "hpvmapp"))
        return hpvmapp_main(argc, argv);
    if (argc < 2) {
        log_error("no command given: kittson --help lists them, kittson run shows a demo");
        return CLI_USAGE;
    }
    if (argv[1][0] == '-')
        return global_option(argv[1]);
    if (strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    const struct command *c = find(argv[1]);
    if (c == NULL)
        return unknown(argv[1]);
    if (c->run == NULL)
        return missing(c);
    if (argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        print_command_help(c);
        return CLI_OK;
    }
    return c->run(argc - 1, argv + 1);
}
