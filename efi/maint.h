/* The boot maintenance manager: boot from a file, boot options, console devices, reset. Private to
 * efi/. It draws its screens and changes variables; starting programs is the boot manager's.
 */
#ifndef KITTSON_EFI_MAINT_H
#define KITTSON_EFI_MAINT_H

#include "bootopt.h"

struct maint;

enum maint_event {
    MAINT_STAY,
    MAINT_LEAVE, /* back to the boot manager */
    MAINT_START, /* maint_chosen() is to be started */
};

/* Shows the main menu. */
struct maint *maint_new(struct boot *b);
void maint_free(struct maint *m);
enum maint_event maint_key(struct maint *m, const struct key *key);
/* The caller's from now on. */
struct bootopt *maint_chosen(struct maint *m);

/* Sets the console variables ConOut, ConIn and ErrOut where they are missing, and ConOutDev,
 * ConInDev and ErrOutDev, which name the devices there are. */
void maint_console_variables(struct boot *b);

#endif
