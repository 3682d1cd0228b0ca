/* The EFI shell's table of commands, and help. */
#include "shell_priv.h"

/* Names of other shells. */
const char *const shell_synonyms[][2] = {{"copy", "cp"},  {"del", "rm"},   {"dir", "ls"},
                                         {"md", "mkdir"}, {"rd", "rm"},    {"ren", "mv"},
                                         {"move", "mv"},  {"cat", "type"}, {"hd", "hexdump"},
                                         {"dmem", "mem"}, {"?", "help"}};
const unsigned shell_synonym_count = G_N_ELEMENTS(shell_synonyms);

const struct shell_command shell_commands[] = {
    {"alias", cmd_alias, "Shows, makes, or deletes aliases of commands",
     "ALIAS [-v] [NAME [VALUE...]]\nALIAS -d NAME\n"
     "  -v  the alias is gone after a reset; others are kept in NVRAM\n"
     "  -d  deletes the alias\n"
     "An alias takes the place of the first word of a command line.\n"
     "  Shell> alias ll ls -b\n"},
    {"attrib", cmd_attrib, "Shows or changes attributes of files and directories",
     "ATTRIB [+r|-r] [+h|-h] [+s|-s] [+a|-a] [FILE...]\n"
     "  r read-only, h hidden, s system, a archive; + sets, - clears\n"
     "Without FILE everything in the current directory is meant.\n"
     "  fs0:\\> attrib +r *.cfg\n"},
    {"bcfg", cmd_bcfg, "Shows and changes the boot options in NVRAM",
     "BCFG boot [dump [-v]]\n"
     "BCFG boot add NUMBER FILE \"DESCRIPTION\"\n"
     "BCFG boot addp NUMBER FILE \"DESCRIPTION\"\n"
     "BCFG boot addh NUMBER HANDLE \"DESCRIPTION\"\n"
     "BCFG boot rm NUMBER\nBCFG boot mv FROM TO\n"
     "  dump  lists the options, -v with their variables and data\n"
     "  add   puts a program at this place of the list; addp keeps only the part\n"
     "        of its device path that begins at the partition\n"
     "  addh  makes an option of a device\n"
     "Numbers are places in the list, hexadecimal, from 1.\n"
     "  Shell> bcfg boot add 1 fs0:\\efi\\hpux\\hpux.efi \"HP-UX Primary Boot\"\n"},
    {"cd", cmd_cd, "Shows or changes the current directory",
     "CD [PATH]\nA path with a volume changes the directory of that volume.\n"
     "The current volume is changed with its name and a colon.\n"
     "  Shell> fs0:\n  fs0:\\> cd efi\\hpux\n"},
    {"cls", cmd_cls, "Clears the screen",
     "CLS [COLOR]\n"
     "  COLOR  background: 0 black, 1 blue, 2 green, 3 cyan, 4 red, 5 magenta,\n"
     "         6 yellow, 7 light grey\n"},
    {"comp", cmd_comp, "Compares two files",
     "COMP [-b] FILE1 FILE2\n"
     "Shows the first 10 bytes that differ.\n"},
    {"connect", cmd_connect, "Connects drivers to devices",
     "CONNECT [-r] [DEVICE [DRIVER]]\n"
     "  -r  also devices that this makes\n"
     "Handles are numbers as dh shows them. Without DEVICE all devices are meant.\n"},
    {"cp", cmd_cp, "Copies files and directories",
     "CP [-r] [-q] SOURCE... [TARGET]\n"
     "  -r  directories with everything in them\n"
     "  -q  replaces files without asking, as scripts do\n"
     "Without TARGET the current directory is meant.\n"
     "  fs0:\\> cp -r efi fs1:\\\n  fs0:\\> cp *.log fs1:\\logs\n"},
    {"date", cmd_date, "Shows or sets the date", "DATE [mm/dd/yyyy]\n  Shell> date 06/30/2007\n"},
    {"dblk", cmd_dblk, "Shows blocks of a device",
     "DBLK [-b] DEVICE [LBA [BLOCKS]]\n"
     "LBA and BLOCKS are hexadecimal; 10 (hexadecimal) blocks at most.\n"
     "  Shell> dblk blk0 0 2\n"},
    {"devices", cmd_devices, "Lists devices",
     "DEVICES [-b]\n"
     "  TYPE  R root, B bus, D device;  #P parents, #D drivers, #C children\n"},
    {"devtree", cmd_devtree, "Shows the tree of devices", "DEVTREE [-b] [HANDLE]\n"},
    {"dh", cmd_dh, "Shows handles and their protocols",
     "DH [-b] [-v] [-p PROTOCOL] [HANDLE]\n"
     "  -p  handles with this protocol, by its name or GUID; see guid\n"
     "  -v  everything about each\n"
     "  Shell> dh -p BlkIo\n"},
    {"disconnect", cmd_disconnect, "Disconnects drivers from devices",
     "DISCONNECT DEVICE [DRIVER [CHILD]]\nDISCONNECT -r\n  -r  all devices\n"},
    {"dmpstore", cmd_dmpstore, "Shows the variables in NVRAM",
     "DMPSTORE [-b] [-d] [VARIABLE]\n"
     "  -d  deletes them\n"
     "Wildcards are allowed in names.\n  Shell> dmpstore Boot*\n"},
    {"drivers", cmd_drivers, "Lists drivers", "DRIVERS [-b]\n"},
    {"echo", cmd_echo, "Shows a text, or turns echoing of script lines on or off",
     "ECHO [TEXT...]\nECHO -on | -off\n"
     "  Shell> echo %path% > fs0:\\path.txt\n"},
    {"err", cmd_err, "Shows or sets the error level", "ERR [LEVEL]\n"},
    {"exit", cmd_exit, "Leaves the shell",
     "EXIT [/b] [STATUS]\n"
     "  /b  leaves the script only\n"
     "The boot manager comes back.\n"},
    {"for", cmd_script_only, "Repeats commands in a script",
     "FOR %i IN WORD...\n  COMMAND...\nENDFOR\n"
     "FOR %i RUN (FIRST LAST [STEP])\n  COMMAND...\nENDFOR\n"
     "Words with wildcards stand for the files they match.\n"},
    {"goto", cmd_script_only, "Goes on at another line of a script",
     "GOTO LABEL\nThe label is a line of its own, with a colon in front.\n"},
    {"guid", cmd_guid, "Lists GUIDs of protocols", "GUID [-b]\n"},
    {"help", cmd_help, "Shows what commands there are, and how they are used",
     "HELP [-b] [COMMAND]\nWildcards are allowed in the name.\n"
     "Every line: ^ takes the next character as it is, \"...\" keeps blanks, # begins a\n"
     "comment, %name% is a variable, > and >> send the output to a file (>a and >>a as\n"
     "ASCII), -b shows it page by page. Up and down bring earlier lines back, Tab\n"
     "completes names of files, Ctrl-C stops.\n"},
    {"hexdump", cmd_hexdump, "Shows files as hexadecimal numbers", "HEXDUMP [-b] FILE...\n"},
    {"history", cmd_history, "Shows the lines that were typed", "HISTORY [-b]\n"},
    {"if", cmd_script_only, "Makes commands of a script depend on a condition",
     "IF [NOT] EXIST FILE THEN\n  COMMAND...\n[ELSE\n  COMMAND...]\nENDIF\n"
     "IF [NOT] TEXT1 == TEXT2 THEN ...\n"
     "Put variables that may be empty in quotes: if \"%1\" == \"\" then\n"},
    {"load", cmd_load, "Loads drivers",
     "LOAD [-nc] FILE...\n"
     "  -nc  does not connect devices to them\n"},
    {"ls", cmd_ls, "Lists files",
     "LS [-b] [-r] [-a[adhrs]] [FILE...]\n"
     "  -r  directories in directories, too\n"
     "  -a  hidden and system files, too; with letters only files that have these\n"
     "      attributes (a archive, d directory, h hidden, r read-only, s system)\n"
     "  fs0:\\> ls -r efi\n"},
    {"map", cmd_map, "Shows or changes the mapping table",
     "MAP [-r] [-v] [NAME]\n"
     "MAP NAME HANDLE | MAPPING\nMAP -d NAME\n"
     "  -r  looks for devices and media again, default names\n"
     "  -v  with sizes and file systems\n"
     "fsN are volumes with a file system, blkN all block devices.\n"
     "  Shell> map boot fs0:\n  Shell> map -d boot\n"},
    {"mem", cmd_mem, "Shows memory",
     "MEM [-b] [ADDRESS [SIZE]] [-MMIO]\n"
     "Numbers are hexadecimal. -MMIO reads devices, byte by byte.\n"
     "Without ADDRESS: the EFI system table.\n"},
    {"memmap", cmd_memmap, "Shows the memory map", "MEMMAP [-b]\n"},
    {"mkdir", cmd_mkdir, "Makes directories", "MKDIR DIRECTORY...\n"},
    {"mm", cmd_mm, "Shows or changes memory, I/O ports, PCI registers",
     "MM ADDRESS [VALUE] [-w 1|2|4|8] [-MEM|-MMIO|-IO|-PCI|-PCIE] [-n]\n"
     "  -n  shows the value and ends; otherwise new values can be typed, address by\n"
     "      address: Enter keeps, q ends\n"
     "  -PCI   address 0x000000ssbbddffrr: segment, bus, device, function, register\n"
     "  -PCIE  address 0x00000ssbbddffrrr\n"
     "  Shell> mm 0000000000 -PCI -w 4 -n\n"},
    {"mode", cmd_mode, "Shows the console's modes", "MODE [COLUMNS ROWS]\n"},
    {"mv", cmd_mv, "Moves or renames files and directories",
     "MV SOURCE... [TARGET]\n"
     "Within one volume. Several sources need a directory as target.\n"},
    {"openinfo", cmd_openinfo, "Shows who uses a handle's protocols", "OPENINFO [-b] HANDLE\n"},
    {"pause", cmd_pause, "Waits for a key",
     "PAUSE [-q]\n  -q  says nothing\n"
     "q ends the script.\n"},
    {"pci", cmd_pci, "Shows PCI devices and their registers",
     "PCI [-b] [BUS DEVICE [FUNCTION]] [-i]\n  -i  explains the registers\n"
     "Numbers are hexadecimal.\n"},
    {"reconnect", cmd_reconnect, "Disconnects and connects drivers again",
     "RECONNECT DEVICE [DRIVER [CHILD]]\nRECONNECT -r\n  -r  all devices\n"},
    {"reset", cmd_reset, "Resets the machine",
     "RESET [-w | -s]\n"
     "  -w  warm reset\n  -s  turns the machine off\n"},
    {"rm", cmd_rm, "Deletes files and directories",
     "RM [-q] FILE...\n"
     "  -q  does not ask before deleting a directory with what is in it\n"},
    {"set", cmd_set, "Shows or changes variables of the shell",
     "SET [-v] [NAME [VALUE...]]\n"
     "SET -d NAME\n"
     "  -v  gone after a reset; others are kept in NVRAM\n"
     "  -d  deletes the variable\n"
     "%name% in a command line is the variable's value; %lasterror% is the status of\n"
     "the last command. path has the directories, divided by semicolons, where\n"
     "programs are looked for.\n"
     "  Shell> set os fs0:\\efi\\hpux\\hpux.efi\n  Shell> %os% boot vmunix\n"},
    {"shift", cmd_script_only, "Moves a script's arguments one place to the left", "SHIFT\n"},
    {"smbiosview", cmd_smbiosview, "Shows the SMBIOS tables", "SMBIOSVIEW [-b] [-t TYPE]\n"},
    {"stall", cmd_stall, "Waits", "STALL MICROSECONDS\n"},
    {"time", cmd_time, "Shows or sets the time", "TIME [hh:mm[:ss]]\n"},
    {"touch", cmd_touch, "Sets the time of files to now",
     "TOUCH FILE...\n"
     "A file that is not there is made.\n"},
    {"type", cmd_type, "Shows files as text",
     "TYPE [-a | -u] [-b] FILE...\n"
     "  -a  as ASCII\n  -u  as UCS-2, even without a mark\n"},
    {"unload", cmd_unload, "Unloads a driver", "UNLOAD HANDLE\n"},
    {"ver", cmd_ver, "Shows versions", "VER\n"},
    {"vol", cmd_vol, "Shows or sets the name of a volume",
     "VOL [VOLUME] [-n NAME | -d]\n"
     "  -n  gives it a name of at most 11 characters\n  -d  takes it away\n"},
};
const unsigned shell_command_count = G_N_ELEMENTS(shell_commands);

