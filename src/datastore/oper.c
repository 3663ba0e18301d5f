/*
 * Reads. Most are one walk over the tree (walk.c), in slices: as much as a turn of the loop allows, then
 * the rest in further turns, while everything else waits.
 *
 * Those that nobody shall wait for run in a forked child, which has a copy of everything and whose output
 * is the text: walks that have not ended after a few slices; an XPath expression that is not of the simple
 * kind (libyang evaluates it, in a time that nobody can foretell); a large startup file, which has to be
 * parsed. A few children run at a time, fewer for one user (read-room.c); the reads that wait for one hold
 * nothing. Whose peer takes next to nothing of its answer while others wait has it broken off.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ashlar/child.h"
#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/list.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "../yang/compat.h"
#include "access.h"
#include "candidate.h"
#include "evaluate.h"
#include "factory.h"
#include "fields.h"
#include "oper.h"
#include "persist.h"
#include "read-room.h"
#include "store.h"
#include "walk.h"
#include "xpath.h"

#define STARTUP_BYTES_MAX 32768		/* of a startup file that is parsed within a turn */
#define HERE_BYTES_MAX	  (1024 * 1024) /* of an answer that can come in parts */
#define CHILD_DEADLINE_MS 10000
#define CHILD_OUTPUT_MAX  (256 * 1024 * 1024)
#define LOOK_MS		  100	 /* between looks for room, as long as any read waits for it */
#define WAIT_MS		  300000 /* for room */
/* Of a walk, before a child begins it anew; one, where it will wait for that. */
#define SLICES_MAX   5
#define STEPS_HERE   16384 /* of a walk that no child does, however slow the machine is */
#define STATUS_ERROR 2	   /* of a child: its output is the error */

struct read {
	struct list link;
	const struct ds_read *request;
	ds_read_fn done;
	void (*detached)(void *arg);
	void *arg;
	char *user;
	struct access *access;
	struct ds_filter *filter; /* NULL: everything */
	bool is_own_filter;
	bool is_path;			   /* the filter has a target */
	const struct lysc_node *page_list; /* of which a page is read; NULL: everything is */
	bool is_general;		   /* the expression is libyang's to evaluate */
	struct lyd_node *tree;		   /* of a datastore that is no tree in memory */
	struct walk walk;
	struct buf out;
	struct loop_task *task;
	unsigned slices;
	bool is_leaving;  /* to a child, in the next turn */
	bool is_fresh;	  /* what has to be read again for it has been */
	bool is_in_child; /* this is the child's copy */
	bool is_waiting;  /* for room, so that its own child can be made */
	uint64_t waits_since_ms;
	bool has_parts;	 /* of the text are out */
	bool wants_part; /* whoever gets them has room for the next */
	struct child *child;
	struct read_place place; /* taken as long as there is a child */
};

static struct list reads = LIST_INIT(reads);
static struct loop_task *room_task;   /* tells that waiting reads may go on */
static struct loop_timer *room_timer; /* runs as long as any waits */

static void read_free(struct read *read)
{
	list_remove(&read->link);
	read_place_leave(&read->place);
	walk_end(&read->walk);
	child_cancel(read->child);
	loop_task_free(read->task);
	lyd_free_all(read->tree);
	if (read->is_own_filter)
		ds_filter_free(read->filter);
	access_unref(read->access);
	buf_done(&read->out);
	free(read->user);
	free(read);
}

/* Answers. What it held is gone by then: the callback may start the next one. */
static void finish(struct read *read, const struct err *err)
{
	_cleanup_(buf_done) struct buf out = read->out;
	ds_read_fn done = read->done;
	void *arg = read->arg;

	buf_init(&read->out, 0);
	read_free(read);
	done(err ? NULL : &out, err, arg);
}

/* --- what is asked ---------------------------------------------------------------------------- */

