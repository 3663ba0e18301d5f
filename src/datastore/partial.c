/*
 * Partial locks. A lock is a set of instance paths, found once (by a read, as the client may read it) and
 * granted when no transaction runs. An edit is held against the locks of others: what it changed must not
 * be at or below a locked node, and what it removed not above one. Nothing is asked while nobody holds one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/list.h"
#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/str.h"

#include "confirm.h"
#include "partial.h"
#include "queue.h"
#include "store.h"

#define LOCKS_MAX 256	/* of all sessions */
#define NODES_MAX 16384 /* of one lock */

struct partial {
	struct list link;
	struct ds_partial lock; /* what it holds is owned */
	struct map at;		/* its nodes' paths */
	struct map above;	/* the paths of what they are in, by part of such a path */
};

static struct {
	struct list locks;
	size_t count;
	uint32_t last_id;
} partials = { .locks = LIST_INIT(partials.locks) };

static void free_texts(const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((char *)texts[i]);
	free((char **)texts);
}

static void partial_free(struct partial *partial)
{
	if (!partial)
		return;
	map_done(&partial->at);
	map_done(&partial->above);
	free_texts(partial->lock.selects, partial->lock.select_count);
	free_texts(partial->lock.nodes, partial->lock.node_count);
	free(partial);
}

static void drop(struct partial *partial)
{
	list_remove(&partial->link);
	partials.count--;
	partial_free(partial);
}

uint32_t partial_holder(void)
{
	const struct partial *partial;

	LIST_FOREACH (partial, &partials.locks, link)
		return partial->lock.session;
	return 0;
}

void partial_session_closed(uint32_t session)
{
	struct partial *partial, *next;

	LIST_FOREACH_SAFE (partial, next, &partials.locks, link) {
		if (partial->lock.session == session)
			drop(partial);
	}
}

