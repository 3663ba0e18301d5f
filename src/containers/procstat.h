/* When a process began: what tells it from a later one of the same number. */
#ifndef CONTAINERS_PROCSTAT_H
#define CONTAINERS_PROCSTAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In clock ticks since boot; 0: there is no such process (or it is a zombie). */
uint64_t procstat_start(pid_t pid);
/* Whether sending it this signal has any effect: it is caught or waited for. The kernel drops signals
 * with default action that are sent to the first process of a PID namespace. */
bool procstat_handles(pid_t pid, int signo);

#endif
