/*
 * Where the servers listen and whom they call, as objects. The sockets are opened here; who speaks on them
 * is told (see struct endpoint_user).
 */
#ifndef ASHLAR_ENDPOINT_H
#define ASHLAR_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/algorithm.h"
#include "ashlar/err.h"
#include "ashlar/object.h"

#define ENDPOINT_ADDRESS_MAX 46 /* INET6_ADDRSTRLEN */
#define ENDPOINT_CLIENTS_MAX 5	/* each is verified by itself at a login */

enum endpoint_transport {
	ENDPOINT_SSH,	/* NETCONF over SSH, RFC 6242 */
	ENDPOINT_TLS,	/* NETCONF over TLS, RFC 7589 */
	ENDPOINT_HTTPS, /* RESTCONF, RFC 8040 */
};

/* How the name of a user is found in a certificate: RFC 7407. */
enum endpoint_map_type {
	ENDPOINT_MAP_SPECIFIED,
	ENDPOINT_MAP_RFC822,
	ENDPOINT_MAP_DNS,
	ENDPOINT_MAP_IP,
	ENDPOINT_MAP_ANY,
	ENDPOINT_MAP_COMMON_NAME,
};

struct endpoint_map {
	uint32_t id; /* they are asked in this order */
	enum endpoint_map_type type;
	char *fingerprint; /* "04:12:ab…", lower case; NULL: fits any certificate */
	char *name;	   /* ENDPOINT_MAP_SPECIFIED */
};

/* Who may connect over TLS, and how they are called. */
struct endpoint_clients {
	char *ca,
		*ee; /* names of what is trusted: authorities, certificates of clients; NULL: none */
	struct endpoint_map *maps;
	size_t map_count;
};

/* How connections are spoken on, accepted or made. Strings are owned; NULL: ours. */
struct endpoint_params {
	enum endpoint_transport transport;
	char **host_keys; /* SSH: names of keys, the preferred first */
	size_t host_key_count;
	char *banner;
	uint32_t login_s;		  /* for logging in; 0: no limit */
	char *algorithms[ALGORITHM_USES]; /* "a,b"; those of SSH and of TLS */
	char *key,
		*cert; /* TLS: name of the key, and of the certificate among its; NULL: files of ours */
	struct endpoint_clients *clients; /* its own, then those of endpoints that it refers to */
	size_t client_count;
	unsigned tls_min, tls_max; /* 12, 13; 0: ours */
	bool has_keepalive;
	uint32_t keepalive_idle_s, keepalive_probes, keepalive_interval_s;
	uint32_t idle_s; /* HTTPS: ours. 0: never */
};

void endpoint_params_copy(struct endpoint_params *to, const struct endpoint_params *from);
bool endpoint_params_equal(const struct endpoint_params *a, const struct endpoint_params *b);
void endpoint_params_done(struct endpoint_params *params);
void endpoint_params_add_host_key(struct endpoint_params *params, const char *name);
/* Empty ones, last. Valid until the next. */
struct endpoint_clients *endpoint_params_add_clients(struct endpoint_params *params);
/* Keeps them in the order of their ids. @fingerprint and @name are copied. */
void endpoint_clients_add_map(struct endpoint_clients *clients, uint32_t id,
	enum endpoint_map_type type, const char *fingerprint, const char *name);
/* Is the key or trust of that name among them? */
bool endpoint_params_use(
	const struct endpoint_params *params, const struct object_kind *kind, const char *name);

struct endpoint_bind {
	char address[ENDPOINT_ADDRESS_MAX];
	uint16_t port; /* 0: the one that the daemon was started with */
};

/* A place where a server listens. */
struct endpoint {
	struct object object; /* key: "netconf NAME", "ssh", "web" */
	struct endpoint_params params;
	struct endpoint_bind *binds;
	size_t bind_count;
};
extern const struct object_kind object_kind_endpoint;
void endpoint_add_bind(struct endpoint *endpoint, const char *address, uint16_t port);

/* Configuration says where a service is, so it is not where it is by default. */
struct serving {
	struct object object; /* key: SERVING_NETCONF, SERVING_WEB */
};
#define SERVING_NETCONF "netconf"
#define SERVING_WEB	"web"
extern const struct object_kind object_kind_serving;

struct endpoint_user {
	/*
	 * Accept on these listening sockets, in this way; also again with the same sockets when the way has
	 * changed. -errno: it cannot, and what was before still holds. Keys and trust are in have.
	 */
	int (*open)(const struct endpoint *endpoint, const int *fds, size_t count, struct err *err);
	/* The sockets are about to be closed. */
	void (*close)(const char *name);
	/* Whether the service is now where it is by default, or not. */
	void (*serving)(const char *name, bool is_default);
};

/* The ports of binds that name none. */
void endpoint_init(uint16_t ssh_port, uint16_t https_port);
/* Opens what is there for @user, which hears of what comes later; what it cannot open is told to
 * @failed. NULL: nobody any more (closes nothing). */
void endpoint_use(
	const struct endpoint_user *user, void (*failed)(const char *name, const struct err *err));
/* Closes all sockets. */
void endpoint_done(void);
/* Again for those that use that key or trust; what fails is told to failed(). */
void endpoint_renew(const struct object_kind *kind, const char *name);

#endif
