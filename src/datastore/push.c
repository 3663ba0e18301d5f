/*
 * A subscription to changes keeps what it was told. A change marks where it is (push-index.c says for
 * whom), the part of the filter that is about it is read like any other request, compared with what was
 * told, and the difference is what is told next: at once, or when the dampening period is over. So what is
 * sent is always what the client would have read, and what it may not read is never in it.
 *
 * One read is under way at a time, for all subscriptions; marks that come meanwhile gather, and so they do
 * while the reader has not taken what was sent before. When that takes too long, the subscription is
 * suspended, forgets its marks, and begins with everything when its reader is back. So it is when what it
 * keeps has no room (push-room.c): then it begins when there is room, and is told so once all of it is read.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "../yang/compat.h"
#include "push-diff.h"
#include "push-index.h"
#include "push-room.h"
#include "push-rows.h"
#include "push-scope.h"
#include "push-units.h"
#include "push-watch.h"
#include "schema.h"
#include "show.h"
#include "xpath.h"

#define MARKS_MAX     256 /* of one subscription; beyond, everything is read */
#define STEPS_MAX     64
#define RETRY_MS      1000
#define BLOCKED_MS    3000  /* of waiting for a slow reader */
#define TOLD_PER_BYTE 4	    /* of a tree, for each byte of its text */
#define SHARE	      5	    /* of the time, at most one such part goes into one subscription */
#define BURST_US      20000 /* but for so much at once, when there was nothing to do before */

struct mark {
	struct list link; /* in the order in which they were made */
	char *path;
};

struct push {
	struct push_watcher watcher; /* first */
	struct list link, due;
	struct push_opts opts;
	struct ds_filter
		*filter; /* the filter, if it can be cut to size; NULL: xpath, or everything */

	/* Periodic. */
	struct loop_timer *timer; /* of the next update, the dampening period, or another try */
	struct timespec next;

	/* On change. */
	struct lyd_node *told;
	struct push_rows rows; /* what told leaves out */
	struct push_share share;
	struct map marks; /* path → struct mark * */
	struct list mark_order;
	bool is_all_marked;
	bool is_synced;	   /* told is what there is, but for the marks */
	bool wants_update; /* the next read is sent as a whole */
	bool is_dampened;
	uint64_t spent_us; /* on it, beyond its share of the time until then */
	uint64_t spent_at_us;
	struct push_edits edits;
	uint32_t patch_id;

	bool is_blocked; /* waits for push_resume(): the timer runs */
	bool is_suspended;
	bool is_starved; /* suspended for want of room: it may read */
};

static struct {
	struct list all, due;
	struct push *reading; /* whose read is under way; NULL: nobody's, or it is gone */
	bool is_reading;
	size_t observers; /* of operational changes */
	bool is_held;	  /* a transaction is not through with its marks */
	char **scopes;	  /* of that read; NULL: everything */
	size_t scope_count;
	struct ds_rows rows; /* in what is read */
	uint64_t read_began_us;
	size_t whole_size[DS_OPERATIONAL + 1]; /* what one with everything took last */
	struct loop_task *task;
} push_all = { .all = LIST_INIT(push_all.all), .due = LIST_INIT(push_all.due) };

static char reader; /* its address is the reads' argument */

bool push_has_changes(enum ds ds)
{
	return ds == DS_RUNNING || ds == DS_OPERATIONAL;
}

/* Does what the element selects, at or below its node, tell of its changes? */
static bool can_change(
	struct ds_filter *filter, struct filter *element, const struct lysc_node *parent)
{
	if (!element->has_outputs)
		return true;
	for (struct filter *child = element->children; child; child = child->next) {
		const struct lysc_node *const *schemas;
		size_t count =
			child->is_output ? filter_schemas(filter, child, parent, &schemas) : 0;

		for (size_t i = 0; i < count; i++) {
			const struct snode *snode = schema_of(schemas[i]);

			if (snode && !snode->is_silent && can_change(filter, child, schemas[i]))
				return true;
		}
	}
	return false;
}

