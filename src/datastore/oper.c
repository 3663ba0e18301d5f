/*
 * Reads. Most are one walk over the tree (walk.c), in slices: as much as a turn of the loop allows, then
 * the rest in further turns, while everything else waits.
 *
 * Those that nobody shall wait for run in a forked child, which has a copy of everything and whose output
 * is the text: walks that have not ended after a few slices; an XPath expression that is not of the simple
 * kind (libyang evaluates it, in a time that nobody can foretell); a large startup file, which has to be
 * parsed. A few children run at a time, fewer for one user; the reads that wait for one hold nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/list.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "../yang/compat.h"
#include "access.h"
#include "candidate.h"
#include "factory.h"
#include "fields.h"
#include "oper.h"
#include "persist.h"
#include "store.h"
#include "walk.h"
#include "xpath.h"

#define STARTUP_BYTES_MAX 32768 /* of a startup file that is parsed within a turn */
#define CHILD_DEADLINE_MS 10000
#define CHILD_OUTPUT_MAX  (256 * 1024 * 1024)
#define CHILDREN_MAX	  4
#define CHILDREN_USER_MAX 2
/* Of a walk, before a child begins it anew; one, where it will wait for that. */
#define SLICES_MAX   5
#define STATUS_ERROR 2 /* of a child: its output is the error */

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
	bool is_path;	       /* the filter has a target */
	bool is_general;       /* the expression is libyang's to evaluate */
	struct lyd_node *tree; /* of a datastore that is no tree in memory */
	struct walk walk;
	struct buf out;
	struct loop_task *task;
	unsigned slices;
	bool is_in_child; /* this is the child's copy */
	bool is_waiting;  /* for a child to end, so that its own can be made */
	struct child *child;
};

static struct list reads = LIST_INIT(reads);
static struct loop_task *room_task; /* tells that waiting reads may go on */

static void read_free(struct read *read)
{
	list_remove(&read->link);
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

static bool shows_defaults(enum with_defaults defaults)
{
	return defaults == WITH_DEFAULTS_ALL || defaults == WITH_DEFAULTS_ALL_TAGGED;
}

/* What is in use is shown whether it was set or not (RFC 8526 section 3.1.1.2). */
static enum with_defaults defaults_of(const struct ds_read *request)
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
			shows_defaults(request->defaults));
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
	bool has_defaults = shows_defaults(read->request->defaults);
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
	};
	if (read->filter)
		read->filter->defaults = defaults_of(request);
	print_init(&read->walk.print, &read->out, request->format, defaults_of(request));
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

static bool has_room(const struct read *asking);
static void leave_to_child(struct read *read);

/* One slice. */
static void go_on(void *arg)
{
	struct read *read = arg;
	_cleanup_err_ struct err err = { 0 };
	int r = walk_run(&read->walk, loop_should_yield, &err);

	if (r > 0 && (++read->slices == SLICES_MAX || !has_room(read))) {
		walk_end(&read->walk);
		buf_clear(&read->out);
		if (read->request->rows)
			ds_rows_done(read->request->rows);
		leave_to_child(read);
		return;
	}
	if (r > 0) {
		if (!read->task)
			read->task = loop_task_new("read", go_on, read);
		loop_task_schedule(read->task);
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

static int walk_all(struct walk *walk, struct buf *out, enum format format,
	enum with_defaults defaults, struct err *err)
{
	int r;

	print_init(&walk->print, out, format, defaults);
	walk->print.tags_equal = walk->has_notes;
	walk_start(walk);
	r = walk_run(walk, NULL, err);
	walk_end(walk);
	return r;
}

/*
 * What is not reported is not there for an expression either (RFC 6243 section 4.5.1); one that only names
 * nodes is about all that are in force.
 */
static enum with_defaults view_defaults(const struct ds_read *request)
{
	enum with_defaults defaults = defaults_of(request);

	if (!shows_defaults(defaults) && !request->is_paths)
		return defaults;
	return ly_ctx_get_module_implemented(yang_ctx(), "ietf-netconf-with-defaults")
		? WITH_DEFAULTS_ALL_TAGGED
		: WITH_DEFAULTS_ALL;
}

/*
 * What the client may read, as a tree of its own: expressions must not see the rest. Printing and parsing
 * carries default flags along.
 */
static int make_view(struct read *read, struct lyd_node **ret_tree, struct err *err)
{
	enum with_defaults defaults = view_defaults(read->request);
	const struct ds_read *request = read->request;
	_cleanup_(buf_done) struct buf text = { 0 };
	struct walk walk = {
		.tree = source_tree(read),
		.access = read->access,
		.content =
			request->content == DS_CONTENT_CONFIG ? DS_CONTENT_CONFIG : DS_CONTENT_ALL,
		.is_operational = request->ds == DS_OPERATIONAL,
		.is_in_use = request->is_in_use,
		.with_origin = request->is_in_use,
		.is_for_changes = request->is_for_changes,
	};
	int r = buf_append_str(&text, "{");

	if (r == 0)
		r = walk_all(&walk, &text, FORMAT_JSON, defaults, err);
	if (r == 0)
		r = buf_append_str(&text, "}");
	if (r == 0 &&
		lyd_parse_data_mem(yang_ctx(), buf_bytes(&text), LYD_JSON, LYD_PARSE_ONLY, 0,
			ret_tree) != LY_SUCCESS)
		r = yang_err(err, -EIO);
	return r;
}

/* Marks in lyd_node.priv, which is ours in a tree of our own. */
static char mark_way, mark_all;

static void mark_results(const struct ly_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		struct lyd_node *node = set->dnodes[i];

		node->priv = &mark_all;
		for (node = lyd_parent(node); node && !node->priv; node = lyd_parent(node))
			node->priv = &mark_way;
	}
}

/*
 * Leaves marked nodes, with the keys of list entries, and as many levels below those that were selected as
 * are asked for: of @levels (0: none) the first is at @first.
 */
static void prune(struct lyd_node **first, unsigned depth, unsigned levels)
{
	struct lyd_node *node, *next;

	for (node = *first; node; node = next) {
		struct lyd_node *child = (struct lyd_node *)lyd_child(node);

		next = node->next;
		if (lysc_is_key(node->schema) || (node->priv == &mark_all && !depth))
			continue;
		if (node->priv || levels) {
			prune(&child, depth,
				node->priv == &mark_all ? depth - 1
					: levels	? levels - 1
							: 0);
			continue;
		}
		if (*first == node)
			*first = next;
		lyd_free_tree(node);
	}
}

/* Is it an expression, if not one for nodes? */
static bool is_value(const struct lyd_node *view, const char *xpath)
{
	ly_bool result;

	return lyd_eval_xpath(view, xpath, &result) == LY_SUCCESS;
}

static int list_paths(const struct ly_set *set, struct buf *out)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < set->count; i++) {
		_cleanup_free_ char *path = path_of(set->dnodes[i]);

		r = buf_append(out, path, strlen(path) + 1);
	}
	return r;
}

