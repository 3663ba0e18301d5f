/*
 * What SSH and TLS are spoken with here, the preferred first, by the names of IANA: nothing whose steps a
 * stranger could have us stall with, nothing without forward secrecy. Each ends with NULL.
 */
#ifndef ASHLAR_ALGORITHM_H
#define ASHLAR_ALGORITHM_H

#include <stdbool.h>

enum algorithm_use {
	ALGORITHM_HOST_KEY,
	ALGORITHM_KEX,
	ALGORITHM_CIPHER,
	ALGORITHM_MAC,
	ALGORITHM_SUITE, /* of TLS */
	ALGORITHM_USES,
};

extern const char *const *const algorithm_supported[ALGORITHM_USES];

bool algorithm_is_supported(enum algorithm_use use, const char *name);
/* "a,b,c"; malloc'd. */
char *algorithm_list(enum algorithm_use use);

#endif