bool push_filter_can_change(const struct notify_filter *filter)
{
	_cleanup_(ds_filter_freep) struct ds_filter *simple = NULL;

	(void)show_root(); /* knows some that are silent */
	if (filter->subtree)
		return can_change(filter->subtree, filter->subtree->root, NULL);
	if (filter->xpath && xpath_filter(filter->xpath, &simple, NULL) > 0)
		return can_change(simple, simple->root, NULL);
	return true;
}

static void schedule(void)
{
	if (push_all.task)
		loop_task_schedule(push_all.task);
}

static void make_due(struct push *push)
{
	if (!push->due.next)
		list_append(&push_all.due, &push->due);
	schedule();
}

/* --- marks ------------------------------------------------------------------------------------ */

static void forget_marks(struct push *push)
{
	struct mark *mark, *next;

	LIST_FOREACH_SAFE (mark, next, &push->mark_order, link) {
		free(mark->path);
		free(mark);
	}
	list_init(&push->mark_order);
	map_done(&push->marks);
	push->marks = (struct map){ 0 };
	push->is_all_marked = false;
}

/* What changes while it is suspended is read later; but a read that is under way was before. */
static bool is_deaf(const struct push *push)
{
	return push->is_suspended && !(push->is_starved && push == push_all.reading);
}

static void mark_all(struct push *push)
{
	forget_marks(push);
	push->is_all_marked = true;
	if (!is_deaf(push))
		make_due(push);
}

/* Something has changed at @path. */
static void mark_path(struct push *push, const char *path)
{
	char *scope;
	struct mark *mark;

	if (push->is_all_marked || is_deaf(push))
		return;
	scope = push->opts.filter.xpath || (push->filter && !push_scope_is_narrow(push->filter)) ||
			push->marks.count >= MARKS_MAX
		? NULL
		: push_scope_path(push->filter, path);
	if (!scope) {
		mark_all(push);
		return;
	}
	if (map_get_str(&push->marks, scope)) {
		free(scope);
		return;
	}
	mark = XNEW(struct mark);
	mark->path = scope;
	map_put_str(&push->marks, mark->path, mark);
	list_append(&push->mark_order, &mark->link);
	make_due(push);
}

/* --- told ------------------------------------------------------------------------------------- */

static void drop_told(struct push *push)
{
	lyd_free_all(TAKE(push->told));
	push_rows_done(&push->rows);
	push->is_synced = false;
}

static void forget_told(struct push *push)
{
	drop_told(push);
	push_room_give(&push->share);
}

/* What the text at hand takes when it is kept. */
static size_t told_size_of(const struct buf *text)
{
	size_t size = text->length * TOLD_PER_BYTE;

	for (size_t i = 0; i < push_all.rows.count; i++)
		size -= (push_all.rows.list[i].end - push_all.rows.list[i].start) *
			(TOLD_PER_BYTE - 1);
	return size;
}

/* Such read about the same, and what that takes is known. */
static bool is_everything(const struct notify_filter *filter)
{
	return !filter->subtree && !filter->xpath;
}

bool push_is_full(enum ds ds, const struct notify_filter *filter)
{
	return is_everything(filter) && !push_room_fits(NULL, push_all.whole_size[ds]);
}

static void on_woken(struct push_share *share)
{
	struct push *push = CONTAINER_OF(share, struct push, share);

	push->wants_update = true;
	make_due(push);
}

/* What was read, but for what push_rows keep. */
static int parse(const struct push *push, const struct buf *text, struct lyd_node **ret_tree,
	struct err *err)
{
	_cleanup_(buf_done) struct buf rest = { 0 };
	bool is_json = push->opts.format == FORMAT_JSON;

	*ret_tree = NULL;
	if (!text->length)
		return 0;
	(void)!buf_append_str(&rest, is_json ? "{" : ""); /* no ceiling */
	push_rows_cut(text, &push_all.rows, &rest);
	(void)!buf_append_str(&rest, is_json ? "}" : "");
	if (lyd_parse_data_mem(yang_ctx(), buf_bytes(&rest), is_json ? LYD_JSON : LYD_XML,
		    LYD_PARSE_ONLY, 0, ret_tree) != LY_SUCCESS)
		return yang_err(err, -EIO);
	return 0;
}

