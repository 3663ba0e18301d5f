/*
 * A change of configuration is kept as a row of texts, each with its zero byte: who made it, and for each
 * change a letter and the node's path. Beyond EDITS_MAX changes only the top-level nodes are named: a server
 * may name an ancestor instead of the node that was changed (RFC 6470 section 2.2, leaf target).
 *
 * netconf-capability-change is never sent: capabilities are the same as long as the daemon runs. They come
 * from what is built in and from the schema, which is loaded once; no configuration changes either, and a
 * restart ends all sessions. Should that ever be otherwise, this is the place to tell of it.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "notify-base.h"

#define MODULE	  "ietf-netconf-notifications"
#define EDITS_MAX 500
#define TOPS_MAX  64 /* top-level nodes that are named instead */

static struct buf noted; /* of the transaction that runs */

/* --- building --------------------------------------------------------------------------------- */

static int new_notification(const char *name, struct lyd_node **ret_notification, struct err *err)
{
	const struct lys_module *module = ly_ctx_get_module_implemented(yang_ctx(), MODULE);

	if (!module || lyd_new_inner(NULL, module, name, 0, ret_notification) != LY_SUCCESS)
		return yang_err(err, -EIO);
	return 0;
}

/* username, session-id, source-host: what many of them begin with. */
static int build_session(struct lyd_node *parent, const char *user, uint32_t session,
	const char *host, struct err *err)
{
	int r = build_leaf(parent, "username", user, err);

	if (r >= 0)
		r = build_u64(parent, "session-id", session, err);
	if (r >= 0 && host && *host)
		r = build_leaf(parent, "source-host", host, err);
	return r < 0 ? r : 0;
}

/* NULL when it cannot be: the model is not loaded. */
static struct lyd_node *session_notification(const char *name, const struct ds_client *client)
{
	struct lyd_node *notification = NULL;

	if (new_notification(name, &notification, NULL) < 0)
		return NULL;
	if (build_session(notification, client->user, client->session, client->host, NULL) < 0) {
		lyd_free_tree(notification);
		return NULL;
	}
	return notification;
}

/* --- changes of configuration -------------------------------------------------------------------- */

enum change {
	CHANGE_CREATE = 'c',
	CHANGE_DELETE = 'd',
	CHANGE_MERGE = 'm',
	CHANGE_REPLACE = 'r',
};

static const char *change_name(char change)
{
	switch ((enum change)change) {
	case CHANGE_CREATE:
		return "create";
	case CHANGE_DELETE:
		return "delete";
	case CHANGE_MERGE:
		return "merge";
	case CHANGE_REPLACE:
		return "replace";
	}
	return "merge";
}

static void put(struct buf *record, const char *text)
{
	(void)!buf_append(record, text, strlen(text) + 1); /* no ceiling */
}

/* Part of something that this edit made and names. */
static bool is_within_made(const struct lyd_node *node)
{
	for (node = lyd_parent(node); node; node = lyd_parent(node)) {
		if (node->flags & LYD_NEW)
			return true;
	}
	return false;
}

/* What became of the node, for those who see the datastore before and after; 0: nothing. */
static char change_of(const struct edit *edit, const struct edit_event *event)
{
	const struct lyd_node *node = event->node;

	if (event->is_implicit || event->kind == EDIT_FLAGS)
		return 0;
	if (event->kind == EDIT_REMOVED)
		return CHANGE_DELETE;
	if (edit_is_dead(edit, node) || is_within_made(node) || (node->flags & LYD_DEFAULT))
		return 0;
	if (event->kind == EDIT_MOVED || event->kind == EDIT_ANNOTATED)
		return CHANGE_MERGE;
	if (event->kind == EDIT_CHANGED && !(event->old_flags & LYD_DEFAULT))
		return CHANGE_REPLACE;
	return CHANGE_CREATE;
}

static void note_change(char change, char *path)
{
	char text[2] = { change, 0 };

	if (!path)
		return;
	(void)!buf_append(&noted, text, 1); /* no ceiling: there is a limit to how many */
	put(&noted, path);
	free(path);
}

/* The top-level nodes at or above what changed, each once. */
static void note_tops(const struct edit *edit)
{
	const struct lysc_node *tops[TOPS_MAX];
	size_t count = 0, at;

	for (size_t i = 0; i < edit->count && count < TOPS_MAX; i++) {
		const struct lyd_node *node = edit->events[i].node, *above;

		if (!change_of(edit, &edit->events[i]))
			continue;
		while ((above = edit_parent(edit, node)))
			node = above;
		for (at = 0; at < count && tops[at] != node->schema; at++)
			;
		if (at < count)
			continue;
		tops[count++] = node->schema;
		note_change(CHANGE_MERGE, edit_path(edit, node));
	}
}

void notify_note_edit(const struct edit *edit)
{
	size_t count = 0, start = noted.length;

	for (size_t i = 0; i < edit->count; i++) {
		char change = change_of(edit, &edit->events[i]);

		if (!change)
			continue;
		if (count++ == EDITS_MAX) {
			buf_truncate(&noted, start);
			note_tops(edit);
			return;
		}
		note_change(change, edit_path(edit, edit->events[i].node));
	}
}

