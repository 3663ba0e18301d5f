/* The local socket, as configuration has it (libnetconf2-netconf-server): who may connect, and as whom. */
#ifndef ASHLAR_LOCAL_H
#define ASHLAR_LOCAL_H

#include <stdint.h>
#include <sys/types.h>

#include "ashlar/object.h"

/* An account of the system is a user of another name; NULL: nobody. */
struct local_mapping {
	char *account, *user;
};

struct local {
	struct object object; /* key: "" */
	mode_t mode;
	char *owner, *group; /* names; NULL: ours */
	uint32_t idle_s;     /* 0: never */
	struct local_mapping *mappings;
	size_t mapping_count;
};
extern const struct object_kind object_kind_local;

/* Both are copied. */
void local_add_mapping(struct local *local, const char *account, const char *user);
/*
 * Who makes it so, from now on; local_get() says what was before. @local NULL: as it is by default. -errno: it
 * cannot be, and what was before still holds. NULL: nobody any more.
 */
void local_use(int (*set)(const struct local *local, struct err *err));
/* NULL: configuration says nothing. */
const struct local *local_get(void);

#endif