/* Keeps the rows of what was read; with @edits what differs is to be told. False: there are too many. */
static bool take_rows(struct push *push, const struct buf *text, const struct lyd_node *now,
	struct push_edits *edits)
{
	bool is_all = true;

	for (size_t i = 0; i < push_all.scope_count; i++)
		push_rows_retain(&push->rows, push_all.scopes[i], &push_all.rows);
	if (!push_all.scope_count)
		push_rows_retain(&push->rows, NULL, &push_all.rows);
	for (size_t i = 0; i < push_all.rows.count; i++) {
		if (push_rows_put(&push->rows, text, &push_all.rows, i) && edits)
			is_all &= push_diff_rows(edits, now, push_all.rows.list[i].path);
	}
	return is_all;
}

static struct lyd_node *find(struct lyd_node *tree, const char *path)
{
	struct lyd_node *node = NULL;

	if (tree && lyd_find_path(tree, path, 0, &node) == LY_SUCCESS)
		return node;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return NULL;
}

/* What was read takes the place of what was told there. */
static int merge_told(struct push *push, struct lyd_node *now, struct err *err)
{
	for (size_t i = 0; i < push_all.scope_count; i++) {
		struct lyd_node *old = find(push->told, push_all.scopes[i]);

		if (!old)
			continue;
		if (old == push->told)
			push->told = old->next;
		lyd_free_tree(old);
	}
	if (now && lyd_merge_siblings(&push->told, now, LYD_MERGE_DESTRUCT) != LY_SUCCESS)
		return yang_err(err, -EIO);
	return 0;
}

/* --- suspension --------------------------------------------------------------------------------- */

static void suspend(struct push *push, enum push_trouble trouble)
{
	bool was_suspended = push->is_suspended;

	if (was_suspended && !push->is_starved)
		return;
	push->is_suspended = true;
	push->is_starved = trouble == PUSH_TOO_BIG;
	list_remove(&push->due);
	loop_timer_stop(push->timer);
	push->is_dampened = push->is_blocked = push->wants_update = false;
	forget_marks(push);
	push_edits_done(&push->edits);
	forget_told(push);
	if (push->is_starved)
		push_room_wait(&push->share);
	else
		push_room_leave(&push->share);
	if (!was_suspended)
		push->opts.suspended(trouble, push->opts.arg);
}

/* Is there room for a message? If there is not, it waits for that. */
static bool is_ready(struct push *push)
{
	if ((push->is_suspended && !push->is_starved) || push->is_blocked)
		return false;
	if (push->opts.is_ready(push->opts.arg))
		return true;
	push->is_blocked = true;
	push->is_dampened = false;
	/* The timer of periods goes on: when the next is due, it is too late for this one. */
	if (push->opts.is_on_change)
		loop_timer_start(push->timer, BLOCKED_MS);
	return false;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void dampen(struct push *push)
{
	if (!push->opts.dampening_cs)
		return;
	push->is_dampened = true;
	loop_timer_start(push->timer, (uint64_t)push->opts.dampening_cs * 10);
}

/* May free it. */
static void send_changes(struct push *push)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_err_ struct err err = { 0 };
	uint32_t patch_id;

	if (!push->edits.live || push->is_dampened || !is_ready(push))
		return;
	if (push_edits_print(
		    &push->edits, push->told, &push->rows, push->opts.format, &text, &err) < 0) {
		log_warning("push", "%s", err_text(&err));
		push->wants_update = true;
		mark_all(push);
		return;
	}
	push_edits_done(&push->edits);
	patch_id = push->patch_id++;
	dampen(push);
	push->opts.changes(notify_now(), patch_id, &text, push->opts.arg);
}

