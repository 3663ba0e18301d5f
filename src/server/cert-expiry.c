/*
 * When is up to configuration, or to the device; RFC 9640 recommends once a month for three months, then once a
 * week for four weeks, then once a day until the issue is resolved. The moments are counted back from the end of the
 * certificate, so nothing has to be remembered.
 *
 * One timer on the wall clock waits for the next of all moments, and is woken when the clock is set.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ashlar/cert.h"
#include "ashlar/clock.h"
#include "ashlar/credential.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/notify.h"
#include "ashlar/state.h"
#include "ashlar/yang.h"

#include "cert-expiry.h"

#define DAY   86400
#define WEEK  (7 * DAY)
#define MONTH (30 * DAY)
#define NEVER ((time_t)INT64_MAX)

/* The last has no end. */
static const struct server_interval recommended[] = {
	{ 3 * MONTH, MONTH },
	{ 4 * WEEK, WEEK },
	{ WEEK, DAY },
};

struct changed {
	struct list node;
	const struct object_kind *kind;
	char *name;
};

static struct {
	int fd;
	struct loop_watch *watch;
	struct loop_task *task;
	struct list changed; /* to be looked at when the task runs */
	time_t seen;	     /* moments until then are done with */
	struct server_interval *intervals;
	size_t count; /* of intervals; 0: those that are recommended */
} self = { .fd = -1, .changed = LIST_INIT(self.changed) };

static size_t intervals(const struct server_interval **ret_intervals)
{
	*ret_intervals = self.count ? self.intervals : recommended;
	return self.count ? self.count : ARRAY_SIZE(recommended);
}

time_t cert_expiry_next(time_t expiry, time_t now)
{
	const struct server_interval *at;
	size_t count = intervals(&at);

	for (; count; at++, count--) {
		time_t begin = expiry - at->anchor_s, moment = begin;

		if (now >= begin)
			moment = begin + ((now - begin) / at->period_s + 1) * at->period_s;
		if (count == 1 || moment < expiry - at[1].anchor_s)
			return moment;
	}
	return NEVER;
}

/* --- telling ---------------------------------------------------------------------------------- */

/* "[name='…']"; NULL when no quotes can hold the name. */
static char *predicate(const char *name)
{
	if (!strchr(name, '\''))
		return xasprintf("[name='%s']", name);
	return strchr(name, '"') ? NULL : xasprintf("[name=\"%s\"]", name);
}

/* Where the certificate stands; malloc'd. Keys and trust that stand where they are used are known by
 * their path. */
static char *path_of_cert(const struct credential *credential, const struct credential_cert *cert)
{
	bool is_key = credential->object.kind == &object_kind_key;
	_cleanup_free_ char *holder = predicate(credential->object.key),
			    *name = predicate(cert->name);

	if (credential->object.key[0] == '/' && is_key)
		return xstrdup(credential->object.key);
	if (!holder || !name)
		return NULL;
	if (credential->object.key[0] == '/')
		return xasprintf("%s/certificate%s", credential->object.key, name);
	if (is_key)
		return xasprintf("/ietf-keystore:keystore/asymmetric-keys/asymmetric-key%s/"
				 "certificates/certificate%s",
			holder, name);
	return xasprintf(
		"/ietf-truststore:truststore/certificate-bags/certificate-bag%s/certificate%s",
		holder, name);
}

static void tell(
	const struct credential *credential, const struct credential_cert *cert, time_t expiry)
{
	_cleanup_free_ char *at = path_of_cert(credential, cert), *path = NULL;
	struct lyd_node *tree = NULL;
	char text[CLOCK_TEXT_MAX];

	if (!at)
		return;
	path = xasprintf("%s/certificate-expiration/expiration-date", at);
	clock_text(text, expiry);
	log_notice("cert", "event=certificate-expiration path=\"%s\" expiration=%s", at, text);
	if (lyd_new_path(NULL, yang_ctx(), path, text, 0, &tree) == LY_SUCCESS)
		notify_post(tree);
	else
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
}

/* --- the timer -------------------------------------------------------------------------------- */

