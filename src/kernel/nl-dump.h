/* A dump on a socket of its own, taken message by message: however long it is, nothing of it is kept. */
#ifndef ASHLAR_KERNEL_NL_DUMP_H
#define ASHLAR_KERNEL_NL_DUMP_H

#include "nl.h"

struct nl_dump;

/*
 * Asks in the daemon's own namespace; NLM_F_DUMP is added to @request, which is as for nl_request(). Several
 * may be under way, also in a forked child.
 */
int nl_dump_new(struct nlmsghdr *request, struct nl_dump **ret_dump, struct err *err) WARN_UNUSED;
/*
 * 1: *ret_nlh is the next message, borrowed until the next call; NULL: what the kernel has put together is
 * used up, and the next call has it put together more, some hundred messages. 0: that was all; -errno.
 */
int nl_dump_next(struct nl_dump *dump, const struct nlmsghdr **ret_nlh) WARN_UNUSED;
void nl_dump_free(struct nl_dump *dump);

#endif