static void send_update(struct push *push, struct buf *contents, bool is_incomplete)
{
	if (is_ready(push))
		push->opts.update(notify_now(), contents, is_incomplete, push->opts.arg);
	else
		push->wants_update = true;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void forget_scopes(void)
{
	for (size_t i = 0; i < push_all.scope_count; i++)
		free(push_all.scopes[i]);
	free(push_all.scopes);
	push_all.scopes = NULL;
	push_all.scope_count = 0;
	ds_rows_done(&push_all.rows);
}

static void retry(struct push *push, const struct err *err)
{
	log_debug("push", "%s", err_text(err));
	push->is_all_marked = push->wants_update = true;
	loop_timer_start(push->timer, RETRY_MS);
}

static bool take_room(struct push *push, size_t size)
{
	if (!push_room_take(&push->share, size)) {
		suspend(push, PUSH_TOO_BIG);
		return false;
	}
	if (!push->filter && is_everything(&push->opts.filter))
		push_all.whole_size[push->opts.ds] = size;
	return true;
}

/* It has what it lacked, and goes on with that. May free it. */
static void revive(struct push *push)
{
	push->is_suspended = push->is_starved = false;
	push->opts.resumed(push->opts.arg);
}

/* Everything was read. */
static void take_whole(struct push *push, struct buf *out)
{
	_cleanup_err_ struct err err = { 0 };
	struct lyd_node *now = NULL;
	struct push_rows rows;
	bool is_update = push->wants_update;
	bool is_too_many = false;

	if (!take_room(push, told_size_of(out)))
		return;
	if (parse(push, out, &now, &err) < 0) {
		retry(push, &err);
		return;
	}
	if (push->is_synced && !is_update)
		is_too_many = !push_diff(&push->edits, push->told, now, NULL);
	is_too_many |=
		!take_rows(push, out, now, push->is_synced && !is_update ? &push->edits : NULL);
	rows = push->rows;
	push->rows = (struct push_rows){ 0 };
	drop_told(push);
	push->told = now;
	push->rows = rows;
	push->is_synced = true;
	push->wants_update = false;
	if (push->is_starved)
		revive(push);
	if (push_all.reading != push)
		return;
	if (!is_update && !is_too_many) {
		send_changes(push);
		return;
	}
	push_edits_done(&push->edits);
	push->patch_id = 0;
	dampen(push);
	send_update(push, out, false);
}

static void take_part(struct push *push, struct buf *out)
{
	_cleanup_err_ struct err err = { 0 };
	struct lyd_node *now = NULL;
	bool is_all = true;
	int r = parse(push, out, &now, &err);

	for (size_t i = 0; r == 0 && is_all && i < push_all.scope_count; i++)
		is_all = push_diff(&push->edits, push->told, now, push_all.scopes[i]);
	if (r == 0 && is_all)
		is_all = take_rows(push, out, now, &push->edits);
	if (r == 0 && is_all)
		r = merge_told(push, TAKE(now), &err);
	lyd_free_all(now);
	if (r < 0) {
		retry(push, &err);
	} else if (!is_all) {
		push->wants_update = true;
		mark_all(push);
	} else {
		send_changes(push);
	}
}

static void take_periodic(struct push *push, struct buf *out)
{
	struct buf none = { 0 };

	send_update(push, out ? out : &none, !out);
}

static void spend(struct push *push, uint64_t now_us, uint64_t time_us)
{
	uint64_t share_us = (now_us - push->spent_at_us) / SHARE;

	push->spent_us = push->spent_us > share_us ? push->spent_us - share_us : 0;
	push->spent_us += time_us;
	push->spent_at_us = now_us;
}

static void take(struct push *push, struct buf *out, const struct err *err)
{
	if (!push->opts.is_on_change)
		take_periodic(push, out);
	else if (push->is_suspended && !push->is_starved)
		return; /* meanwhile; it begins anew */
	else if (err)
		retry(push, err);
	else if (push_all.scopes)
		take_part(push, out);
	else
		take_whole(push, out);
}

static void on_read(struct buf *out, const struct err *err, void *arg)
{
	struct push *push = push_all.reading;
	uint64_t now_us;

	push_all.is_reading = false;
	if (push)
		take(push, out, err);
	/* To compare and send is as much work as to read; afterwards it may be gone. */
	now_us = clock_us();
	if (push_all.reading)
		spend(push, now_us, now_us - push_all.read_began_us);
	push_all.reading = NULL;
	forget_scopes();
	schedule();
}

/* The marks become the scopes of the read that is about to begin. */
static int take_marks(struct push *push, struct ds_read *read, struct err *err)
{
	struct ds_filter *narrow = filter_new();
	struct mark *mark;
	int r = 0;

	push_all.scopes = xcalloc(push->marks.count, sizeof(*push_all.scopes));
	LIST_FOREACH (mark, &push->mark_order, link) {
		push_all.scopes[push_all.scope_count++] = xstrdup(mark->path);
		if (r == 0)
			r = push_scope_add(narrow, push->filter, mark->path, err);
	}
	forget_marks(push);
	read->subtree = narrow;
	return r;
}

static int take_all(struct push *push, struct ds_read *read, struct err *err)
{
	forget_marks(push);
	if (push->filter) {
		read->subtree = push_scope_copy(push->filter, err);
		return read->subtree ? 0 : -EINVAL;
	}
	read->xpath = xstrdup(push->opts.filter.xpath);
	return 0;
}

static void start_read(struct push *push)
{
	struct ds_read read = {
		.ds = push->opts.ds,
		.is_in_use = push->opts.ds == DS_OPERATIONAL,
		.content = DS_CONTENT_ALL,
		.format = push->opts.format,
		.is_for_changes = push->opts.is_on_change,
		.rows = push->opts.is_on_change ? &push_all.rows : NULL,
	};
	_cleanup_err_ struct err err = { 0 };
	bool is_part = push->opts.is_on_change && push->is_synced && !push->is_all_marked &&
		!push->wants_update;
	int r = is_part ? take_marks(push, &read, &err) : take_all(push, &read, &err);

	if (r < 0) {
		ds_filter_free(read.subtree);
		forget_scopes();
		if (is_part)
			mark_all(push);
		else
			retry(push, &err);
		return;
	}
	push_all.reading = push;
	push_all.is_reading = true;
	push_all.read_began_us = clock_us();
	ds_read(&push->opts.client, &read, on_read, &reader);
}

static bool has_work(const struct push *push)
{
	return !push->opts.is_on_change || push->is_all_marked || push->marks.count ||
		push->wants_update;
}

/*
 * One that costs more than its share waits: changes that come one by one, each of which asks for much to be
 * read, are told together.
 */
static bool rests(struct push *push)
{
	uint64_t now_us = clock_us();

	if (!push->opts.is_on_change || push->is_dampened)
		return false;
	spend(push, now_us, 0);
	if (push->spent_us <= BURST_US)
		return false;
	loop_timer_start(push->timer, (push->spent_us - BURST_US) * SHARE / 1000 + 1);
	return true;
}

static void work(void *arg)
{
	while (!push_all.is_reading && !push_all.is_held && !list_empty(&push_all.due)) {
		struct push *push = CONTAINER_OF(push_all.due.next, struct push, due);

		list_remove(&push->due);
		if (has_work(push) && is_ready(push) && !rests(push))
			start_read(push);
		if (loop_should_yield() && !push_all.is_reading) {
			schedule();
			return;
		}
	}
}

/* --- times ------------------------------------------------------------------------------------ */

#define NS_PER_S  1000000000LL
#define NS_PER_CS 10000000LL

static struct timespec after(struct timespec when, int64_t ns)
{
	when.tv_sec += (time_t)(ns / NS_PER_S);
	when.tv_nsec += (long)(ns % NS_PER_S);
	if (when.tv_nsec >= NS_PER_S) {
		when.tv_nsec -= NS_PER_S;
		when.tv_sec++;
	}
	return when;
}

/* The first moment after now that is whole periods away from the anchor, which may be yet to come. */
static struct timespec next_moment(struct timespec anchor, uint32_t period_cs)
{
	struct timespec now = notify_now();
	int64_t period = period_cs * NS_PER_CS, seconds = (int64_t)now.tv_sec - anchor.tv_sec;
	/* Whole periods are left out before anything can overflow: 100 of them are whole seconds. */
	int64_t since = seconds % period_cs * NS_PER_S + now.tv_nsec - anchor.tv_nsec;
	int64_t into = (since % period + period) % period;

	return after(now, period - into);
}

static void on_timer(void *arg)
{
	struct push *push = arg;

	if (push->is_blocked) {
		suspend(push, PUSH_SLOW);
		return;
	}
	if (push->opts.is_on_change) {
		bool was_dampened = push->is_dampened;

		push->is_dampened = false;
		if (has_work(push))
			make_due(push);
		else if (was_dampened)
			send_changes(push);
		return;
	}
	push->next = next_moment(push->next, push->opts.period_cs);
	loop_timer_start(push->timer, notify_time_left_ms(push->next));
	make_due(push);
}

static void begin_periods(struct push *push)
{
	if (push->opts.has_anchor) {
		push->next = next_moment(push->opts.anchor, push->opts.period_cs);
		loop_timer_start(push->timer, notify_time_left_ms(push->next));
		return;
	}
	push->next = after(notify_now(), push->opts.period_cs * NS_PER_CS);
	loop_timer_start(push->timer, (uint64_t)push->opts.period_cs * 10);
	make_due(push);
}

/* --- changes ---------------------------------------------------------------------------------- */

struct finding {
	const char *path;
	const struct edit *edit;
	const struct lyd_node *node;
	char *made;	  /* the path, made when it is asked for */
	bool is_observed; /* in operational alone */
};

static void found(struct push_watcher *watcher, void *arg)
{
	struct push *push = (struct push *)watcher;
	struct finding *finding = arg;

	if (finding->is_observed && push->opts.ds != DS_OPERATIONAL)
		return;
	if (!finding->path)
		finding->path = finding->made = edit_path(finding->edit, finding->node);
	if (finding->path)
		mark_path(push, finding->path);
}

static const struct lyd_node *parent_in_edit(const struct lyd_node *node, void *arg)
{
	return edit_parent(arg, node);
}

static void note_event(const struct edit *edit, const struct edit_event *event)
{
	struct finding finding = { .edit = edit, .node = event->node };
	struct push_step steps[STEPS_MAX];
	size_t count;

	if (event->kind == EDIT_FLAGS || event->kind == EDIT_ANNOTATED || !event->node->schema)
		return;
	count = push_index_way(event->node, parent_in_edit, (void *)edit, steps, STEPS_MAX);
	push_index_find(steps, count, found, &finding);
	free(finding.made);
}

int push_note_edit(const struct edit *edit, size_t *at)
{
	if (push_index_is_empty())
		return 0;
	push_all.is_held = true;
	while (*at < edit->count) {
		note_event(edit, &edit->events[(*at)++]);
		if (loop_should_yield() && *at < edit->count)
			return 1;
	}
	return 0;
}

void push_note_end(void)
{
	if (!push_all.is_held)
		return;
	push_all.is_held = false;
	if (!list_empty(&push_all.due))
		schedule();
}

static void note_unit(struct push_step *steps, size_t count, const char *path, void *arg)
{
	struct finding finding = { .path = path, .is_observed = true };

	push_index_find(steps, count, found, &finding);
}

static void on_observed(const struct object *was, const struct object *now, void *arg)
{
	push_units_each(was, now, note_unit, NULL);
}

void push_note_access(void)
{
	struct push *push;

	LIST_FOREACH (push, &push_all.all, link) {
		if (push->opts.is_on_change && !push->opts.client.is_recovery && !is_deaf(push))
			mark_all(push);
	}
}

/* An expression that only libyang can evaluate: whatever is below what it names at the top concerns it. */
static void watch_expression(struct push *push)
{
	struct ly_set *atoms = NULL;

	if (lys_find_xpath_atoms(yang_ctx(), NULL, push->opts.filter.xpath, 0, &atoms) !=
		LY_SUCCESS) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		push_index_add(&push->watcher, NULL);
		return;
	}
	for (uint32_t i = 0; i < atoms->count; i++) {
		const struct lysc_node *schema = atoms->snodes[i];

		while (schema->parent)
			schema = schema->parent;
		push_index_add_schema(&push->watcher, schema);
	}
	ly_set_free(atoms, NULL);
}

