#!/bin/sh
# Row F325 of the hpvm checklist: HP-UX installed from DVD or over the network (Ignite-UX, --switch),
# and F330: started from the EFI shell. See lib.sh; --help says how it is used.
system=hpux
steps='From DVD:
1. Boot Option Maintenance Menu, Add a Boot Option, Removable Media Boot; Save Settings to NVRAM;
   Exit; choose the new option in the boot manager.
Over the network (--switch, a server with Ignite-UX on it):
1. The same with Load File [.../Mac(...)] instead of Removable Media.
2. Install HP-UX; in the user interface take the disk 0/0/0.0.0. The guest restarts from it.
3. Should the EFI shell come instead, start it by hand:
       fs0:
       hpux
4. Log in, shutdown -hy 0, and leave with Ctrl-B, X.
Take the disc away afterwards: hpvmmodify -P NAME -d dvd:scsi:0,0,1'
milestones='F325;HPUX;the loader of HP-UX spoke
F325;\(C\) Copyright.*Hewlett-Packard Development;its banner
F325;Install HP-UX;the installer menu
F325;Ignite-UX;or Ignite-UX
F325;swinstall;software was installed
F330;Shell>.*fs0:;the EFI shell was used
F330;Booting.*vmunix;the kernel was loaded
F325;Console Login:;the installed system asks for a name'
. "$(dirname "$0")/lib.sh"
try_medium "$@"