bool ds_partial_at(size_t index, struct ds_partial *ret_lock)
{
	const struct partial *partial;

	LIST_FOREACH (partial, &partials.locks, link) {
		if (index--)
			continue;
		*ret_lock = partial->lock;
		return true;
	}
	return false;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* The length of the path up to the end of the step that begins at *at, which moves on; 0: none is left. */
static size_t next_step(const char *path, size_t *at)
{
	char quote = '\0';
	size_t i = *at;

	if (!path[i])
		return 0;
	for (i++; path[i] && (quote || path[i] != '/'); i++) {
		if (quote)
			quote = path[i] == quote ? '\0' : quote;
		else if (path[i] == '"' || path[i] == '\'')
			quote = path[i];
	}
	*at = i;
	return i;
}

/* Is the path that of a locked node, or of one below it? */
static bool is_inside(const struct partial *partial, const char *path)
{
	size_t at = 0, length;

	while ((length = next_step(path, &at))) {
		if (map_get(&partial->at, path, length))
			return true;
	}
	return false;
}

static bool is_above(const struct partial *partial, const char *path)
{
	return map_get_str(&partial->above, path) != NULL;
}

static void index_paths(struct partial *partial)
{
	map_done(&partial->at);
	map_done(&partial->above);
	partial->at = partial->above = (struct map){ 0 };
	for (size_t i = 0; i < partial->lock.node_count; i++) {
		const char *path = partial->lock.nodes[i];
		size_t at = 0, length;

		map_put_str(&partial->at, path, (char *)path);
		while ((length = next_step(path, &at))) {
			if (path[length])
				map_put(&partial->above, path, length, (char *)path);
		}
	}
}

/* --- edits ------------------------------------------------------------------------------------ */

static bool is_mine(const struct partial *partial, const struct ds_client *client)
{
	return client->session ? partial->lock.session == client->session : client->is_recovery;
}

static int refuse(const struct partial *partial, const char *path, struct err *err)
{
	char session[16];

	snprintf(session, sizeof(session), "%u", partial->lock.session);
	(void)err_tagged(err, ERR_TAG_IN_USE, path, "locked in part by session %s", session);
	(void)err_app_tag(err, "locked");
	return err_add_info(err, "session-id", session);
}

static int check_event(const struct ds_client *client, const struct edit *edit,
	const struct edit_event *event, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	const struct partial *partial;

	if (event->kind == EDIT_FLAGS)
		return 0;
	path = edit_path(edit, event->node);
	LIST_FOREACH (partial, &partials.locks, link) {
		if (!is_mine(partial, client) &&
			(is_inside(partial, path) ||
				(event->kind == EDIT_REMOVED && is_above(partial, path))))
			return refuse(partial, path, err);
	}
	return 0;
}

int partial_check(
	const struct ds_client *client, const struct edit *edit, size_t *at, struct err *err)
{
	while (partials.count && *at < edit->count) {
		int r = check_event(client, edit, &edit->events[(*at)++], err);

		if (r < 0)
			return r;
		if (loop_should_yield())
			return 1;
	}
	return 0;
}

static bool exists(const char *path)
{
	struct lyd_node *node = NULL;

	if (*store_running() && lyd_find_path(*store_running(), path, 0, &node) == LY_SUCCESS)
		return true;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return false;
}

/* Leaves the nodes that exist. */
static void forget_absent(struct partial *partial)
{
	const char **nodes = (const char **)partial->lock.nodes;
	size_t kept = 0;

	for (size_t i = 0; i < partial->lock.node_count; i++) {
		if (exists(nodes[i]))
			nodes[kept++] = nodes[i];
		else
			free((char *)nodes[i]);
	}
	if (kept == partial->lock.node_count)
		return;
	partial->lock.node_count = kept;
	index_paths(partial);
}

void partial_committed(const struct ds_client *client, const struct edit *edit)
{
	struct partial *partial;
	bool has_removed = false;

	for (size_t i = 0; partials.count && i < edit->count && !has_removed; i++)
		has_removed = edit->events[i].kind == EDIT_REMOVED;
	if (!has_removed)
		return;
	LIST_FOREACH (partial, &partials.locks, link) {
		if (is_mine(partial, client))
			forget_absent(partial);
	}
}

/* --- locking ---------------------------------------------------------------------------------- */

/* What others have locked must not overlap. */
static int check_overlap(const struct partial *mine, const struct partial *other, struct err *err)
{
	for (size_t i = 0; i < mine->lock.node_count; i++) {
		const char *path = mine->lock.nodes[i];
		char session[16];

		if (!is_inside(other, path) && !is_above(other, path))
			continue;
		snprintf(session, sizeof(session), "%u", other->lock.session);
		(void)err_tagged(
			err, ERR_TAG_LOCK_DENIED, path, "locked in part by session %s", session);
		return err_add_info(err, "session-id", session);
	}
	return 0;
}

static int check_grant(const struct partial *mine, struct err *err)
{
	uint32_t holder = ds_lock_holder(DS_RUNNING, NULL);
	const struct partial *other;
	char session[16];
	int r = 0;

	if (confirm_is_pending()) {
		(void)err_tagged(err, ERR_TAG_IN_USE, NULL,
			"running holds a confirmed commit that is not confirmed yet");
		return err_app_tag(err, "outstanding-confirmed-commit");
	}
	if (!mine->lock.node_count) {
		(void)err_tagged(
			err, ERR_TAG_OPERATION_FAILED, NULL, "the expressions select nothing");
		return err_app_tag(err, "no-matches");
	}
	if (holder) {
		snprintf(session, sizeof(session), "%u", holder);
		(void)err_tagged(
			err, ERR_TAG_LOCK_DENIED, NULL, "all is locked by session %s", session);
		return err_add_info(err, "session-id", session);
	}
	if (partials.count == LOCKS_MAX)
		return err_tagged(err, ERR_TAG_RESOURCE_DENIED, NULL,
			"there are %d partial locks already", LOCKS_MAX);
	LIST_FOREACH (other, &partials.locks, link) {
		if (r == 0 && other->lock.session != mine->lock.session)
			r = check_overlap(mine, other, err);
	}
	return r;
}

/*
 * The expressions are evaluated one after the other; then the lock is granted between two transactions, to
 * those of the nodes that are still there.
 */
struct locking {
	struct list link;
	struct ds_client client; /* with an own copy of the user */
	struct partial *partial;
	struct map known; /* its nodes so far, by path */
	size_t room;
	size_t at; /* of the expressions */
	ds_partial_fn done;
	void *arg;
};

static struct list lockings = LIST_INIT(lockings);

static void locking_free(struct locking *locking)
{
	ds_forget(locking);
	list_remove(&locking->link);
	map_done(&locking->known);
	partial_free(locking->partial);
	free((char *)locking->client.user);
	free(locking);
}

struct grant_job {
	struct job job;
	struct partial *partial;
	ds_partial_fn done;
};

static void grant_start(struct job *job)
{
	struct partial *partial = ((struct grant_job *)job)->partial;
	_cleanup_err_ struct err err = { 0 };

	forget_absent(partial);
	index_paths(partial);
	if (check_grant(partial, &err) < 0) {
		job_end(job, &err);
		return;
	}
	partial->lock.id = ++partials.last_id;
	partial->lock.since = time(NULL);
	job_end(job, NULL);
}

static void grant_report(struct job *base, const struct err *err)
{
	struct grant_job *job = (struct grant_job *)base;
	const struct ds_partial *lock = &job->partial->lock;

	if (err) {
		job->done(NULL, err, base->arg);
		return;
	}
	list_append(&partials.locks, &job->partial->link);
	partials.count++;
	job->partial = NULL;
	job->done(lock, NULL, base->arg);
}

/* What nobody asks for any more was not granted. */
static void grant_free(struct job *job)
{
	partial_free(((struct grant_job *)job)->partial);
}

static const struct job_kind grant_kind = {
	.name = "partial-lock",
	.start = grant_start,
	.free = grant_free,
};

static void submit_grant(struct locking *locking)
{
	struct grant_job *job = job_new(&grant_kind, sizeof(*job), &locking->client, locking->arg);

	job->partial = TAKE(locking->partial);
	job->done = locking->done;
	job->job.report = grant_report;
	locking_free(locking);
	job_submit(&job->job);
}

static int take_paths(struct locking *locking, const struct buf *out, struct err *err)
{
	struct ds_partial *lock = &locking->partial->lock;
	const char *path = buf_bytes(out), *end = path + out->length;

	for (; path < end; path += strlen(path) + 1) {
		const char **nodes = (const char **)lock->nodes;

		if (map_get_str(&locking->known, path))
			continue;
		if (lock->node_count == NODES_MAX)
			return err_tagged(err, ERR_TAG_TOO_BIG, NULL,
				"a partial lock has at most %d nodes", NODES_MAX);
		ARRAY_GROW(nodes, lock->node_count, locking->room);
		nodes[lock->node_count] = xstrdup(path);
		lock->nodes = nodes;
		map_put_str(
			&locking->known, nodes[lock->node_count], (char *)nodes[lock->node_count]);
		lock->node_count++;
	}
	return 0;
}

static void evaluate_next(struct locking *locking);

static void on_paths(struct buf *out, const struct err *err, void *arg)
{
	struct locking *locking = arg;
	_cleanup_err_ struct err failure = { 0 };

	if (err)
		err_copy(&failure, err);
	if (err && err->code == -EDOM)
		(void)err_app_tag(&failure, "not-a-node-set");
	if (err || take_paths(locking, out, &failure) < 0) {
		locking->done(NULL, &failure, locking->arg);
		locking_free(locking);
		return;
	}
	locking->at++;
	evaluate_next(locking);
}

static void evaluate_next(struct locking *locking)
{
	const struct ds_partial *lock = &locking->partial->lock;
	struct ds_read read = {
		.ds = DS_RUNNING,
		.content = DS_CONTENT_CONFIG,
		.is_paths = true,
	};

	if (locking->at == lock->select_count) {
		submit_grant(locking);
		return;
	}
	read.xpath = xstrdup(lock->selects[locking->at]);
	ds_read(&locking->client, &read, on_paths, locking);
}

void ds_partial_lock(
	const struct ds_client *client, char **selects, size_t count, ds_partial_fn done, void *arg)
{
	struct locking *locking = XNEW(struct locking);

	locking->client = *client;
	locking->client.user = xstrdup(client->user);
	locking->partial = XNEW(struct partial);
	locking->partial->lock.session = client->session;
	locking->partial->lock.selects = (const char *const *)selects;
	locking->partial->lock.select_count = count;
	locking->done = done;
	locking->arg = arg;
	list_append(&lockings, &locking->link);
	evaluate_next(locking);
}

void partial_forget(void *arg)
{
	struct locking *locking, *next;

	LIST_FOREACH_SAFE (locking, next, &lockings, link) {
		if (locking->arg == arg)
			locking_free(locking);
	}
}

int ds_partial_unlock(const struct ds_client *client, uint32_t id, struct err *err)
{
	struct partial *partial;

	LIST_FOREACH (partial, &partials.locks, link) {
		if (partial->lock.id != id || partial->lock.session != client->session)
			continue;
		drop(partial);
		return 0;
	}
	return err_tagged(
		err, ERR_TAG_INVALID_VALUE, NULL, "this session holds no lock %u", (unsigned)id);
}

void partial_done(void)
{
	struct partial *partial, *next;
	struct locking *locking, *following;

	LIST_FOREACH_SAFE (locking, following, &lockings, link)
		locking_free(locking);
	LIST_FOREACH_SAFE (partial, next, &partials.locks, link)
		drop(partial);
}
