/*
 * Services: what a listening socket speaks. Each has a profile, made of configuration, keys and trust;
 * when any of them changes a new one is made and holds for new connections, while those that are there go
 * on as they are.
 *
 * Where configuration says nothing, NETCONF over SSH and RESTCONF are on the ports that the daemon was
 * started with, on all addresses, with the built-in keys.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "ashlar/buf.h"
#include "ashlar/builtin.h"
#include "ashlar/credential.h"
#include "ashlar/file.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "cert-expiry.h"
#include "listen.h"
#include "rc-conn.h"
#include "service.h"

#define DEFAULT_IDLE_S	3600
#define DEFAULT_LOGIN_S 30
#define HOST_KEYS_MAX	16

struct service {
	struct list node;
	char *name;
	struct endpoint_params params;
	struct ssh_profile *ssh; /* one of both */
	struct tls_profile *tls;
	struct listener **listeners;
	size_t listener_count;
};

static struct {
	struct server_config config;
	struct list all;
	struct service *netconf, *web; /* by default; NULL: configuration says where */
} self = { .all = LIST_INIT(self.all) };

/* --- profiles --------------------------------------------------------------------------------- */

static const struct credential *find_key(const char *name, struct err *err)
{
	const struct credential *key = have_get(have_all(), &object_kind_key, name);

	if (key && key->key && key->key->pem)
		return key;
	(void)err_set(err, -ENOENT, NULL, "there is no key \"%s\" that can be used here", name);
	return NULL;
}

int service_ssh_profile(
	const struct endpoint_params *params, struct ssh_profile **ret_profile, struct err *err)
{
	const char *keys[HOST_KEYS_MAX];
	const struct builtin *own;
	struct ssh_setup setup = {
		.keys = keys,
		.banner = params->banner,
		.login_s = params->login_s,
		.idle_s = params->idle_s,
	};
	int r = 0;

	memcpy(setup.algorithms, params->algorithms, sizeof(setup.algorithms));
	for (size_t i = 0; i < params->host_key_count && i < HOST_KEYS_MAX; i++) {
		const struct credential *key = find_key(params->host_keys[i], err);

		if (!key)
			return -ENOENT;
		/* Of two of a kind the last would count; the first is preferred. */
		keys[params->host_key_count - 1 - i] = key->key->pem;
		setup.key_count++;
	}
	if (!setup.key_count) {
		r = builtin_load(BUILTIN_SSH, &own, err);
		if (r == 0)
			keys[setup.key_count++] = own->key->pem;
	}
	return r < 0 ? r : ssh_profile_new(&setup, ret_profile, err);
}

/* All certificates of a bag, one after the other; NULL: it has none, and nobody is trusted by it. */
static char *trust_of(const char *name)
{
	const struct credential *trust =
		name ? have_get(have_all(), &object_kind_trust, name) : NULL;
	_cleanup_(buf_done) struct buf pem = { 0 };

	for (size_t i = 0; trust && i < trust->cert_count; i++)
		(void)!buf_append_str(&pem, trust->certs[i].pem); /* no ceiling */
	return pem.length ? buf_take(&pem) : NULL;
}

/* The certificate that is named, or the only one. */
static const char *cert_of(const struct credential *key, const char *name)
{
	const struct credential_cert *cert = name ? credential_cert(key, name) : NULL;

	if (!cert && key->cert_count && (!name || !*key->certs[0].name))
		cert = &key->certs[0];
	return cert ? cert->pem : NULL;
}

