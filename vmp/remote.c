/* See remote.h. Keys only, as the manual has it: nobody is asked for a password, and no host is
 * believed by its name. */
#include "remote.h"
#include "vmp.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const options[] = {
    "-T", "-x",
    "-o", "BatchMode=yes",
    "-o", "PreferredAuthentications=publickey",
    "-o", "ConnectTimeout=30",
    "-o", "ServerAliveInterval=15", /* a host that went away is noticed after a minute */
    "-o", "ServerAliveCountMax=4",
    "--",
};

/* The same path there as here: hosts are set up alike. */
static char *receiver(const char *program)
{
    g_autofree char *path = vmp_setting("HPVM_REMOTE");
    if (path == NULL)
        path = strchr(program, '/') != NULL ? g_canonicalize_filename(program, NULL)
                                            : g_find_program_in_path(program);
    g_autofree char *quoted = g_shell_quote(path != NULL ? path : program);
    return g_strdup_printf("%s --receive", quoted);
}

bool remote_start(struct remote *r, const char *host, const char *program)
{
    g_autofree char *ssh = vmp_setting("HPVM_SSH");
    g_auto(GStrv) words = NULL;
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
    bool started = g_shell_parse_argv(ssh != NULL ? ssh : "ssh", NULL, &words, NULL);
    for (guint i = 0; started && words[i] != NULL; i++)
        g_ptr_array_add(argv, g_strdup(words[i]));
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        g_ptr_array_add(argv, g_strdup(options[i]));
    g_ptr_array_add(argv, g_strdup(host));
    g_ptr_array_add(argv, receiver(program));
    g_ptr_array_add(argv, NULL);
    r->to = r->from = -1;
    started =
        started && g_spawn_async_with_pipes(NULL, (char **)argv->pdata, NULL,
                                            G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                                            NULL, &r->pid, &r->to, &r->from, NULL, NULL);
    g_ptr_array_free(argv, TRUE);
    return started;
}

/* ssh ends when the program there does; one that does not is not waited for long. */
static int wait_for(pid_t pid)
{
    enum { TRIES = 1000, PAUSE_US = 10000 };
    int status = 0;
    for (int i = 0; i < TRIES; i++) {
        pid_t done = waitpid(pid, &status, WNOHANG);
        if (done == pid || (done < 0 && errno != EINTR))
            return done == pid ? status : -1;
        g_usleep(PAUSE_US);
    }
    kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

enum remote_end remote_end(struct remote *r)
{
    enum { SSH_FAILED = 255 };
    close(r->to);
    close(r->from);
    int status = wait_for(r->pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return REMOTE_OK;
    return WIFEXITED(status) && WEXITSTATUS(status) == SSH_FAILED ? REMOTE_NO_SSH : REMOTE_FAILED;
}