static time_t next_of(const struct object_kind *kind, time_t now)
{
	const struct credential *credential;
	time_t next = NEVER;
	size_t at = 0;

	while ((credential = have_next(have_all(), kind, &at)))
		for (size_t i = 0; i < credential->cert_count; i++) {
			time_t expiry = cert_expiry(credential->certs[i].pem);
			time_t moment = expiry ? cert_expiry_next(expiry, now) : NEVER;

			next = moment < next ? moment : next;
		}
	return next;
}

static void set_timer(void)
{
	time_t keys = next_of(&object_kind_key, self.seen);
	time_t trust = next_of(&object_kind_trust, self.seen);
	struct itimerspec when = { .it_value.tv_sec = keys < trust ? keys : trust };

	if (when.it_value.tv_sec == NEVER)
		when.it_value.tv_sec = 0; /* disarmed */
	if (timerfd_settime(self.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) < 0)
		log_warning("cert", "no timer for the end of certificates: %s", strerror(errno));
}

static void tell_due(const struct object_kind *kind, time_t now)
{
	const struct credential *credential;
	size_t at = 0;

	while ((credential = have_next(have_all(), kind, &at)))
		for (size_t i = 0; i < credential->cert_count; i++) {
			time_t expiry = cert_expiry(credential->certs[i].pem);

			if (expiry && cert_expiry_next(expiry, self.seen) <= now)
				tell(credential, &credential->certs[i], expiry);
		}
}

static void on_timer(unsigned events, void *arg)
{
	time_t now = time(NULL);
	uint64_t count;
	/* ECANCELED: the clock was set. What it has passed over is told of once. */
	bool is_set = read(self.fd, &count, sizeof(count)) < 0 && errno == ECANCELED;

	if (is_set && now < self.seen)
		self.seen = now;
	tell_due(&object_kind_key, now);
	tell_due(&object_kind_trust, now);
	self.seen = now;
	set_timer();
}

/* --- what is new ------------------------------------------------------------------------------ */

static void tell_if_near(const struct credential *credential)
{
	const struct server_interval *first;
	time_t now = time(NULL);

	(void)intervals(&first);
	for (size_t i = 0; credential && i < credential->cert_count; i++) {
		time_t expiry = cert_expiry(credential->certs[i].pem);

		if (expiry && now >= expiry - first->anchor_s)
			tell(credential, &credential->certs[i], expiry);
	}
}

static void forget(struct changed *changed)
{
	list_remove(&changed->node);
	free(changed->name);
	free(changed);
}

/* Not at once: what a transaction has changed it may still take back. */
static void on_task(void *arg)
{
	struct changed *changed, *tmp;

	LIST_FOREACH_SAFE (changed, tmp, &self.changed, node) {
		tell_if_near(have_get(have_all(), changed->kind, changed->name));
		forget(changed);
	}
	set_timer();
}

void cert_expiry_changed(const struct object_kind *kind, const char *name)
{
	struct changed *changed;

	if (self.fd < 0)
		return;
	changed = XNEW(struct changed);
	changed->kind = kind;
	changed->name = xstrdup(name);
	list_append(&self.changed, &changed->node);
	loop_task_schedule(self.task);
}

void cert_expiry_set(const struct server_interval *given, size_t count)
{
	free(self.intervals);
	self.intervals = count ? xmemdup(given, count * sizeof(*given)) : NULL;
	self.count = count;
	if (self.fd >= 0)
		set_timer();
}

void cert_expiry_start(void)
{
	const struct object_kind *const kinds[] = { &object_kind_key, &object_kind_trust };

	self.fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (self.fd < 0) {
		log_warning("cert", "no timer for the end of certificates: %s", strerror(errno));
		return;
	}
	self.watch = loop_watch_new("cert-expiry", self.fd, LOOP_READ, on_timer, NULL);
	self.task = loop_task_new("cert-expiry", on_task, NULL);
	self.seen = time(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct credential *credential;
		size_t at = 0;

		while ((credential = have_next(have_all(), kinds[i], &at)))
			tell_if_near(credential);
	}
	set_timer();
}

void cert_expiry_stop(void)
{
	struct changed *changed, *tmp;

	LIST_FOREACH_SAFE (changed, tmp, &self.changed, node)
		forget(changed);
	loop_task_free(TAKE(self.task));
	loop_watch_free(TAKE(self.watch));
	if (self.fd >= 0)
		close(TAKE_FD(self.fd));
	cert_expiry_set(NULL, 0);
}
