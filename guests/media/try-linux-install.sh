#!/bin/sh
# Row F328 of the hpvm checklist: Linux installed from its medium with console=ttyS0. See lib.sh;
# --help says how it is used.
system=linux
steps='1. The boot manager starts the medium by itself; else choose it in its menu, or in the EFI shell:
       fs0:
       bootia64
2. At "ELILO boot:" (or in GRUB by the key e) give the kernel console=ttyS0, for example
       linux console=ttyS0
   Without it the installer says nothing here: Ctrl-B and RS begin again.
3. Install onto the disk (sda). At the end the guest restarts from it.
4. Log in, switch it off (poweroff), and leave with Ctrl-B, X.
Further discs: Ctrl-B, then EJ and IN, or all of them as drives at once (hpvmmodify -a dvd:...).'
milestones='F328;ELILO;the boot loader of the medium or of the disk
F328;GRUB;or this one
F328;Linux version;the kernel speaks on the serial console
F328;console=ttyS0;its command line
F328;Installer;an installer speaks there
F328;login:;the installed system asks for a name
F328;Power down;it was switched off'
. "$(dirname "$0")/lib.sh"
try_medium "$@"
