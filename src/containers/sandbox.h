/* What the process that unpacks images gives up before it reads a stranger's bytes. */
#ifndef CONTAINERS_SANDBOX_H
#define CONTAINERS_SANDBOX_H

#include <sys/types.h>

#include "ashlar/err.h"
#include "ashlar/mem.h"

/*
 * For the parent: mount, network, IPC and host name spaces of its own. Mounts made from then on are
 * seen by nobody else.
 */
int sandbox_prepare(struct err *err) WARN_UNUSED;
/* fork(2) into a PID namespace of its own, where the child sees no other process. */
pid_t sandbox_fork(void);
/*
 * For the child, without way back: @dir becomes its root directory; left are the capabilities to give
 * files owners, modes and capabilities; system calls that are of no use for files are refused.
 */
int sandbox_enter(const char *dir, struct err *err) WARN_UNUSED;

#endif