int service_tls_profile(
	const struct endpoint_params *params, struct tls_profile **ret_profile, struct err *err)
{
	const struct builtin *own;
	struct tls_trusted trusted[ENDPOINT_CLIENTS_MAX] = { 0 };
	struct tls_setup setup = { .params = params, .trusted = trusted };
	const struct credential *key;
	int r = 0;

	if (params->key) {
		key = find_key(params->key, err);
		if (!key)
			return -ENOENT;
		setup.key = key->key->pem;
		setup.cert = cert_of(key, params->cert);
		if (!setup.cert)
			return err_set(err, -ENOENT, NULL, "the key \"%s\" has no such certificate",
				params->key);
	} else {
		r = builtin_load(BUILTIN_TLS, &own, err);
		if (r < 0)
			return r;
		setup.key = own->key->pem;
		setup.cert = own->cert;
	}
	assert(params->client_count <= ENDPOINT_CLIENTS_MAX);
	for (size_t i = 0; i < params->client_count; i++) {
		trusted[i].ca = trust_of(params->clients[i].ca);
		trusted[i].ee = trust_of(params->clients[i].ee);
	}
	r = tls_profile_new(&setup, ret_profile, err);
	for (size_t i = 0; i < params->client_count; i++) {
		free(trusted[i].ca);
		free(trusted[i].ee);
	}
	return r;
}

void service_set_keepalive(int fd, const struct endpoint_params *params)
{
	const struct {
		int name;
		uint32_t value;
	} options[] = {
		{ TCP_KEEPIDLE, params->keepalive_idle_s },
		{ TCP_KEEPINTVL, params->keepalive_interval_s },
		{ TCP_KEEPCNT, params->keepalive_probes },
	};

	for (size_t i = 0; params->has_keepalive && i < ARRAY_SIZE(options); i++) {
		/* The kernel takes less than the model allows; what is too much is its most. */
		int most = options[i].name == TCP_KEEPCNT ? 127 : 32767;
		int value = options[i].value < (uint32_t)most ? (int)options[i].value : most;

		if (setsockopt(fd, IPPROTO_TCP, options[i].name, &value, sizeof(value)) < 0)
			log_debug("service", "socket option %d: %s", options[i].name,
				strerror(errno));
	}
}

/* --- accepting -------------------------------------------------------------------------------- */

static void on_accept(int fd, struct place *place, void *arg)
{
	const struct service *service = arg;
	struct conn *conn;

	service_set_keepalive(fd, &service->params);
	switch (service->params.transport) {
	case ENDPOINT_SSH:
		(void)ssh_conn_accept(fd, place, service->ssh);
		break;
	case ENDPOINT_TLS:
		(void)tls_accept(fd, place, service->tls, NULL); /* it is on its own */
		break;
	case ENDPOINT_HTTPS:
		conn = tls_accept(fd, place, service->tls, &rc_conn_user);
		if (conn)
			rc_conn_new(conn);
		break;
	}
}

static enum place_service place_service_of(const struct service *service)
{
	switch (service->params.transport) {
	case ENDPOINT_SSH:
		return PLACE_SSH;
	case ENDPOINT_TLS:
		return PLACE_TLS;
	case ENDPOINT_HTTPS:
		break;
	}
	return PLACE_HTTPS;
}

/* --- life ------------------------------------------------------------------------------------- */

static void close_listeners(struct service *service)
{
	for (size_t i = 0; i < service->listener_count; i++)
		listen_free(service->listeners[i]);
	free(TAKE(service->listeners));
	service->listener_count = 0;
}

static void service_free(struct service *service)
{
	if (!service)
		return;
	list_remove(&service->node);
	close_listeners(service);
	ssh_profile_free(service->ssh);
	tls_profile_unref(service->tls);
	endpoint_params_done(&service->params);
	free(service->name);
	free(service);
}

static int make_profile(struct service *service, struct err *err)
{
	return service->params.transport == ENDPOINT_SSH
		? service_ssh_profile(&service->params, &service->ssh, err)
		: service_tls_profile(&service->params, &service->tls, err);
}

static struct service *service_new(
	const char *name, const struct endpoint_params *params, struct err *err)
{
	struct service *service = XNEW(struct service);

	service->name = xstrdup(name);
	endpoint_params_copy(&service->params, params);
	if (make_profile(service, err) == 0)
		return service;
	service_free(service);
	return NULL;
}

static struct service *find(const char *name)
{
	struct service *service;

	LIST_FOREACH (service, &self.all, node)
		if (str_equal(service->name, name))
			return service;
	return NULL;
}

