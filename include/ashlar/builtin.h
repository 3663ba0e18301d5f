/*
 * The device's own keys (built-in keys of RFC 9642 section 3): what its servers are known by as long as
 * configuration names no other. They lie in the key directory, are made at the first start, and are never
 * overwritten: clients know the device by them.
 */
#ifndef ASHLAR_BUILTIN_H
#define ASHLAR_BUILTIN_H

#include "ashlar/key.h"

enum builtin_use {
	BUILTIN_SSH, /* ed25519 */
	BUILTIN_TLS, /* P-256, with a certificate that it has signed itself */
};
#define BUILTIN_USES (BUILTIN_TLS + 1)

struct builtin {
	const char *name; /* in the keystore, as it is shown */
	struct key *key;
	enum key_public_format public_format;
	struct secret public;
	char *cert;	   /* PEM text; NULL: none */
	struct secret der; /* its first */
	char *digests[2];  /* credential_digest() of the public half as SSH and as X.509 write it */
	bool is_new;	   /* made by this process */
};

void builtin_init(const char *key_dir);
void builtin_done(void);
/* It is made if it is missing. A file that cannot be read is an error, and stays. */
int builtin_load(
	enum builtin_use use, const struct builtin **ret_builtin, struct err *err) WARN_UNUSED;
/* NULL: it is not there, or cannot be read. */
const struct builtin *builtin_seen(enum builtin_use use);
/* By the digest of its public half; NULL. */
const struct builtin *builtin_find(const char *digest);

#endif