void notify_forget_edit(void)
{
	buf_done(&noted);
	buf_init(&noted, 0);
}

static int build_edit(struct lyd_node *notification, char change, const char *path, struct err *err)
{
	struct lyd_node *edit;
	int r = build_entry(notification, "edit", NULL, &edit, err);

	if (r < 0)
		return r;
	/* A path that cannot be said as an instance-identifier is left out: it may be. */
	if (build_leaf(edit, "target", path, NULL) < 0)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	r = build_leaf(edit, "operation", change_name(change), err);
	return r < 0 ? r : 0;
}

static int build_changed_by(
	struct lyd_node *notification, const char **at, const char *datastore, struct err *err)
{
	const char *user = *at, *session = user + strlen(user) + 1;
	const char *host = session + strlen(session) + 1;
	struct lyd_node *by;
	int r = build_container(notification, "changed-by", &by, err);

	*at = host + strlen(host) + 1;
	if (r >= 0)
		r = *user ? build_session(by, user, (uint32_t)strtoul(session, NULL, 10), host, err)
			  : build_leaf(by, "server", "", err);
	if (r >= 0)
		r = build_leaf(notification, "datastore", datastore, err);
	return r < 0 ? r : 0;
}

static int build_change(
	const void *data, size_t size, struct lyd_node **ret_notification, struct err *err)
{
	const char *datastore = data, *at = datastore + strlen(datastore) + 1;
	struct lyd_node *notification = NULL;
	int r = new_notification("netconf-config-change", &notification, err);

	if (r == 0)
		r = build_changed_by(notification, &at, datastore, err);
	for (; r == 0 && at < datastore + size; at += strlen(at) + 1)
		r = build_edit(notification, *at, at + 1, err);
	if (r < 0) {
		lyd_free_tree(notification);
		return r;
	}
	*ret_notification = notification;
	return 0;
}

static void post_change(
	const char *datastore, const struct ds_client *client, const struct buf *changes)
{
	bool is_server = !client || !client->user || !*client->user;
	struct buf record = { 0 };
	char session[16];
	size_t size;

	(void)snprintf(session, sizeof(session), "%u", client ? client->session : 0);
	put(&record, datastore);
	put(&record, is_server ? "" : client->user);
	put(&record, session);
	put(&record, !is_server && client->host ? client->host : "");
	if (changes)
		(void)!buf_append(&record, buf_bytes(changes), changes->length); /* no ceiling */
	size = record.length;
	notify_post_lazy(build_change, buf_take(&record), size);
}

void notify_running_changed(const struct ds_client *client)
{
	if (noted.length)
		post_change("running", client, &noted);
	notify_forget_edit();
}

void notify_startup_changed(const struct ds_client *client)
{
	post_change("startup", client, NULL);
}

/* --- sessions --------------------------------------------------------------------------------- */

void notify_session_start(const struct ds_client *client)
{
	struct lyd_node *notification = session_notification("netconf-session-start", client);

	if (notification)
		notify_post(notification);
}

void notify_session_end(
	const struct ds_client *client, enum notify_session_end reason, uint32_t killer)
{
	static const char *const reasons[] = {
		[NOTIFY_SESSION_CLOSED] = "closed",
		[NOTIFY_SESSION_KILLED] = "killed",
		[NOTIFY_SESSION_DROPPED] = "dropped",
		[NOTIFY_SESSION_TIMEOUT] = "timeout",
		[NOTIFY_SESSION_BAD_HELLO] = "bad-hello",
	};
	struct lyd_node *notification = session_notification("netconf-session-end", client);
	int r = 0;

	if (!notification)
		return;
	if (killer)
		r = build_u64(notification, "killed-by", killer, NULL);
	if (r >= 0)
		r = build_leaf(notification, "termination-reason", reasons[reason], NULL);
	if (r >= 0)
		notify_post(notification);
	else
		lyd_free_tree(notification);
}

/* --- confirmed commits -------------------------------------------------------------------------- */

void notify_confirm(const struct ds_client *client, enum notify_confirm event, uint32_t timeout_s)
{
	static const char *const events[] = {
		[NOTIFY_CONFIRM_START] = "start",
		[NOTIFY_CONFIRM_CANCEL] = "cancel",
		[NOTIFY_CONFIRM_TIMEOUT] = "timeout",
		[NOTIFY_CONFIRM_EXTEND] = "extend",
		[NOTIFY_CONFIRM_COMPLETE] = "complete",
	};
	struct lyd_node *notification = NULL;
	int r;

	if (event != NOTIFY_CONFIRM_TIMEOUT)
		notification = session_notification("netconf-confirmed-commit", client);
	else if (new_notification("netconf-confirmed-commit", &notification, NULL) < 0)
		notification = NULL;
	if (!notification)
		return;
	r = build_leaf(notification, "confirm-event", events[event], NULL);
	if (r >= 0 && timeout_s)
		r = build_u64(notification, "timeout", timeout_s, NULL);
	if (r >= 0)
		notify_post(notification);
	else
		lyd_free_tree(notification);
}