static int take_path(struct read *read, struct err *err)
{
	const char *path = read->request->path ? read->request->path : "/";
	const struct lysc_node *schema;
	struct filter *target;
	int r = xpath_path(path, &read->filter, &target, &schema, err);

	if (r < 0)
		return r;
	read->is_own_filter = true;
	read->is_path = target != NULL;
	if (read->request->fields)
		return fields_parse(read->request->fields, read->filter,
			target ? target : read->filter->root, schema, err);
	if (!target)
		ds_filter_free(TAKE(read->filter));
	return 0;
}

static int take_xpath(struct read *read, struct err *err)
{
	const char *xpath = read->request->xpath + strspn(read->request->xpath, " \t\r\n");
	int r;

	if (strlen(xpath) > XPATH_SIZE_MAX)
		return err_tagged(err, ERR_TAG_TOO_BIG, NULL,
			"an expression has at most %u characters", XPATH_SIZE_MAX);
	if (read->request->is_paths) {
		read->is_general = true;
		return 0;
	}
	if (*xpath == '/' && !xpath[1 + strspn(xpath + 1, " \t\r\n")])
		return 0; /* the root: everything */
	r = xpath_filter(xpath, &read->filter, err);
	read->is_own_filter = r > 0;
	read->is_general = r == 0;
	return r < 0 ? r : 0;
}

static int take_page(struct read *read, struct err *err)
{
	if (!read->request->limit && !read->request->offset)
		return 0;
	read->page_list = read->filter && !read->is_general ? filter_list(read->filter) : NULL;
	return read->page_list
		? 0
		: err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
			  "limit and offset are of one list, and what is asked for leads to none "
			  "or to more, or is an expression that is no path");
}

static int take_request(struct read *read, struct err *err)
{
	const struct ds_read *request = read->request;

	if (request->path || (request->fields && !request->xpath && !request->subtree))
		return take_path(read, err);
	if (request->fields)
		return err_set(err, -EINVAL, NULL, "a filter and fields exclude each other");
	if (request->xpath)
		return take_xpath(read, err);
	read->filter = request->subtree;
	return 0;
}

/* --- the walk --------------------------------------------------------------------------------- */

bool oper_shows_defaults(enum with_defaults defaults)
{
	return defaults == WITH_DEFAULTS_ALL || defaults == WITH_DEFAULTS_ALL_TAGGED;
}

/* What is in use is shown whether it was set or not (RFC 8526 section 3.1.1.2). */
enum with_defaults oper_defaults(const struct ds_read *request)
{
	return request->is_in_use && request->defaults == WITH_DEFAULTS_EXPLICIT
		? WITH_DEFAULTS_ALL
		: request->defaults;
}

/* Startup and factory are parsed, the candidate is copied (in a child) when it is to have defaults. */
/* Whether load_tree() makes a tree for it. */
static bool is_loaded(const struct read *read)
{
	const struct ds_read *request = read->request;

	return request->ds == DS_STARTUP || request->ds == DS_FACTORY ||
		(request->ds == DS_CANDIDATE && candidate_is_edited() &&
			oper_shows_defaults(request->defaults));
}

static const struct lyd_node *source_tree(const struct read *read)
{
	if (is_loaded(read))
		return read->tree;
	return read->request->ds == DS_CANDIDATE ? candidate_tree() : *store_running();
}

/* Such a tree is not validated: it has no defaults yet. */
static int load_tree(struct read *read, struct err *err)
{
	bool has_defaults = oper_shows_defaults(read->request->defaults);
	int r = 0;

	if (read->request->ds == DS_STARTUP)
		r = persist_startup_tree(&read->tree, err);
	else if (read->request->ds == DS_FACTORY)
		r = factory_tree(&read->tree, err);
	else if (candidate_tree() &&
		lyd_dup_siblings(candidate_tree(), NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS,
			&read->tree) != LY_SUCCESS)
		r = yang_err(err, -EIO);
	if (r < 0 || !has_defaults)
		return r;
	if (lyd_new_implicit_all(&read->tree, yang_ctx(), LYD_IMPLICIT_NO_STATE, NULL) !=
		LY_SUCCESS)
		return yang_err(err, -EIO);
	return 0;
}

