/*
 * Listening sockets. Binding to an address that no interface has yet is allowed (IP_FREEBIND): who listens
 * does not depend on the order in which things come up. Where an endpoint listens cannot change in place,
 * so that two may exchange their ports in one transaction: both are closed before either is opened.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ashlar/endpoint.h"
#include "ashlar/list.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#define BACKLOG	   128
#define SSH_PORT   830
#define HTTPS_PORT 443

/* The sockets of one endpoint. */
struct opened {
	struct list node;
	char *name;
	int *fds;
	size_t count;
};

static struct {
	uint16_t ssh_port, https_port;
	struct list all;
	const struct endpoint_user *user;
	void (*failed)(const char *name, const struct err *err);
} self = { .all = LIST_INIT(self.all) };

void endpoint_init(uint16_t ssh_port, uint16_t https_port)
{
	self.ssh_port = ssh_port ? ssh_port : SSH_PORT;
	self.https_port = https_port ? https_port : HTTPS_PORT;
}

void endpoint_add_bind(struct endpoint *endpoint, const char *address, uint16_t port)
{
	struct endpoint_bind *bind;

	endpoint->binds =
		xreallocarray(endpoint->binds, endpoint->bind_count + 1, sizeof(*endpoint->binds));
	bind = &endpoint->binds[endpoint->bind_count++];
	memset(bind, 0, sizeof(*bind));
	/* Longer ones do not come from the model; they would not be an address. */
	(void)!str_copy(bind->address, sizeof(bind->address), address);
	bind->port = port;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static struct opened *find(const char *name)
{
	struct opened *opened;

	LIST_FOREACH (opened, &self.all, node)
		if (str_equal(opened->name, name))
			return opened;
	return NULL;
}

static void opened_free(struct opened *opened)
{
	if (!opened)
		return;
	list_remove(&opened->node);
	for (size_t i = 0; i < opened->count; i++)
		close(opened->fds[i]);
	free(opened->fds);
	free(opened->name);
	free(opened);
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int listen_on(const struct endpoint_bind *at, uint16_t port, bool is_v6_only)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_v4 = inet_pton(AF_INET, at->address, &in.sin_addr) == 1;
	_cleanup_close_ int fd = -1;

	if (!is_v4 && inet_pton(AF_INET6, at->address, &in6.sin6_addr) != 1)
		return -EINVAL;
	fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		IPPROTO_TCP);
	if (fd < 0 || set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -errno;
	if (is_v4 ? set_option(fd, IPPROTO_IP, IP_FREEBIND, 1) < 0
		  : (set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1) < 0 ||
			    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_v6_only) < 0))
		return -errno;
	if (is_v4 ? bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0
		  : bind(fd, (struct sockaddr *)&in6, sizeof(in6)) < 0)
		return -errno;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static uint16_t port_of(const struct endpoint *endpoint, const struct endpoint_bind *at)
{
	if (at->port)
		return at->port;
	return endpoint->params.transport == ENDPOINT_HTTPS ? self.https_port : self.ssh_port;
}

/* "::" serves IPv4 as well, unless another address of the endpoint does. */
static bool is_v6_only(const struct endpoint *endpoint, uint16_t port)
{
	for (size_t i = 0; i < endpoint->bind_count; i++)
		if (port_of(endpoint, &endpoint->binds[i]) == port &&
			!strchr(endpoint->binds[i].address, ':'))
			return true;
	return false;
}

static const struct endpoint_bind any_v4 = { .address = "0.0.0.0" };

static int open_all(const struct endpoint *endpoint, struct opened **ret_opened, struct err *err)
{
	struct opened *opened = XNEW(struct opened);

	opened->name = xstrdup(endpoint->object.key);
	opened->fds = xcalloc(endpoint->bind_count + 1, sizeof(*opened->fds));
	for (size_t i = 0; i < endpoint->bind_count; i++) {
		const struct endpoint_bind *at = &endpoint->binds[i];
		uint16_t port = port_of(endpoint, at);
		int fd = listen_on(at, port, is_v6_only(endpoint, port));

		/* A kernel without IPv6, or with it disabled. */
		if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && str_equal(at->address, "::"))
			fd = listen_on(&any_v4, port, false);
		if (fd < 0) {
			opened_free(opened);
			return err_set(err, fd, NULL, "cannot listen on port %u of %s: %s", port,
				at->address, strerror(-fd));
		}
		opened->fds[opened->count++] = fd;
	}
	*ret_opened = opened;
	return 0;
}

static int offer(const struct endpoint *endpoint, const struct opened *opened, struct err *err)
{
	return self.user ? self.user->open(endpoint, opened->fds, opened->count, err) : 0;
}

static void offer_or_tell(const struct endpoint *endpoint)
{
	_cleanup_err_ struct err err = { 0 };
	const struct opened *opened = find(endpoint->object.key);

	if (opened && offer(endpoint, opened, &err) < 0)
		self.failed(endpoint->object.key, &err);
}

