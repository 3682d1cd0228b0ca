/* The inside of the EFI shell: what its files share. Private to efi/shell*.c.
 *
 * The shell is one task (shell.c). A command is a function that runs to its end; what takes long
 * or has to wait for a key, a moment or guest code becomes a job, whose step function is called
 * until it says that it is done. Output is collected and shown after each step, so that it can be
 * paged, or goes to the file of a redirection in the end.
 *
 * Paths are UTF-8 strings "fs0:\dir\file", see shell_path.c. The shell holds no file open while
 * guest code runs, as the volumes go when a program ends boot services.
 */
#ifndef KITTSON_EFI_SHELL_PRIV_H
#define KITTSON_EFI_SHELL_PRIV_H

#include "drive.h"
#include "shell.h"
#include "shell_line.h"
#include "shell_parse.h"
#include "shell_script.h"
#include "shell_text.h"

#define SHELL_SCRIPTS_MAX 16          /* scripts that call scripts */
#define SHELL_OUTPUT_MAX  (16u << 20) /* bytes of a redirection */
#define SHELL_ENTRIES_MAX 65536u      /* files that one command works on */
#define SHELL_DIRS_MAX    64          /* directories inside directories */
#define SHELL_CHUNK       (1u << 20)  /* of a file at a time */

struct shell;

/* --- jobs --- */

enum job_wait {
    JOB_DONE,  /* s->status has the result */
    JOB_AGAIN, /* at once, after what was printed is shown */
    JOB_KEY,   /* a key, in job.key */
    JOB_LINE,  /* a line, asked for with job.prompt, in job.line */
    JOB_UNTIL, /* the moment job.until */
    JOB_GUEST, /* job.guest is called, which begins a task_part; its result is in job.result */
};

struct shell_job {
    enum job_wait (*step)(struct shell *s);
    void *data;
    void (*free)(struct shell *s, void *data);
    struct key key;
    char *line;
    const char *prompt;
    uint64_t until, result;
    void (*guest)(struct shell *s);
};

/* --- the shell --- */

struct shell_map {
    char *name;
    struct blk_device *device;
    char *directory; /* "\" or "\a\b" */
    bool user;       /* made by the map command */
};

struct shell_level {
    struct script *script;
    bool echo;
};

struct shell {
    struct boot *b;
    struct task *task;
    unsigned state;
    uint64_t status; /* of the command, and %lasterror% */
    bool leave;
    uint64_t deadline; /* of startup.nsh's count-down */
    unsigned shown;
    GPtrArray *maps; /* struct shell_map */
    struct shell_map *current;
    struct line_editor *editor;
    struct shell_level script[SHELL_SCRIPTS_MAX];
    unsigned scripts;
    struct shell_job job;
    /* shell_output.c */
    GString *out;
    size_t out_at;
    bool paging, muted, redirected;
    unsigned rows;
    struct shell_words *words; /* of the command that runs */
    uint32_t error_level;
};

/* A command. words[0] is its own name. The result is shown when it is an error. */
typedef uint64_t shell_function(struct shell *s, struct shell_words *w);

struct shell_command {
    const char *name;
    shell_function *run;
    const char *summary;
    const char *help; /* usage, options, examples */
};

/* The command of a name, without case; NULL. */
const struct shell_command *shell_command(const char *name);
extern const struct shell_command shell_commands[];
extern const unsigned shell_command_count;
extern const char *const shell_synonyms[][2];
extern const unsigned shell_synonym_count;

/* Begins a job; the command returns EFI_SUCCESS. data belongs to it. */
void shell_begin(struct shell *s, enum job_wait (*step)(struct shell *s), void *data,
                 void (*free)(struct shell *s, void *data));
/* Runs a script; the text is taken over. */
uint64_t shell_run_script(struct shell *s, char *text, const struct shell_words *w);
/* %name%: of the shell, the script or the environment. g_free. */
char *shell_variable(void *shell, const char *name);

/* --- shell_output.c --- */

