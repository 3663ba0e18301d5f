/*
 * ietf-netconf-monitoring (RFC 6022): capabilities, datastores and their locks, schemas, sessions,
 * statistics. Made when asked for.
 */
#include <errno.h>

#include "ashlar/clock.h"
#include "ashlar/datastore.h"
#include "ashlar/server.h"
#include "ashlar/str.h"

#include "nc-hello.h"
#include "place.h"
#include "session.h"

#define MODULE "ietf-netconf-monitoring"

static int show_capabilities(struct lyd_node *state, struct err *err)
{
	struct lyd_node *node;
	size_t count, i;
	const char *const *list = nc_hello_capabilities(&count);
	int ret = build_container(state, "capabilities", &node, err);

	for (i = 0; i < count && ret >= 0; i++)
		ret = build_item(node, "capability", list[i], err);
	return ret;
}

static bool sees_all(const struct ds_partial *lock)
{
	for (size_t i = 0; i < lock->node_count; i++) {
		if (!ds_reader_sees(lock->nodes[i]))
			return false;
	}
	return true;
}

/* The expressions that select a node may name it, so they are for those who may read all that is locked. */
static int show_partial(struct lyd_node *locks, const struct ds_partial *lock, struct err *err)
{
	bool is_open = sees_all(lock);
	char text[CLOCK_TEXT_MAX];
	struct lyd_node *node;
	int ret;

	(void)snprintf(text, sizeof(text), "%u", lock->id);
	ret = build_entry(locks, "partial-lock", text, &node, err);
	if (ret >= 0)
		ret = build_u64(node, "locked-by-session", lock->session, err);
	clock_text(text, lock->since);
	if (ret >= 0)
		ret = build_leaf(node, "locked-time", text, err);
	for (size_t i = 0; is_open && i < lock->select_count && ret >= 0; i++)
		ret = build_item(node, "select", lock->selects[i], err);
	for (size_t i = 0; i < lock->node_count && ret >= 0; i++) {
		if (is_open || ds_reader_sees(lock->nodes[i]))
			ret = build_item(node, "locked-node", lock->nodes[i], err);
	}
	return ret;
}

static int show_partials(struct lyd_node *datastore, struct err *err)
{
	struct ds_partial lock;
	struct lyd_node *node;
	size_t i;
	int ret = 0;

	for (i = 0; ret >= 0 && ds_partial_at(i, &lock); i++) {
		ret = build_container(datastore, "locks", &node, err);
		if (ret >= 0)
			ret = show_partial(node, &lock, err);
	}
	return ret;
}

static int show_lock(struct lyd_node *datastore, enum ds ds, struct err *err)
{
	struct lyd_node *node;
	char since[CLOCK_TEXT_MAX];
	time_t when = 0;
	uint32_t holder = ds_lock_holder(ds, &when);
	int ret;

	if (!holder)
		return ds == DS_RUNNING ? show_partials(datastore, err) : 0;
	clock_text(since, when);
	ret = build_container(datastore, "locks", &node, err);
	if (ret >= 0)
		ret = build_container(node, "global-lock", &node, err);
	if (ret >= 0)
		ret = build_u64(node, "locked-by-session", holder, err);
	return ret < 0 ? ret : build_leaf(node, "locked-time", since, err);
}

static int show_datastores(struct lyd_node *state, struct err *err)
{
	static const struct {
		const char *name;
		enum ds ds;
	} stores[] = { { "running", DS_RUNNING }, { "candidate", DS_CANDIDATE },
		{ "startup", DS_STARTUP } };
	struct lyd_node *node, *entry;
	size_t i;
	int ret = build_container(state, "datastores", &node, err);

	for (i = 0; i < ARRAY_SIZE(stores) && ret >= 0; i++) {
		ret = build_entry(node, "datastore", stores[i].name, &entry, err);
		if (ret >= 0)
			ret = show_lock(entry, stores[i].ds, err);
	}
	return ret;
}