void endpoint_use(
	const struct endpoint_user *user, void (*failed)(const char *name, const struct err *err))
{
	const struct endpoint *endpoint;
	size_t at = 0;

	self.user = user;
	self.failed = failed;
	while (user && (endpoint = have_next(have_all(), &object_kind_endpoint, &at)))
		offer_or_tell(endpoint);
}

void endpoint_renew(const struct object_kind *kind, const char *name)
{
	const struct endpoint *endpoint;
	size_t at = 0;

	while (self.user && (endpoint = have_next(have_all(), &object_kind_endpoint, &at)))
		if (endpoint_params_use(&endpoint->params, kind, name))
			offer_or_tell(endpoint);
}

void endpoint_done(void)
{
	struct opened *opened, *tmp;

	LIST_FOREACH_SAFE (opened, tmp, &self.all, node)
		opened_free(opened);
}

/* --- the object ------------------------------------------------------------------------------- */

static void copy(struct object *to, const struct object *from)
{
	struct endpoint *copied = (void *)to;
	const struct endpoint *given = (const void *)from;

	endpoint_params_copy(&copied->params, &given->params);
	copied->binds = given->bind_count
		? xmemdup(given->binds, given->bind_count * sizeof(*given->binds))
		: NULL;
}

static void done(struct object *object)
{
	struct endpoint *endpoint = (void *)object;

	endpoint_params_done(&endpoint->params);
	free(endpoint->binds);
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct endpoint *wanted = (const void *)want, *seen = (const void *)have;

	if (wanted->bind_count != seen->bind_count ||
		wanted->params.transport != seen->params.transport)
		return OBJECT_RECREATE;
	for (size_t i = 0; i < wanted->bind_count; i++)
		if (!str_equal(wanted->binds[i].address, seen->binds[i].address) ||
			wanted->binds[i].port != seen->binds[i].port)
			return OBJECT_RECREATE;
	return endpoint_params_equal(&wanted->params, &seen->params) ? OBJECT_SAME : OBJECT_CHANGE;
}

static enum object_owner owner(const struct object *have)
{
	return OBJECT_OURS;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "endpoint %s", object->key);
}

static int add(const struct endpoint *want, struct err *err)
{
	struct opened *opened = NULL;
	int r = open_all(want, &opened, err);

	if (r == 0)
		r = offer(want, opened, err);
	if (r < 0) {
		opened_free(opened);
		return r;
	}
	list_append(&self.all, &opened->node);
	have_put(object_copy(&want->object));
	return 0;
}

static int change(const struct endpoint *want, struct err *err)
{
	int r = offer(want, find(want->object.key), err);

	if (r == 0)
		have_put(object_copy(&want->object));
	return r;
}

static void run(struct step *step)
{
	if (step->op == STEP_REMOVE) {
		if (self.user)
			self.user->close(step->have->key);
		opened_free(find(step->have->key));
		have_remove(&object_kind_endpoint, step->have->key);
	} else {
		const struct endpoint *want = (const void *)step->want;

		step->error =
			step->op == STEP_ADD ? add(want, &step->err) : change(want, &step->err);
	}
	step->is_done = step->error == 0;
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	for (size_t i = 0; i < count; i++) {
		run(steps[i]);
		if (steps[i]->error < 0 && stop_on_error)
			return i + 1;
	}
	return count;
}

static const struct target target_endpoint = {
	.name = "endpoint",
	.is_immediate = true,
	.apply = apply,
};

const struct object_kind object_kind_endpoint = {
	.name = "endpoint",
	.rank = 3,
	.size = sizeof(struct endpoint),
	.target = &target_endpoint,
	.compare = compare,
	.copy = copy,
	.done = done,
	.owner = owner,
	.describe = describe,
};

/* --- what is configured at all ------------------------------------------------------------------ */

static enum object_diff compare_serving(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void describe_serving(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "service %s", object->key);
}

static void run_serving(struct step *step)
{
	const char *name = step->want ? step->want->key : step->have->key;
	_cleanup_free_ char *kept = xstrdup(name);
	bool is_default = step->op == STEP_REMOVE;

	if (is_default)
		have_remove(&object_kind_serving, kept);
	else
		have_put(object_copy(step->want));
	if (self.user)
		self.user->serving(kept, is_default);
	step->is_done = true;
}

static size_t apply_serving(struct step *const *steps, size_t count, bool stop_on_error)
{
	for (size_t i = 0; i < count; i++)
		run_serving(steps[i]);
	return count;
}

static const struct target target_serving = {
	.name = "serving",
	.is_immediate = true,
	.apply = apply_serving,
};

const struct object_kind object_kind_serving = {
	.name = "serving",
	.rank = 2, /* the default gives way before an endpoint takes its place, and comes back after */
	.size = sizeof(struct serving),
	.target = &target_serving,
	.compare = compare_serving,
	.owner = owner,
	.describe = describe_serving,
};