static void start_walk(struct read *read)
{
	const struct ds_read *request = read->request;

	read->walk = (struct walk){
		.tree = source_tree(read),
		.filter = read->filter,
		.access = read->access,
		.content = request->content,
		.depth = request->depth,
		.is_operational = request->ds == DS_OPERATIONAL,
		.can_refresh = !request->is_for_changes && !read->is_in_child,
		.is_for_changes = request->is_for_changes,
		.is_path = read->is_path,
		.is_from_selection = read->filter && !request->path && !request->fields,
		.is_in_use = request->is_in_use,
		.with_origin = request->with_origin,
		.origins = request->origins,
		.page = {
			.list = read->page_list,
			.left_out = request->offset,
			.left = request->limit ? request->limit : UINT64_MAX,
		},
	};
	if (read->walk.is_operational)
		clock_zone_look();
	if (read->filter)
		read->filter->defaults = oper_defaults(request);
	print_init(&read->walk.print, &read->out, request->format, oper_defaults(request));
	read->walk.print.tags_equal = request->is_in_use;
	read->walk.print.rows = request->rows;
	walk_start(&read->walk);
}

static int check_found(struct read *read, struct err *err)
{
	if (!read->is_path || read->walk.has_found)
		return 0;
	err_tagged(err, ERR_TAG_INVALID_VALUE, read->request->path, "%s does not exist",
		read->request->path);
	if (err)
		err->code = -ENOENT;
	return -ENOENT;
}

static void leave_to_child(struct read *read);

static bool has_room(const struct read *read)
{
	return read_room_has(read->user, clock_ms());
}

/* Of the walk at hand: its text, and how long that may get before something is done about it. */
static struct {
	const struct buf *out;
	size_t limit;
} text;

static bool is_full(void)
{
	return text.out->length >= text.limit;
}

static bool should_pause(void)
{
	return is_full() || loop_should_yield();
}

/* What it takes is counted in nodes as well: a machine that is busy, or slow, does not make a read long. */
static bool is_for_child(const struct read *read)
{
	return is_full() ||
		(read->walk.steps >= STEPS_HERE && (read->slices >= SLICES_MAX || !has_room(read)));
}

static void go_on(void *arg);

static void go_on_later(struct read *read)
{
	if (!read->task)
		read->task = loop_task_new("read", go_on, read);
	loop_task_schedule(read->task);
}

/* Ends the walk here; the child is made in a turn of its own, for that takes a while. */
static void prepare_child(struct read *read)
{
	if (read->walk.is_operational)
		show_refresh_asked(&read->walk.show, show_root());
	walk_end(&read->walk);
	buf_clear(&read->out);
	if (read->request->rows)
		ds_rows_done(read->request->rows);
	read->is_fresh = read->is_leaving = true;
	go_on_later(read);
}

/* One slice. */
static void go_on(void *arg)
{
	struct read *read = arg;
	_cleanup_err_ struct err err = { 0 };
	int r;

	if (read->is_leaving) {
		leave_to_child(read);
		return;
	}
	text.out = &read->out;
	text.limit = read->request->part ? HERE_BYTES_MAX : SIZE_MAX;
	r = walk_run(&read->walk, should_pause, &err);
	read->slices++;
	if (r > 0 && is_for_child(read)) {
		prepare_child(read);
		return;
	}
	if (r > 0) {
		go_on_later(read);
		return;
	}
	if (r == 0) {
		/* Before the walk's end: what closes the text is written by it. */
		r = check_found(read, &err);
		walk_end(&read->walk);
	}
	finish(read, r < 0 ? &err : NULL);
}

/* --- the child's side ------------------------------------------------------------------------- */

static int too_long(struct err *err)
{
	return err_tagged(
		err, ERR_TAG_TOO_BIG, NULL, "the answer has more than %u bytes", CHILD_OUTPUT_MAX);
}

static int send_part(struct read *read, struct err *err)
{
	int r = file_write_all(STDOUT_FILENO, buf_bytes(&read->out), read->out.length);

	read->has_parts = true;
	buf_clear(&read->out);
	return r < 0 ? err_set(err, r, NULL, "nobody reads the answer: %s", strerror(-r)) : 0;
}

