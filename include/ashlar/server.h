/* The protocol servers: NETCONF over SSH and over a local socket, RESTCONF over HTTPS. */
#ifndef ASHLAR_SERVER_H
#define ASHLAR_SERVER_H

#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/mem.h"

struct server_config {
	const char
		*config_dir; /* keys/: host key and certificate; made at first start (0700/0600) */
	const char *run_dir; /* netconf.sock: the local NETCONF socket */
	uint16_t ssh_port, https_port; /* on all addresses, IPv6 and IPv4; 0: none */
};

/* Starts the password worker: before anything large is allocated. */
int server_prepare(struct err *err) WARN_UNUSED;
/* Generates missing keys, opens the listeners. */
int server_start(const struct server_config *config, struct err *err) WARN_UNUSED;
/* Closes listeners and drops all sessions. Also after server_start() failed, or never was called. */
void server_stop(void);

/* NETCONF sessions that clients from elsewhere have opened since the start. */
uint32_t server_sessions_seen(void);

struct lyd_node;
/*
 * Fills in /ietf-netconf-monitoring:netconf-state (RFC 6022): what only the servers know. For the
 * operational read path.
 */
int server_monitoring_show(struct lyd_node *netconf_state, struct err *err) WARN_UNUSED;

#endif