/* One that get-schema can give. */
static int show_schema(struct lyd_node *schemas, const char *name, const char *revision,
	const char *ns, struct err *err)
{
	struct lyd_node *node;
	int ret;

	if (lyd_new_list(schemas, NULL, "schema", 0, &node, name, revision ? revision : "",
		    MODULE ":yang") != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	ret = build_leaf(node, "namespace", ns, err);
	return ret < 0 ? ret : build_item(node, "location", "NETCONF", err);
}

static int show_schemas(struct lyd_node *state, struct err *err)
{
	const struct lys_module *module;
	struct lyd_node *node;
	uint32_t index = 0;
	int ret = build_container(state, "schemas", &node, err);

	while (ret >= 0 && (module = ly_ctx_get_module_iter(yang_ctx(), &index))) {
		LY_ARRAY_COUNT_TYPE i;

		ret = show_schema(node, module->name, module->revision, module->ns, err);
		LY_ARRAY_FOR(module->parsed->includes, i)
		{
			const struct lysp_submodule *sub = module->parsed->includes[i].submodule;

			if (ret >= 0 && sub)
				ret = show_schema(node, sub->name,
					sub->revs ? sub->revs[0].date : NULL, module->ns, err);
		}
	}
	return ret;
}

static int show_counters(
	struct lyd_node *node, const struct session_counters *counters, struct err *err)
{
	int ret = build_u64(node, "in-rpcs", counters->in_rpcs, err);

	if (ret >= 0)
		ret = build_u64(node, "in-bad-rpcs", counters->in_bad_rpcs, err);
	if (ret >= 0)
		ret = build_u64(node, "out-rpc-errors", counters->out_rpc_errors, err);
	return ret < 0 ? ret
		       : build_u64(node, "out-notifications", counters->out_notifications, err);
}

static const char *transport_of(const struct conn *conn)
{
	if (str_equal(conn->transport->name, "tls"))
		return MODULE ":netconf-tls";
	if (str_equal(conn->transport->name, "unix"))
		return "ashlar-status:netconf-local";
	return MODULE ":netconf-ssh";
}

static int show_session(struct lyd_node *sessions, const struct session *session, struct err *err)
{
	const struct conn *conn = session->conn;
	char id[16], login[CLOCK_TEXT_MAX];
	struct lyd_node *node;
	int ret;

	(void)snprintf(id, sizeof(id), "%u", session->id);
	clock_text(login, session->login_time);
	ret = build_entry(sessions, "session", id, &node, err);
	if (ret >= 0)
		ret = build_leaf(node, "transport", transport_of(conn), err);
	if (ret >= 0)
		ret = build_leaf(node, "username", conn->username, err);
	if (ret >= 0 && !conn->place->is_local)
		ret = build_leaf(node, "source-host", conn->place->host, err);
	if (ret >= 0)
		ret = build_leaf(node, "login-time", login, err);
	return ret < 0 ? ret : show_counters(node, &session->counters, err);
}

static int show_sessions(struct lyd_node *state, struct err *err)
{
	const struct session *session;
	struct lyd_node *node;
	int ret = build_container(state, "sessions", &node, err);

	for (session = session_next(NULL); session && ret >= 0; session = session_next(session))
		if (session->state != SESSION_CLOSING)
			ret = show_session(node, session, err);
	return ret;
}

static int show_statistics(struct lyd_node *state, struct err *err)
{
	const struct session_totals *totals = session_totals();
	char start[CLOCK_TEXT_MAX];
	struct lyd_node *node;
	int ret;

	clock_text(start, totals->start);
	ret = build_container(state, "statistics", &node, err);
	if (ret >= 0)
		ret = build_leaf(node, "netconf-start-time", start, err);
	if (ret >= 0)
		ret = build_u64(node, "in-bad-hellos", totals->in_bad_hellos, err);
	if (ret >= 0)
		ret = build_u64(node, "in-sessions", totals->in_sessions, err);
	if (ret >= 0)
		ret = build_u64(node, "dropped-sessions", totals->dropped_sessions, err);
	return ret < 0 ? ret : show_counters(node, &totals->counters, err);
}

int server_monitoring_show(struct lyd_node *netconf_state, struct err *err)
{
	static int (*const parts[])(struct lyd_node * state, struct err * err) = {
		show_capabilities,
		show_datastores,
		show_schemas,
		show_sessions,
		show_statistics,
	};
	size_t i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(parts) && ret >= 0; i++)
		ret = parts[i](netconf_state, err);
	return ret < 0 ? ret : 0;
}
