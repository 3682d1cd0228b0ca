/* What a switch is asked and told on its control socket (mode 0600).
 *
 * The switch begins with "hpvmnetd 1" on a line. A request is one line of at most CONTROL_LINE
 * bytes; the answer is any number of lines that begin with "+" and then "ok" or "error SENTENCE".
 * Fields are KEY=VALUE between blanks; blanks, '%' and what is not printable in a value are %XX.
 *
 *   status                      +switch name= pid= state=Up uplink= ports= addresses=
 *                               CYCLES COUNTERS
 *                               +port number= state= vlan= guest= mac= reserved= capture= COUNTERS
 *                               for each port that has something to list; number=uplink for the
 *                               uplink. Number of guests' ports: lines with state Active or Down
 *   clear                       counters start from 0
 *   port N vlan ID|none         N: 1 to 100
 *   port N up|down
 *   port N reserve COUNT        how many guests have the port in their configuration
 *   hostfwd add SPEC            as in user,hostfwd=SPEC
 *   hostfwd remove tcp|udp:[ADDR]:PORT
 *   hostfwd list                +hostfwd SPEC
 *   pcap start N|uplink         the file's descriptor comes with the line (SCM_RIGHTS)
 *   pcap stop N|uplink
 *   shutdown                    answers, then the switch ends
 *
 * COUNTERS: in= in_bytes= out= out_bytes= broadcasts= dropped= and drop_REASON= for each reason;
 * "in" is from the guest or the outside, "out" to it. CYCLES: cycles_in= for a frame on average
 * since the counters were cleared, of which cycles_uplink= and cycles_guests= for handing it on and
 * cycles_switch= for the rest. This part is without sockets.
 */
#ifndef KITTSON_VSWITCH_CONTROL_H
#define KITTSON_VSWITCH_CONTROL_H

#include "daemon.h"
#include "switch_ask.h" /* CONTROL_LINE, CONTROL_VERSION */

/* Obeys one line (without its end) and appends the answer. fd: the descriptor that came with it or
 * -1; it is taken over. */
void control_request(struct daemon *d, const char *line, int fd, GString *out);

#endif
