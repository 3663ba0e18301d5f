/*
 * The process that hashes passwords, so that neither the loop waits for it nor our memory holds it.
 * It answers one query at a time, over a SOCK_SEQPACKET pair.
 */
#ifndef ASHLAR_SERVER_AUTH_WORKER_H
#define ASHLAR_SERVER_AUTH_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ashlar/err.h"

#include "auth.h"

#define AUTH_HASH_MAX		384 /* CRYPT_OUTPUT_SIZE of libxcrypt */
#define AUTH_WORKER_DEADLINE_MS 10000

struct auth_query {
	uint32_t id;
	bool is_dummy; /* hash all the same, but never match */
	char hash[AUTH_HASH_MAX];
	char password[AUTH_PASSWORD_MAX + 1];
};

struct auth_answer {
	uint32_t id;
	bool matches;
};

/* Forks it. The descriptor is non-blocking; closing it ends the process, which is then to be reaped. */
int auth_worker_start(int *ret_fd, pid_t *ret_pid, struct err *err) WARN_UNUSED;

#endif
