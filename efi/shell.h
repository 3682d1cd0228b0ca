/* The EFI Shell built into the firmware. Private to efi/. */
#ifndef KITTSON_EFI_SHELL_H
#define KITTSON_EFI_SHELL_H

struct boot;

#define SHELL_NAME "EFI Shell [Built-in]"

/* Begins the shell as a task_part of the task on top, as image_start() does with a program: when
 * the shell is left, that task's step gets the status. */
void efi_shell_run(struct boot *b);

#endif
