/*
 * Who is it? Passwords and public keys against the users of ietf-system in running. Hashing is done by
 * a standing worker process, one at a time; an unknown user costs the same as a known one.
 */
#ifndef ASHLAR_SERVER_AUTH_H
#define ASHLAR_SERVER_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/err.h"

enum auth_result {
	AUTH_OK,
	AUTH_DENIED,
	AUTH_BUSY, /* too many waiting, or this source must wait after failures: try later */
};

struct auth_request;

/* Starts the worker process; before anything large is allocated. */
int auth_prepare(struct err *err) WARN_UNUSED;
void auth_done(void);
/*
 * Checks a password. @source (peer address without port) is held back after failures. Calls @done from
 * the loop, unless auth_cancel() comes first; a result known at once (cached success) is returned in
 * *ret_result with the return value NULL, and done() is not called.
 */
struct auth_request *auth_password(const char *user, const char *password, const char *source,
	void (*done)(enum auth_result result, void *arg), void *arg, enum auth_result *ret_result);
void auth_cancel(struct auth_request *request);
/* Is this key (algorithm name, base64 blob) one of the user's authorized keys? */
bool auth_public_key(const char *user, const char *algorithm, const char *blob_base64);

#endif
