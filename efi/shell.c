/* See shell.h. The commands are not there: the shell says so and ends. */
#include "shell.h"

#include "boot.h"

static void step(struct boot *b, struct task *t, uint64_t status)
{
    task_done(b, t, status);
}

void efi_shell_run(struct boot *b)
{
    struct task *t = task_part(b, step);

    console_puts(b, "This firmware has no shell.\r\n");
    task_done(b, t, EFI_UNSUPPORTED);
}