static int evaluate(struct read *read, struct err *err)
{
	const struct ds_read *request = read->request;
	struct lyd_node *view = NULL;
	struct ly_set *set = NULL;
	struct walk walk = {
		.content = request->content,
		.has_notes = request->is_in_use,
		.with_origin = request->with_origin,
		.origins = request->origins,
	};
	int r = make_view(read, &view, err);

	if (r < 0 || !view)
		return r;
	if (compat_find_xpath(view, request->xpath, &set) != LY_SUCCESS) {
		yang_err(err, -EINVAL);
		err->tag = ERR_TAG_INVALID_VALUE;
		if (request->is_paths && is_value(view, request->xpath))
			err->code = -EDOM;
		return err_wrap(err, "%s", request->xpath);
	}
	if (request->is_paths)
		return list_paths(set, &read->out);
	mark_results(set);
	prune(&view, request->depth, 0);
	walk.tree = view;
	return walk_all(&walk, &read->out, request->format, defaults_of(request), err);
}

static int read_in_child(struct read *read, struct err *err)
{
	int r = is_loaded(read) ? load_tree(read, err) : 0;

	if (r < 0)
		return r;
	if (read->is_general)
		return evaluate(read, err);
	start_walk(read);
	r = walk_run(&read->walk, NULL, err);
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

/* Its output is the text and its rows, if those are asked for; or "tag code\nmessage". */
static int child_main(void *arg)
{
	struct read *read = arg;
	struct err err = { 0 };
	int r;

	read->is_in_child = true;
	r = read_in_child(read, &err);
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

/* Is there room for another child of this user? */
static bool has_room(const struct read *asking)
{
	struct read *read;
	size_t count = 0, of_user = 0;

	LIST_FOREACH (read, &reads, link) {
		count += read->child != NULL;
		of_user += read->child && str_equal(read->user, asking->user);
	}
	return count < CHILDREN_MAX && of_user < CHILDREN_USER_MAX;
}

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

static void on_child_done(const struct child_result *result, void *arg)
{
	struct read *read = arg;
	size_t size = result->output_size;
	_cleanup_err_ struct err err = { 0 };

	read->child = NULL;
	tell_room();
	if (result->timed_out)
		err_tagged(&err, ERR_TAG_RESOURCE_DENIED, NULL,
			"the answer takes more than %u seconds to find", CHILD_DEADLINE_MS / 1000);
	else if (result->truncated)
		err_tagged(&err, ERR_TAG_TOO_BIG, NULL, "the answer has more than %u bytes",
			CHILD_OUTPUT_MAX);
	else if (result->status == STATUS_ERROR)
		parse_error(result->output, &err);
	else if (!result->status && read->request->rows)
		size = take_rows(read->request->rows, result->output, size);
	if (!err.code && (result->status || buf_append(&read->out, result->output, size) < 0))
		err_tagged(&err, ERR_TAG_OPERATION_FAILED, NULL, "reading ended with status %d",
			result->status);
	finish(read, err.code ? &err : NULL);
}

static int start_child(struct read *read, struct err *err)
{
	struct child_opts opts = {
		.run = child_main,
		.run_arg = read,
		.output_max = CHILD_OUTPUT_MAX,
		.deadline_ms = read->is_general ? CHILD_DEADLINE_MS : 0,
		.done = on_child_done,
		.arg = read,
	};

	if (read->request->ds == DS_OPERATIONAL && !read->request->is_for_changes) {
		struct show show;

		show_start(&show, NULL, NULL, true);
		show_refresh_all(&show);
		show_end(&show);
	}
	return child_start(&opts, &read->child, err);
}

/* Starts the child now or when there is room for one; others may change the trees meanwhile. */
static void leave_to_child(struct read *read)
{
	_cleanup_err_ struct err err = { 0 };

	read->is_waiting = !has_room(read);
	if (!read->is_waiting && start_child(read, &err) < 0)
		finish(read, &err);
	else
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
	if (read->request->ds != DS_STARTUP || shows_defaults(read->request->defaults))
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
}

void oper_done(void)
{
	struct read *read, *next;

	LIST_FOREACH_SAFE (read, next, &reads, link)
		read_free(read);
	loop_task_free(TAKE(room_task));
	show_done();
}