/* Where parts are taken, each is sent when it is long enough: no more than that is kept. */
static int walk_to_end(struct read *read, struct err *err)
{
	bool is_in_parts = read->request->part != NULL;
	int r;

	text.out = &read->out;
	text.limit = is_in_parts ? DS_PART_BYTES : CHILD_OUTPUT_MAX;
	while ((r = walk_run(&read->walk, is_full, err)) > 0) {
		r = is_in_parts ? send_part(read, err) : too_long(err);
		if (r < 0)
			return r;
	}
	return r;
}

static int read_in_child(struct read *read, struct err *err)
{
	const struct ds_read *request = read->request;
	int r = is_loaded(read) ? load_tree(read, err) : 0;

	if (r < 0)
		return r;
	if (read->is_general)
		return evaluate(request, source_tree(read), read->access, &read->out, err);
	start_walk(read);
	r = walk_to_end(read, err);
	if (r == 0)
		r = check_found(read, err);
	walk_end(&read->walk);
	return r;
}

int oper_read_now(
	const struct access *access, struct ds_read *request, struct buf *out, struct err *err)
{
	struct read read = {
		.link = LIST_INIT(read.link),
		.request = request,
		.access = (struct access *)access,
	};
	int r = take_request(&read, err);

	if (r == 0)
		r = read_in_child(&read, err);
	*out = read.out;
	if (read.is_own_filter)
		ds_filter_free(read.filter);
	lyd_free_all(read.tree);
	ds_filter_free(request->subtree);
	free(request->xpath);
	return r;
}

/* Ahead of each path of the rows in a child's output. */
struct row_head {
	const struct lysc_node *schema; /* the same in both: the child is a copy of its parent */
	size_t start, end, path_size;
};

/* Behind the text, from the end: its size, and what print noted of it. */
static void put_rows(const struct ds_rows *rows, struct buf *out)
{
	size_t text_size = out->length;

	for (size_t i = 0; i < rows->count; i++) {
		const struct ds_row *row = &rows->list[i];
		struct row_head head = { row->schema, row->start, row->end, strlen(row->path) + 1 };

		(void)!buf_append(out, &head, sizeof(head)); /* no ceiling */
		(void)!buf_append(out, row->path, head.path_size);
	}
	(void)!buf_append(out, &text_size, sizeof(text_size));
}

/* The size of the text. */
static size_t take_rows(struct ds_rows *rows, const char *output, size_t size)
{
	size_t text_size, at;

	if (size < sizeof(text_size))
		return 0;
	size -= sizeof(text_size);
	memcpy(&text_size, output + size, sizeof(text_size));
	for (at = text_size; at < size;) {
		struct row_head head;

		memcpy(&head, output + at, sizeof(head));
		at += sizeof(head);
		ARRAY_GROW(rows->list, rows->count, rows->room);
		rows->list[rows->count++] = (struct ds_row){
			.path = xstrdup(output + at),
			.schema = head.schema,
			.start = head.start,
			.end = head.end,
		};
		at += head.path_size;
	}
	return text_size;
}

/*
 * Its output is the text and its rows, if those are asked for; or "tag code\nmessage", with STATUS_ERROR.
 * When parts of the text are out already, there is no way to tell more than that the rest will not come.
 */
static int child_main(void *arg)
{
	struct read *read = arg;
	struct err err = { 0 };
	int r;

	read->is_in_child = true;
	r = read_in_child(read, &err);
	if (r < 0 && read->has_parts)
		return 1;
	if (r < 0) {
		buf_clear(&read->out);
		r = buf_printf(&read->out, "%s %d\n%s", err_tag_name(err_effective_tag(&err)),
			err.code, err_text(&err));
	} else if (read->request->rows) {
		put_rows(read->request->rows, &read->out);
	}
	if (file_write_all(STDOUT_FILENO, buf_bytes(&read->out), read->out.length) < 0)
		return 1;
	return err.code ? STATUS_ERROR : 0;
}