void shell_print(struct shell *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void shell_puts(struct shell *s, const char *text);
/* Sixteen bytes a line, with their addresses. */
void shell_dump(struct shell *s, uint64_t address, const uint8_t *data, size_t size);
/* "NAME: TEXT - Status", and returns the status. */
uint64_t shell_fail(struct shell *s, uint64_t status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Shows what was printed; false: a page is full, and a key has to be waited for. */
bool shell_flush(struct shell *s);
/* A key at the end of a page; false: the rest is not wanted. */
bool shell_page_key(struct shell *s, struct key key);
/* Before and after a command. The end writes the file of a redirection. */
uint64_t shell_output_begin(struct shell *s, const struct shell_words *w);
uint64_t shell_output_end(struct shell *s, const struct shell_words *w);
/* What programs print while the output is redirected. */
void shell_divert(struct shell *s, bool on);

/* --- options of commands --- */

/* Removes the option when it is there, without case. */
bool shell_option(struct shell_words *w, const char *option);
/* Removes the option and the word after it, which is the answer (g_free), or NULL. */
char *shell_option_value(struct shell_words *w, const char *option);
/* EFI_INVALID_PARAMETER, with a message, when an option is left or there are not min to max words
 * besides the command's name. Takes -b, which pages, away. */
uint64_t shell_check(struct shell *s, struct shell_words *w, unsigned min, unsigned max);

/* --- shell_map.c --- */

void shell_map_reset(struct shell *s);
void shell_map_done(struct shell *s);
/* "fs0" or "fs0:" of n bytes. */
struct shell_map *shell_map_find(struct shell *s, const char *name, size_t n);
void shell_map_show(struct shell *s, const char *pattern, bool verbose);
/* Changes the current volume; the name ends with a colon. */
uint64_t shell_map_enter(struct shell *s, const char *name);
void shell_prompt(struct shell *s, GString *out);
shell_function cmd_map, cmd_cd;

/* --- shell_path.c --- */

struct shell_path {
    struct shell_map *map;
    char
        *path; /* absolute, backslashes, no "." and "..", no backslash at the end but of the root */
};

/* EFI_NO_MAPPING or EFI_INVALID_PARAMETER. */
uint64_t shell_resolve(struct shell *s, const char *text, struct shell_path *out);
void shell_path_clear(struct shell_path *p);
/* "fs0:\a\b"; g_free. */
char *shell_path_text(const struct shell_path *p);
/* A path inside a directory; g_free. */
char *shell_join(const char *directory, const char *name);
/* Its last part. */
const char *shell_base(const char *path);

uint64_t shell_open(struct shell_path *p, unsigned mode, uint32_t attributes, struct fs_file **out);
uint64_t shell_info(struct shell_path *p, struct fs_info *info);
/* A whole file; EFI_OUT_OF_RESOURCES when it is larger than max. */
uint64_t shell_read_file(struct shell *s, const char *path, size_t max, uint8_t **data,
                         size_t *size);
/* Entries of an open directory, "." and ".." left out: 1, 0, or a negative errno. */
int shell_next_entry(struct fs_file *dir, struct fs_info *info);
/* Files (strings as shell_path_text gives them) that a word means; the status is of an error, or
 * EFI_NOT_FOUND when nothing matches. A word without wildcards need not exist. */
uint64_t shell_files(struct shell *s, const char *word, GPtrArray *out);
/* The words from `first` on, wildcards of words that were not quoted expanded. */
uint64_t shell_word_files(struct shell *s, const struct shell_words *w, unsigned first,
                          GPtrArray *out);
/* The files in a tree, a directory before (or after) what is in it; itself included. */
uint64_t shell_tree(struct shell *s, const char *path, bool after, GPtrArray *out);

/* --- the other commands' files --- */

/* The environment, shell_env.c. */
char *shell_env_get(struct shell *s, const char *name);
void shell_env_set_volatile(struct shell *s, const char *name, const char *value);
char *shell_alias(struct shell *s, const char *name);

/* Programs, shell_run.c. EFI_NOT_FOUND when there is neither program nor script. */
uint64_t shell_run_program(struct shell *s, struct shell_words *w);
/* The file a command name means, or NULL; g_free. */
char *shell_find_program(struct shell *s, const char *name);

/* Handles by their numbers, shell_handles.c. 0: no such handle. */
uint64_t shell_handle(struct shell *s, const char *number);
/* A name for a protocol, or its GUID, in a buffer of the caller's. */
const char *shell_guid_name(const uint8_t guid[16], char buffer[40]);

shell_function cmd_alias, cmd_attrib, cmd_bcfg, cmd_cls, cmd_comp, cmd_connect, cmd_cp, cmd_date,
    cmd_dblk, cmd_devices, cmd_devtree, cmd_dh, cmd_disconnect, cmd_dmpstore, cmd_drivers, cmd_echo,
    cmd_edit, cmd_err, cmd_exit, cmd_guid, cmd_help, cmd_hexdump, cmd_history, cmd_load, cmd_ls,
    cmd_mem, cmd_memmap, cmd_mkdir, cmd_mm, cmd_mode, cmd_mv, cmd_openinfo, cmd_pause, cmd_pci,
    cmd_reconnect, cmd_reset, cmd_rm, cmd_script_only, cmd_set, cmd_smbiosview, cmd_stall, cmd_time,
    cmd_touch, cmd_type, cmd_unload, cmd_ver, cmd_vol;

#endif
