/* Who listens where, and how: what configuration says of the servers, or where they are by default. */
#ifndef ASHLAR_SERVER_SERVICE_H
#define ASHLAR_SERVER_SERVICE_H

#include "ashlar/endpoint.h"
#include "ashlar/server.h"

#include "place.h"
#include "ssh.h"
#include "tls.h"

int service_start(const struct server_config *config, struct err *err) WARN_UNUSED;
void service_stop(void);

/* What the parameters of a connection come to, with the keys and the trust that are there now. */
int service_ssh_profile(const struct endpoint_params *params, struct ssh_profile **ret_profile,
	struct err *err) WARN_UNUSED;
int service_tls_profile(const struct endpoint_params *params, struct tls_profile **ret_profile,
	struct err *err) WARN_UNUSED;
/* Socket options of a new connection. */
void service_set_keepalive(int fd, const struct endpoint_params *params);

#endif