/* --- life ------------------------------------------------------------------------------------- */

/* Is it concerned by what is observed? Others watch objects as long as there are such. */
static void count_observer(const struct push *push, bool begins)
{
	if (!push->opts.is_on_change || push->opts.ds != DS_OPERATIONAL)
		return;
	push_all.observers += begins ? 1 : (size_t)-1;
	have_on_change(push_all.observers ? on_observed : NULL, NULL);
}

static void begin(struct push *push)
{
	struct notify_filter *filter = &push->opts.filter;

	push->filter = TAKE(filter->subtree);
	if (filter->xpath && xpath_filter(filter->xpath, &push->filter, NULL) > 0)
		free(TAKE(filter->xpath));
	push->edits.excluded = push->opts.excluded;
	count_observer(push, true);
	if (!push->opts.is_on_change) {
		begin_periods(push);
		return;
	}
	if (filter->xpath)
		watch_expression(push);
	else
		push_index_add(&push->watcher, push->filter);
	/* What it will take counts from now on, if it is known; the read finds out. */
	if (!push->filter && is_everything(filter))
		(void)push_room_take(&push->share, push_all.whole_size[push->opts.ds]);
	push->wants_update = push->opts.sync_on_start;
	mark_all(push);
}

static void end(struct push *push)
{
	count_observer(push, false);
	list_remove(&push->due);
	loop_timer_stop(push->timer);
	push_index_remove(&push->watcher);
	forget_marks(push);
	push_edits_done(&push->edits);
	push_room_leave(&push->share);
	forget_told(push);
	ds_filter_free(TAKE(push->filter));
	free(TAKE(push->opts.filter.xpath));
	push->is_dampened = push->is_blocked = push->wants_update = false;
	push->patch_id = 0;
	if (push_all.reading == push)
		push_all.reading = NULL;
}

