/* NETCONF over SSH (RFC 6242): the subsystem "netconf", nothing else. */
#ifndef ASHLAR_SERVER_SSH_H
#define ASHLAR_SERVER_SSH_H

#include <stddef.h>
#include <stdint.h>

#include "ashlar/algorithm.h"
#include "ashlar/err.h"

struct conn;
struct place;

/* What connections are made with: host keys, algorithms, times. Those that are there do not need it. */
struct ssh_profile;

struct ssh_setup {
	const char *const *keys; /* PEM text; of each kind the last counts */
	size_t key_count;
	const char *banner;			/* NULL: ours */
	const char *algorithms[ALGORITHM_USES]; /* "a,b"; NULL: all that are supported */
	uint32_t login_s;			/* from connection to subsystem; 0: no limit */
	uint32_t idle_s;			/* 0: never */
};

int ssh_profile_new(const struct ssh_setup *setup, struct ssh_profile **ret_profile,
	struct err *err) WARN_UNUSED;
/* NULL is fine. */
void ssh_profile_free(struct ssh_profile *profile);

void ssh_server_start(void);
/* Drops all connections. */
void ssh_server_stop(void);
/* Takes a connected descriptor and its place; NULL (both given back) when libssh does not. */
struct conn *ssh_conn_accept(int fd, struct place *place, const struct ssh_profile *profile);

#endif
