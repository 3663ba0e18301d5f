#include <string.h>

#include "ashlar/credential.h"
#include "ashlar/endpoint.h"
#include "ashlar/str.h"

void endpoint_params_add_host_key(struct endpoint_params *params, const char *name)
{
	params->host_keys = xreallocarray(
		params->host_keys, params->host_key_count + 1, sizeof(*params->host_keys));
	params->host_keys[params->host_key_count++] = xstrdup(name);
}

struct endpoint_clients *endpoint_params_add_clients(struct endpoint_params *params)
{
	struct endpoint_clients *clients;

	params->clients =
		xreallocarray(params->clients, params->client_count + 1, sizeof(*params->clients));
	clients = &params->clients[params->client_count++];
	memset(clients, 0, sizeof(*clients));
	return clients;
}

void endpoint_clients_add_map(struct endpoint_clients *clients, uint32_t id,
	enum endpoint_map_type type, const char *fingerprint, const char *name)
{
	size_t at = clients->map_count++;

	clients->maps = xreallocarray(clients->maps, clients->map_count, sizeof(*clients->maps));
	for (; at && clients->maps[at - 1].id > id; at--)
		clients->maps[at] = clients->maps[at - 1];
	clients->maps[at] = (struct endpoint_map){ id, type, xstrdup(fingerprint), xstrdup(name) };
}

static void copy_clients(struct endpoint_params *to, const struct endpoint_clients *from)
{
	struct endpoint_clients *clients = endpoint_params_add_clients(to);

	clients->ca = xstrdup(from->ca);
	clients->ee = xstrdup(from->ee);
	for (size_t i = 0; i < from->map_count; i++)
		endpoint_clients_add_map(clients, from->maps[i].id, from->maps[i].type,
			from->maps[i].fingerprint, from->maps[i].name);
}

void endpoint_params_copy(struct endpoint_params *to, const struct endpoint_params *from)
{
	*to = *from;
	to->host_keys = NULL;
	to->clients = NULL;
	to->host_key_count = to->client_count = 0;
	for (size_t i = 0; i < from->host_key_count; i++)
		endpoint_params_add_host_key(to, from->host_keys[i]);
	for (size_t i = 0; i < from->client_count; i++)
		copy_clients(to, &from->clients[i]);
	for (size_t i = 0; i < ALGORITHM_USES; i++)
		to->algorithms[i] = xstrdup(from->algorithms[i]);
	to->banner = xstrdup(from->banner);
	to->key = xstrdup(from->key);
	to->cert = xstrdup(from->cert);
}

static void clients_done(struct endpoint_clients *clients)
{
	for (size_t i = 0; i < clients->map_count; i++) {
		free(clients->maps[i].fingerprint);
		free(clients->maps[i].name);
	}
	free(clients->maps);
	free(clients->ca);
	free(clients->ee);
}

void endpoint_params_done(struct endpoint_params *params)
{
	for (size_t i = 0; i < params->host_key_count; i++)
		free(params->host_keys[i]);
	free(params->host_keys);
	for (size_t i = 0; i < params->client_count; i++)
		clients_done(&params->clients[i]);
	free(params->clients);
	for (size_t i = 0; i < ALGORITHM_USES; i++)
		free(params->algorithms[i]);
	free(params->banner);
	free(params->key);
	free(params->cert);
	memset(params, 0, sizeof(*params));
}

static bool is_same_clients(const struct endpoint_clients *a, const struct endpoint_clients *b)
{
	if (a->map_count != b->map_count || !str_equal(a->ca, b->ca) || !str_equal(a->ee, b->ee))
		return false;
	for (size_t i = 0; i < a->map_count; i++)
		if (a->maps[i].id != b->maps[i].id || a->maps[i].type != b->maps[i].type ||
			!str_equal(a->maps[i].fingerprint, b->maps[i].fingerprint) ||
			!str_equal(a->maps[i].name, b->maps[i].name))
			return false;
	return true;
}

static bool has_same_clients(const struct endpoint_params *a, const struct endpoint_params *b)
{
	if (a->client_count != b->client_count)
		return false;
	for (size_t i = 0; i < a->client_count; i++)
		if (!is_same_clients(&a->clients[i], &b->clients[i]))
			return false;
	return true;
}

static bool has_same_names(const struct endpoint_params *a, const struct endpoint_params *b)
{
	if (a->host_key_count != b->host_key_count)
		return false;
	for (size_t i = 0; i < a->host_key_count; i++)
		if (!str_equal(a->host_keys[i], b->host_keys[i]))
			return false;
	for (size_t i = 0; i < ALGORITHM_USES; i++)
		if (!str_equal(a->algorithms[i], b->algorithms[i]))
			return false;
	return str_equal(a->banner, b->banner) && str_equal(a->key, b->key) &&
		str_equal(a->cert, b->cert);
}

bool endpoint_params_equal(const struct endpoint_params *a, const struct endpoint_params *b)
{
	return a->transport == b->transport && a->login_s == b->login_s &&
		a->tls_min == b->tls_min && a->tls_max == b->tls_max &&
		a->has_keepalive == b->has_keepalive &&
		a->keepalive_idle_s == b->keepalive_idle_s &&
		a->keepalive_probes == b->keepalive_probes &&
		a->keepalive_interval_s == b->keepalive_interval_s && a->idle_s == b->idle_s &&
		has_same_names(a, b) && has_same_clients(a, b);
}

bool endpoint_params_use(
	const struct endpoint_params *params, const struct object_kind *kind, const char *name)
{
	for (size_t i = 0; kind == &object_kind_trust && i < params->client_count; i++)
		if (str_equal(params->clients[i].ca, name) ||
			str_equal(params->clients[i].ee, name))
			return true;
	if (kind == &object_kind_trust)
		return false;
	for (size_t i = 0; i < params->host_key_count; i++)
		if (str_equal(params->host_keys[i], name))
			return true;
	return str_equal(params->key, name);
}