struct push *push_new(struct push_opts *opts)
{
	struct push *push = XNEW(struct push);

	push->opts = *opts;
	opts->filter = (struct notify_filter){ 0 };
	push->opts.client.user = xstrdup(opts->client.user ? opts->client.user : "");
	push->opts.client.host = push->opts.client.comment = NULL;
	list_init(&push->mark_order);
	push->share.woken = on_woken;
	push->timer = loop_timer_new("push", on_timer, push);
	if (!push_all.task)
		push_all.task = loop_task_new("push", work, NULL);
	list_append(&push_all.all, &push->link);
	begin(push);
	return push;
}

void push_free(struct push *push)
{
	if (!push)
		return;
	end(push);
	list_remove(&push->link);
	loop_timer_free(push->timer);
	free((char *)push->opts.client.user);
	free(push);
	if (list_empty(&push_all.all))
		loop_task_free(TAKE(push_all.task));
}

void push_modify(struct push *push, struct push_opts *opts)
{
	struct push_opts former = push->opts;

	end(push);
	push->opts = *opts;
	opts->filter = (struct notify_filter){ 0 };
	push->opts.client = former.client;
	push->is_suspended = push->is_starved = false;
	begin(push);
	if (push->opts.is_on_change)
		push->wants_update = true; /* the frame of reference is another */
}

bool push_resync(struct push *push)
{
	if (push->is_starved && !push_room_fits(&push->share, push->share.wanted))
		return false;
	push->wants_update = true;
	if (!push->is_suspended || push->is_starved)
		make_due(push);
	return true;
}

static void unblock(struct push *push)
{
	push->is_blocked = false;
	if (push->opts.is_on_change)
		loop_timer_stop(push->timer);
	if (has_work(push))
		make_due(push);
	else
		send_changes(push);
}

void push_resume(struct push *push)
{
	if (push->is_blocked) {
		unblock(push);
		return;
	}
	if (!push->is_suspended || push->is_starved)
		return;
	push->is_suspended = false;
	if (push->opts.is_on_change) {
		push->wants_update = true;
		mark_all(push);
	} else {
		push->next = next_moment(push->next, push->opts.period_cs);
		loop_timer_start(push->timer, notify_time_left_ms(push->next));
	}
	push->opts.resumed(push->opts.arg);
}