/* --- the child -------------------------------------------------------------------------------- */

static void parse_error(const char *output, struct err *err)
{
	const char *line = strchr(output, '\n');
	_cleanup_free_ char *tag = xstrndup(output, strcspn(output, " \n"));
	const char *code = strchr(output, ' ');

	err_tagged(err, err_tag_by_name(tag), NULL, "%s", line ? line + 1 : output);
	if (code && atoi(code) < 0)
		err->code = atoi(code);
}

/* The first that waits and has room. */
static struct read *next_waiting(void)
{
	struct read *read;

	LIST_FOREACH (read, &reads, link) {
		if (read->is_waiting && has_room(read))
			return read;
	}
	return NULL;
}

static void tell_room(void)
{
	if (next_waiting())
		loop_task_schedule(room_task);
}

/* The first that waits, and has done so for too long. */
static struct read *next_in_vain(uint64_t now_ms)
{
	struct read *read;

	LIST_FOREACH (read, &reads, link) {
		if (read->is_waiting && now_ms - read->waits_since_ms >= WAIT_MS)
			return read;
	}
	return NULL;
}

/* One that has to make room for one that waits. */
static struct read *next_to_leave(uint64_t now_ms)
{
	struct read *read;

	LIST_FOREACH (read, &reads, link) {
		struct read_place *slowest =
			read->is_waiting ? read_room_slowest(read->user, now_ms) : NULL;

		if (slowest)
			return CONTAINER_OF(slowest, struct read, place);
	}
	return NULL;
}

static bool is_anyone_waiting(void)
{
	struct read *read;

	LIST_FOREACH (read, &reads, link) {
		if (read->is_waiting)
			return true;
	}
	return false;
}

/* Peers stop taking their answers, and nothing tells of that. */
static void on_room_timer(void *arg)
{
	_cleanup_err_ struct err late = { 0 }, slow = { 0 };
	uint64_t now_ms = clock_ms();
	struct read *read = next_in_vain(now_ms);

	if (read) {
		err_tagged(&late, ERR_TAG_RESOURCE_DENIED, NULL,
			"too many long answers are being read: try again later");
		finish(read, &late);
	}
	read = next_to_leave(now_ms);
	if (read) {
		err_tagged(&slow, ERR_TAG_RESOURCE_DENIED, NULL,
			"the answer is not being read, and others wait for their turn");
		finish(read, &slow);
	}
	tell_room();
	if (is_anyone_waiting())
		loop_timer_start(room_timer, LOOK_MS);
}

static void on_child_done(const struct child_result *result, void *arg)
{
	struct read *read = arg;
	size_t size = result->output_size;
	_cleanup_err_ struct err err = { 0 };

	read->child = NULL;
	read_place_leave(&read->place);
	tell_room();
	if (result->timed_out)
		err_tagged(&err, ERR_TAG_RESOURCE_DENIED, NULL,
			"the answer takes more than %u seconds to find", CHILD_DEADLINE_MS / 1000);
	else if (result->truncated)
		(void)too_long(&err);
	else if (result->status == STATUS_ERROR)
		parse_error(result->output, &err);
	else if (!result->status && read->request->rows)
		size = take_rows(read->request->rows, result->output, size);
	if (!err.code && (result->status || buf_append(&read->out, result->output, size) < 0))
		err_tagged(&err, ERR_TAG_OPERATION_FAILED, NULL, "reading ended with status %d",
			result->status);
	finish(read, err.code ? &err : NULL);
}

/* The last that is done here: who gets the part may cancel the read. */
static void on_output(struct buf *output, void *arg)
{
	struct read *read = arg;
	_cleanup_(buf_done) struct buf part = { 0 };

	if (!read->wants_part || output->length < DS_PART_BYTES)
		return;
	part = *output;
	buf_init(output, 0);
	read->has_parts = true;
	read->wants_part = false;
	read_place_hold(&read->place, clock_ms());
	read->request->part(&part, read->arg);
}

