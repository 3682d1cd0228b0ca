/* See console_right.h. */
#define _GNU_SOURCE
#include "console_right.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "text.h"

#define NO_LOGIN UINT32_MAX

static bool in_group(const char *user, gid_t gid, const char *name)
{
    struct group *g = getgrnam(name);
    if (g == NULL)
        return false;
    if (g->gr_gid == gid)
        return true;
    for (char **m = g->gr_mem; *m != NULL; m++)
        if (strcmp(*m, user) == 0)
            return true;
    return false;
}

enum console_right console_right(const struct guest *g, uid_t uid, gid_t gid, uid_t owner)
{
    enum console_right right = CONSOLE_NONE;
    if (uid == 0 || uid == owner)
        return CONSOLE_ADMIN;
    const struct passwd *p = getpwuid(uid);
    if (p == NULL)
        return CONSOLE_NONE;
    g_autofree char *user = g_strdup(p->pw_name);
    for (guint i = 0; i < g->grants->len; i++) {
        const struct grant *grant = guest_grant(g, i);
        bool fits =
            grant->group ? in_group(user, gid, grant->name) : strcmp(grant->name, user) == 0;
        if (fits && grant->admin)
            return CONSOLE_ADMIN;
        if (fits)
            right = CONSOLE_OPERATOR;
    }
    return right;
}

/* The account a process has come from by logging in; NO_LOGIN: by none, or that cannot be seen. */
static uid_t login_account(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/loginuid", (int)pid);
    g_autofree char *text = NULL;
    uint64_t uid;
    if (!g_file_get_contents(path, &text, NULL, NULL) ||
        text_parse_number(g_strchomp(text), 0, NO_LOGIN, &uid) != 0)
        return NO_LOGIN;
    return (uid_t)uid;
}

enum console_right console_peer(const struct guest *g, int fd, uid_t owner, char *who, size_t size)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    g_strlcpy(who, "nobody", size);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return CONSOLE_NONE;
    const struct passwd *p = getpwuid(peer.uid);
    if (p != NULL)
        g_strlcpy(who, p->pw_name, size);
    else
        snprintf(who, size, "user %u", (unsigned)peer.uid);
    enum console_right right = console_right(g, peer.uid, peer.gid, owner);
    uid_t login = login_account(peer.pid);
    if (login == NO_LOGIN || login == peer.uid || peer.uid == 0 || peer.uid == owner)
        return right;
    p = getpwuid(login);
    return p == NULL ? CONSOLE_NONE : MIN(right, console_right(g, login, p->pw_gid, owner));
}
