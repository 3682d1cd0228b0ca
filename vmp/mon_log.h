/* common/hpvm_mon_log: what the processes of all guests say, one line each with time and guest.
 * When it would grow beyond VMMLOGSIZE (KB, of hpvmconf; 1024, at most 102400) it is set aside as
 * hpvm_mon_log.TIME and a new one begun; MON_LOG_KEPT of those are kept. hpvmconf is read each
 * time, so that nobody has to be told of a change. Specification: hpvm.md sections 3.1 and 20.
 */
#ifndef KITTSON_VMP_MON_LOG_H
#define KITTSON_VMP_MON_LOG_H

#define MON_LOG_KEPT 8

/* common: a descriptor of that directory. A log that cannot be written costs lines, nothing else.
 */
void mon_log_line(int common, const char *guest, const char *text);

#endif
