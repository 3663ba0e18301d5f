/* What the files of this folder tell the search for link-local addresses. */
#ifndef ASHLAR_KERNEL_LINK_LOCAL_H
#define ASHLAR_KERNEL_LINK_LOCAL_H

#include "kernel-private.h"

/* The link is as observed now: it may have a carrier, or none any more. */
void link_local_link_seen(const struct link *link);
/* One of the addresses of the link that bear KERNEL_PROTOCOL_LINK_LOCAL was removed. */
void link_local_address_gone(const char *link, struct in_addr addr);
/* The link is gone. */
void link_local_forget(const char *link);
void link_local_done(void);

#endif