static const struct shell_command *find(const char *name)
{
    for (unsigned i = 0; i < shell_command_count; i++)
        if (g_ascii_strcasecmp(shell_commands[i].name, name) == 0)
            return &shell_commands[i];
    return NULL;
}

const struct shell_command *shell_command(const char *name)
{
    const struct shell_command *c = find(name);

    for (unsigned i = 0; i < shell_synonym_count && !c; i++)
        if (g_ascii_strcasecmp(shell_synonyms[i][0], name) == 0)
            c = find(shell_synonyms[i][1]);
    return c;
}

static void explain(struct shell *s, const struct shell_command *c)
{
    shell_print(s, "%s.\n\n%s", c->summary, c->help);
    for (unsigned i = 0; i < shell_synonym_count; i++)
        if (strcmp(shell_synonyms[i][1], c->name) == 0)
            shell_print(s, "'%s' is the same.\n", shell_synonyms[i][0]);
}

uint64_t cmd_help(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 1);
    const struct shell_command *c = w->count == 2 ? shell_command(w->word[1]) : NULL;
    unsigned n = 0;

    if (status != EFI_SUCCESS)
        return status;
    if (c) {
        explain(s, c);
        return EFI_SUCCESS;
    }
    for (unsigned i = 0; i < shell_command_count; i++)
        if (w->count == 1 || shell_match(w->word[1], shell_commands[i].name)) {
            shell_print(s, "%-11s - %s\n", shell_commands[i].name, shell_commands[i].summary);
            n++;
        }
    if (!n)
        return shell_fail(s, EFI_NOT_FOUND, "there is no command %s", w->word[1]);
    if (w->count == 1)
        shell_puts(s, "'help COMMAND' tells more, 'help -b' pages; see also 'help help'.\n");
    return EFI_SUCCESS;
}
