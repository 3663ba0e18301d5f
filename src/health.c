/*
 * The checks are looked at once a second while an upgrade is on trial, and never else: what the daemon sees by
 * itself (links, containers, sessions) at once, what takes asking others (an echo, a URL) by a child process
 * each, which counts until the next one has ended.
 */
#include <inttypes.h>
#include <linux/if.h>
#include <stdio.h>

#include "ashlar/child.h"
#include "ashlar/clock.h"
#include "ashlar/containers.h"
#include "ashlar/credential.h"
#include "ashlar/datastore.h"
#include "ashlar/kernel.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/server.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "health.h"

#define LOOK_MS	     1000
#define PROBE_MS     5000 /* between two questions to the same */
#define DEADLINE_MS  20000
#define OUTPUT_MAX   ((size_t)1 << 20)
#define ANCHORS_MAX  ((size_t)4 << 20)
#define HOLD_S	     60
#define HEALTH_PATH  "software/ashlar-software:health"
#define NOT_ASKED    "it was not asked yet"
#define REASON_BYTES 200

/* One that others are asked for. */
struct probe {
	struct probe *next;
	char *name, *target; /* of the check */
	bool is_url, has_passed;
	struct child *child;
	uint64_t asked_ms;
	char reason[REASON_BYTES]; /* why it does not pass */
};

static struct {
	struct loop_timer *timer;
	void (*passed)(void);
	struct probe *probes;
	uint64_t since_ms; /* that all pass; 0: not all do */
} health;

static const struct lyd_node *configured(void)
{
	return node_at(node_top(ds_tree(DS_RUNNING), "system"), HEALTH_PATH);
}

/* --- asking others ------------------------------------------------------------------------------- */

static void probe_free(struct probe *probe)
{
	child_cancel(probe->child);
	free(probe->name);
	free(probe->target);
	free(probe);
}

static void probe_done(const struct child_result *result, void *arg)
{
	struct probe *probe = arg;
	const char *said = result->output_size ? result->output : "there is no answer";

	probe->child = NULL;
	probe->has_passed = result->status == 0;
	(void)snprintf(probe->reason, sizeof(probe->reason), "%.*s",
		(int)strcspn(probe->is_url ? said : "there is no answer", "\n"),
		probe->is_url ? said : "there is no answer");
}

static int ask_address(struct probe *probe, struct child_opts *opts, struct err *err)
{
	opts->argv = (const char *const[]){ "ping", "-c", "1", "-W", "5", probe->target, NULL };
	return child_start(opts, &probe->child, err);
}

static int ask_server(struct probe *probe, struct child_opts *opts, struct err *err)
{
	_cleanup_free_ char *helper = child_helper("ashlar-url");
	_cleanup_(buf_done) struct buf trusted = { 0 }, input = { 0 };
	int r;

	buf_init(&trusted, ANCHORS_MAX);
	r = credential_authorities(&trusted, err);
	if (r < 0)
		return r;
	(void)!buf_printf(&input, "get %zu %s\n", trusted.length, probe->target); /* no ceiling */
	if (trusted.length)
		(void)!buf_append(&input, buf_bytes(&trusted), trusted.length);
	opts->argv = (const char *const[]){ helper, NULL };
	opts->input = buf_bytes(&input);
	opts->input_size = input.length;
	return child_start(opts, &probe->child, err);
}

static void ask(struct probe *probe)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.output_max = OUTPUT_MAX,
		.deadline_ms = DEADLINE_MS,
		.done = probe_done,
		.arg = probe,
	};
	int r;

	if (probe->child || clock_ms() - probe->asked_ms < PROBE_MS)
		return;
	probe->asked_ms = clock_ms();
	r = probe->is_url ? ask_server(probe, &opts, &err) : ask_address(probe, &opts, &err);
	if (r < 0) {
		probe->has_passed = false;
		(void)snprintf(probe->reason, sizeof(probe->reason), "%s", err_text(&err));
	}
}

/* That of the check as it is configured now. */
static struct probe *probe_of(const char *name, const char *target, bool is_url)
{
	struct probe *probe;

	for (probe = health.probes; probe; probe = probe->next)
		if (str_equal(probe->name, name) && str_equal(probe->target, target))
			return probe;
	probe = XNEW(struct probe);
	probe->name = xstrdup(name);
	probe->target = xstrdup(target);
	probe->is_url = is_url;
	(void)snprintf(probe->reason, sizeof(probe->reason), NOT_ASKED);
	probe->next = health.probes;
	health.probes = probe;
	return probe;
}

/* --- the checks ----------------------------------------------------------------------------------- */

static const char *check_interface(const char *name)
{
	const struct link *link = have_get(have_all(), &object_kind_link, name);

	if (!link)
		return "there is no such interface";
	if (!(link->flags & IFF_UP))
		return "it is not enabled";
	/* Some kinds do not tell more than that they run. */
	if (link->operstate != IF_OPER_UP &&
		!(link->operstate == IF_OPER_UNKNOWN && (link->flags & IFF_RUNNING)))
		return "it is down";
	return NULL;
}

static const char *check_container(const char *name)
{
	const struct container *container = have_get(have_all(), &object_kind_container, name);

	if (!container)
		return "there is no such container";
	return container->state == CONTAINER_RUNNING ? NULL : "it does not run";
}

static const char *check_probe(const char *name, const char *target, bool is_url)
{
	struct probe *probe = probe_of(name, target, is_url);

	ask(probe);
	return probe->has_passed ? NULL : probe->reason;
}

/* Why it does not pass; NULL: it does. */
static const char *look_at(const struct lyd_node *check)
{
	const char *name = node_text(check, "name", ""), *value;

	if ((value = node_text(check, "interface", NULL)))
		return check_interface(value);
	if ((value = node_text(check, "container", NULL)))
		return check_container(value);
	if ((value = node_text(check, "ping", NULL)))
		return check_probe(name, value, false);
	if ((value = node_text(check, "url", NULL)))
		return check_probe(name, value, true);
	return server_sessions_seen() ? NULL : "no session was opened from elsewhere";
}

bool health_has_checks(void)
{
	return node_child(configured(), "check");
}

char *health_failing(void)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	const struct lyd_node *check;

	NODE_FOREACH (check, configured(), "check") {
		const char *reason = look_at(check);

		if (reason)
			(void)!buf_printf(&text, "%s%s: %s", text.length ? "; " : "",
				node_text(check, "name", ""), reason); /* no ceiling */
	}
	return text.length ? buf_take(&text) : NULL;
}

static void look(void *arg)
{
	_cleanup_free_ char *failing = health_failing();
	uint64_t hold_s = node_u64(configured(), "hold", HOLD_S), now = clock_ms();

	if (failing || !health_has_checks()) {
		if (health.since_ms)
			log_warning("health", "event=checks-failing reason=\"%s\"",
				failing ? failing : "there are none");
		health.since_ms = 0;
	} else if (!health.since_ms) {
		log_notice("health", "event=checks-passing hold=%" PRIu64, hold_s);
		health.since_ms = now;
	} else if (now - health.since_ms >= hold_s * 1000) {
		health.passed(); /* may stop it */
		return;
	}
	loop_timer_start(health.timer, LOOK_MS);
}

void health_start(void (*passed)(void))
{
	health.passed = passed;
	health.timer = loop_timer_new("health", look, NULL);
	loop_timer_start(health.timer, 0);
}

void health_stop(void)
{
	loop_timer_free(TAKE(health.timer));
	while (health.probes) {
		struct probe *probe = health.probes;

		health.probes = probe->next;
		probe_free(probe);
	}
	health.since_ms = 0;
}