void oper_more(void *arg)
{
	struct read *read;

	LIST_FOREACH (read, &reads, link) {
		if (read->arg != arg || !read->child)
			continue;
		read->wants_part = true;
		read_place_go_on(&read->place);
		child_go_on(read->child);
		return;
	}
}

static int start_child(struct read *read, struct err *err)
{
	bool is_in_parts = read->request->part && !read->is_general;
	struct child_opts opts = {
		.run = child_main,
		.run_arg = read,
		.output_max = is_in_parts ? 2 * DS_PART_BYTES : CHILD_OUTPUT_MAX,
		.output = is_in_parts ? on_output : NULL,
		.deadline_ms = read->is_general ? CHILD_DEADLINE_MS : 0,
		.done = on_child_done,
		.arg = read,
	};
	int r;

	if (!read->is_fresh && read->request->ds == DS_OPERATIONAL &&
		!read->request->is_for_changes) {
		struct show show;

		show_start(&show, read->filter, NULL, true);
		show_refresh_asked(&show, show_root());
		show_end(&show);
	}
	read->wants_part = is_in_parts;
	r = child_start(&opts, &read->child, err);
	if (r == 0)
		read_place_take(&read->place, read->user, clock_ms());
	return r;
}

/* Starts the child now or when there is room for one; others may change the trees meanwhile. */
static void leave_to_child(struct read *read)
{
	_cleanup_err_ struct err err = { 0 };

	read->is_waiting = !has_room(read);
	if (!read->is_waiting && start_child(read, &err) < 0) {
		finish(read, &err);
		return;
	}
	if (read->is_waiting) {
		read->is_fresh = false;
		read->waits_since_ms = clock_ms();
		loop_timer_start(room_timer, LOOK_MS);
	}
	read->detached(read->arg);
}

void oper_use_room(void)
{
	struct read *read;

	while ((read = next_waiting())) {
		_cleanup_err_ struct err err = { 0 };

		read->is_waiting = false;
		if (start_child(read, &err) < 0)
			finish(read, &err);
	}
}

static bool needs_child(const struct read *read)
{
	_cleanup_free_ char *path = NULL;
	struct stat stat_buf;

	if (read->is_general || !is_loaded(read))
		return read->is_general;
	if (read->request->ds != DS_STARTUP || oper_shows_defaults(read->request->defaults))
		return read->request->ds != DS_FACTORY;
	path = persist_path(0);
	return stat(path, &stat_buf) == 0 && stat_buf.st_size > STARTUP_BYTES_MAX;
}

void oper_read(const struct ds_client *client, struct ds_read *request, ds_read_fn done,
	void (*detached)(void *arg), void *arg)
{
	struct read *read = XNEW(struct read);
	_cleanup_err_ struct err err = { 0 };
	int r;

	read->request = request;
	read->done = done;
	read->detached = detached;
	read->arg = arg;
	read->user = xstrdup(client->user);
	read->access = access_ref(access_of(client));
	list_append(&reads, &read->link);
	r = take_request(read, &err);
	if (r == 0)
		r = take_page(read, &err);
	if (r == 0 && needs_child(read)) {
		leave_to_child(read);
		return;
	}
	if (r == 0 && is_loaded(read))
		r = load_tree(read, &err);
	if (r < 0) {
		finish(read, &err);
		return;
	}
	start_walk(read);
	go_on(read);
}

void oper_cancel(void *arg)
{
	struct read *read, *next;

	LIST_FOREACH_SAFE (read, next, &reads, link) {
		if (read->arg == arg)
			read_free(read);
	}
	tell_room();
}

void oper_init(void (*use_room)(void *arg))
{
	room_task = loop_task_new("read-room", use_room, NULL);
	room_timer = loop_timer_new("read-room", on_room_timer, NULL);
}

void oper_done(void)
{
	struct read *read, *next;

	LIST_FOREACH_SAFE (read, next, &reads, link)
		read_free(read);
	loop_task_free(TAKE(room_task));
	loop_timer_free(TAKE(room_timer));
	show_done();
}
