/*
 * Who is it? Passwords and public keys against the users of ietf-system in running. Hashing is done by
 * a standing worker process, one at a time; an unknown user costs the same as a known one.
 */
#ifndef ASHLAR_SERVER_AUTH_H
#define ASHLAR_SERVER_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/err.h"

#define AUTH_USER_MAX	  64   /* longest user name */
#define AUTH_PASSWORD_MAX 1024 /* longest password */

enum auth_result {
	AUTH_OK,
	AUTH_DENIED,
	AUTH_BUSY, /* too many waiting, or this source must wait after failures: try later */
};

struct auth_request;

/* Starts the worker process; before anything large is allocated. Needs no loop. */
int auth_prepare(struct err *err) WARN_UNUSED;
/* Begins to listen to the worker; after loop_init(). */
void auth_start(void);
/* Pending requests are answered no more. */
void auth_done(void);
/*
 * Checks a password. @source (peer address without port: conn->source) is held back after failures.
 * Calls @done from the loop, unless auth_cancel() comes first; a result known at once (cached success,
 * busy) is returned in *ret_result with the return value NULL, and done() is not called.
 */
struct auth_request *auth_password(const char *user, const char *password, const char *source,
	void (*done)(enum auth_result result, void *arg), void *arg, enum auth_result *ret_result);
/* NULL is fine; also after done() began. */
void auth_cancel(struct auth_request *request);
/* Is this key (base64 blob, which names its algorithm) one of the user's authorized keys? */
bool auth_public_key(const char *user, const char *blob_base64);
/*
 * What the user's password is kept as; NULL: there is no such user. As long as it stays the same, a password
 * that was right still is.
 */
const char *auth_hash(const char *user);
/* Is there such a user? */
bool auth_user_exists(const char *user);

#endif