static int adopt(struct service *service, const int *fds, size_t count, struct err *err)
{
	service->listeners = xcalloc(count + 1, sizeof(*service->listeners));
	for (size_t i = 0; i < count; i++) {
		struct listener *listener = listen_adopt(
			service->name, place_service_of(service), fds[i], on_accept, service);

		if (!listener)
			return err_set(err, -EMFILE, NULL, "too many descriptors are open");
		service->listeners[service->listener_count++] = listener;
	}
	return 0;
}

/* A new service takes the place of the one before, if it can be had. */
static int on_open(const struct endpoint *endpoint, const int *fds, size_t count, struct err *err)
{
	struct service *service = service_new(endpoint->object.key, &endpoint->params, err), *old;
	int r = service ? adopt(service, fds, count, err) : -EINVAL;

	if (r < 0) {
		service_free(service);
		return err && err->code < 0 ? err->code : r;
	}
	old = find(endpoint->object.key);
	list_append(&self.all, &service->node);
	service_free(old);
	return 0;
}

static void on_close(const char *name)
{
	service_free(find(name));
}

static void on_failed(const char *name, const struct err *err)
{
	log_error("service", "%s: %s; going on as before", name, err_text(err));
}

static void on_credential(const struct object_kind *kind, const char *name, void *arg)
{
	endpoint_renew(kind, name);
	cert_expiry_changed(kind, name);
}

/* --- where nothing is said ---------------------------------------------------------------------- */

static int open_default(enum endpoint_transport transport, struct service **slot, struct err *err)
{
	struct endpoint_params params = {
		.transport = transport,
		.login_s = DEFAULT_LOGIN_S,
		.idle_s = DEFAULT_IDLE_S,
	};
	bool is_ssh = transport == ENDPOINT_SSH;
	uint16_t port = is_ssh ? self.config.ssh_port : self.config.https_port;
	struct service *service;
	int r;

	if (!port || *slot)
		return 0;
	service = service_new(is_ssh ? "ssh-listen" : "restconf", &params, err);
	if (!service)
		return err && err->code < 0 ? err->code : -EINVAL;
	service->listeners = XNEW(struct listener *);
	r = listen_tcp(service->name, place_service_of(service), port, on_accept, service,
		service->listeners, err);
	if (r < 0) {
		service_free(service);
		return r;
	}
	service->listener_count = 1;
	*slot = service;
	return 0;
}

static int set_default(const char *name, struct err *err)
{
	bool is_netconf = str_equal(name, SERVING_NETCONF);
	struct service **slot = is_netconf ? &self.netconf : &self.web;

	if (have_get(have_all(), &object_kind_serving, name)) {
		service_free(TAKE(*slot));
		return 0;
	}
	return open_default(is_netconf ? ENDPOINT_SSH : ENDPOINT_HTTPS, slot, err);
}

static void on_serving(const char *name, bool is_default)
{
	_cleanup_err_ struct err err = { 0 };

	if (set_default(name, &err) < 0)
		log_error("service", "%s", err_text(&err));
}

static const struct endpoint_user user = {
	.open = on_open,
	.close = on_close,
	.serving = on_serving,
};

/* Also where configuration names other keys: clients may look at them, and configuration refer to them. */
static void load_builtin(void)
{
	for (size_t use = 0; use < BUILTIN_USES; use++) {
		_cleanup_err_ struct err err = { 0 };
		const struct builtin *builtin;

		if (builtin_load((enum builtin_use)use, &builtin, &err) < 0)
			log_error("service", "%s", err_text(&err));
		else if (builtin->is_new)
			log_notice("service", "event=key-generated name=\"%s\"", builtin->name);
	}
}

int service_start(const struct server_config *config, struct err *err)
{
	int r;

	self.config = *config;
	load_builtin();
	r = set_default(SERVING_NETCONF, err);
	if (r == 0)
		r = set_default(SERVING_WEB, err);
	if (r < 0)
		return r;
	endpoint_use(&user, on_failed);
	credential_on_change(on_credential, NULL);
	return 0;
}

void service_stop(void)
{
	struct service *service, *tmp;

	credential_on_change(NULL, NULL);
	endpoint_use(NULL, NULL);
	LIST_FOREACH_SAFE (service, tmp, &self.all, node)
		service_free(service);
	service_free(TAKE(self.netconf));
	service_free(TAKE(self.web));
}
