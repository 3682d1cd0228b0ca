#!/bin/sh
# Rows F326 and F327 of the hpvm checklist: Windows Server 2003 for Itanium installed with the special
# administration console (SAC), its keys and channels. See lib.sh; --help says how it is used.
system=windows
steps='1. In the EFI shell:
       fs0:
       setupldr
2. Setup speaks through this console. F8 is typed as Esc 8. When the SAC prompt appears,
       ch              lists the channels
       Esc Tab         goes to the next one (Esc Tab 0 back to SAC)
   and Setup is in one of them. The guest restarts several times through the boot manager.
3. Product key and administrator password are asked for in Setup.
4. In SAC: i shows the IP address; shutdown ends Windows. Leave with Ctrl-B, X.'
milestones='F326;[Ss]etupldr;the loader of the medium was started
F326;Windows (Server|Setup);Setup speaks
F326;SAC>;the special administration console
F327;F8;Setup asked for F8 (Esc 8)
F327;Channel;its channels were used (Esc Tab)
F326;CMD command is (now )?available;the system answers in SAC
F326;shutting down;it was shut down'
. "$(dirname "$0")/lib.sh"
try_medium "$@"
