/*
 * Startup. A file may hold more than this version can apply: modules it does not have (another vendor's,
 * a later version's), nodes that no feature owns. Such nodes are set aside when the file is loaded, put
 * back when it is saved, and listed in operational state.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/str.h"

#include "persist.h"
#include "schema.h"
#include "store.h"

#define FILE_BYTES_MAX (256 * 1024 * 1024)

static struct {
	struct persist_kept *kept;
	size_t count, room;
	const struct lyd_node *saving; /* valid while the child is forked */
	struct child *child;
	ds_done_fn done;
	void *arg;
} persist;

char *persist_path(bool previous)
{
	return xasprintf("%s/startup-config.cfg%s", store_config.config_dir, previous ? ".1" : "");
}

const struct persist_kept *persist_kept(size_t index)
{
	return index < persist.count ? &persist.kept[index] : NULL;
}

void persist_forget(void)
{
	for (size_t i = 0; i < persist.count; i++) {
		free(persist.kept[i].path);
		free(persist.kept[i].parent);
		lyd_free_tree(persist.kept[i].node);
	}
	free(persist.kept);
	persist.kept = NULL;
	persist.count = persist.room = 0;
}

/* --- loading ---------------------------------------------------------------------------------- */

static char *path_of_unknown(const struct lyd_node *node, const char *parent)
{
	const struct lyd_node_opaq *opaq = (const struct lyd_node_opaq *)node;
	const char *module = opaq->name.module_name;

	return xasprintf("%s/%s%s%s", parent ? parent : "", module ? module : "", module ? ":" : "",
		opaq->name.name);
}

static void set_aside(struct lyd_node **tree, struct lyd_node *node, bool keep)
{
	struct persist_kept *kept;
	struct lyd_node *parent = lyd_parent(node);

	if (*tree == node)
		*tree = node->next;
	if (!keep) {
		lyd_free_tree(node);
		return;
	}
	ARRAY_GROW(persist.kept, persist.count, persist.room);
	kept = &persist.kept[persist.count++];
	kept->parent = parent ? path_of(parent) : NULL;
	kept->is_known = node->schema != NULL;
	kept->path = node->schema ? path_of(node) : path_of_unknown(node, kept->parent);
	lyd_unlink_tree(node);
	kept->node = node;
}

static bool can_apply(const struct lyd_node *node)
{
	const struct snode *snode = schema_of_node(node);

	return snode && snode->is_owned;
}

/* The schema knows what it is called, and a feature would apply it: then its value is wrong. */
static bool is_wrong(const struct lyd_node *node)
{
	const struct lysc_node *schema = node->schema ? NULL : format_opaque_schema(node);
	const struct snode *snode = schema ? schema_of(schema) : NULL;

	return snode && snode->is_owned;
}

/* A container without presence is only a way to what is in it: something to apply, or wrong. */
static bool is_way(const struct lyd_node *node)
{
	const struct lyd_node *child;

	if (!node->schema || node->schema->nodetype != LYS_CONTAINER ||
		(node->schema->flags & LYS_PRESENCE))
		return false;
	LY_LIST_FOR (lyd_child(node), child) {
		if (can_apply(child) || is_wrong(child) || is_way(child))
			return true;
	}
	return false;
}

/* Without it the entry around it would not be valid: of a kind that cannot be applied (an interface whose
 * own container holds what is mandatory). */
static bool is_essential(const struct lyd_node *node)
{
	return node->schema && (node->schema->flags & LYS_MAND_TRUE) &&
		!(node->schema->parent && node->schema->parent->nodetype == LYS_CASE);
}

static bool has_essential(const struct lyd_node *entry)
{
	const struct lyd_node *child;

	if (!entry->schema || entry->schema->nodetype != LYS_LIST)
		return false;
	LY_LIST_FOR (lyd_child(entry), child) {
		if (is_essential(child) && !can_apply(child) && !is_way(child))
			return true;
	}
	return false;
}

static int split(struct lyd_node **tree, struct lyd_node *node, bool keep, struct err *err)
{
	struct lyd_node *next;
	int r = 0;

	for (; node && r == 0; node = next) {
		next = node->next;
		if (is_wrong(node))
			r = format_opaque_error(node, err);
		else if ((can_apply(node) || is_way(node)) && !has_essential(node))
			r = split(tree, (struct lyd_node *)lyd_child(node), keep, err);
		else
			set_aside(tree, node, keep);
	}
	return r;
}

int persist_load(const char *path, bool keep, struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct lyd_node *tree = NULL;
	size_t size;
	int r = file_read(path, FILE_BYTES_MAX, &text, &size, err);

	if (r < 0)
		return r;
	if (!text[strspn(text, " \t\r\n")]) /* what a power cut may leave of a file of others */
		return err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "%s is empty", path);
	r = format_parse_lenient(text, size, FORMAT_JSON, &tree, err);
	if (keep)
		persist_forget();
	if (r == 0)
		r = split(&tree, tree, keep, err);
	if (r < 0) {
		lyd_free_all(tree);
		return err_wrap(err, "%s", path);
	}
	*ret_tree = tree;
	return 0;
}

int persist_startup_tree(struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_free_ char *path = persist_path(false);
	_cleanup_err_ struct err why = { 0 };
	int r = persist_load(path, false, ret_tree, &why);

	if (r == -ENOENT) {
		*ret_tree = NULL;
		return 0;
	}
	return r < 0 ? err_move(err, &why) : 0;
}

/* --- saving (in the child) -------------------------------------------------------------------- */

/* The child's copy of the tree is its own to change. */
static struct lyd_node *with_kept(struct lyd_node *tree)
{
	for (size_t i = 0; i < persist.count; i++) {
		struct persist_kept *kept = &persist.kept[i];
		struct lyd_node *parent = NULL;

		if (!kept->parent) {
			lyd_insert_sibling(tree, kept->node, &tree);
			continue;
		}
		if (tree && lyd_find_path(tree, kept->parent, 0, &parent) == LY_SUCCESS && parent)
			lyd_insert_child(parent, kept->node);
	}
	return tree;
}

/* The file as it was stays under another name, without a moment in which neither is there. */
static int keep_previous(const char *path, struct err *err)
{
	_cleanup_free_ char *previous = persist_path(true);
	_cleanup_free_ char *temporary = xasprintf("%s.tmp", previous);

	(void)unlink(temporary); /* left by a power cut */
	if (link(path, temporary) < 0)
		return errno == ENOENT
			? 0
			: err_set(err, -errno, NULL, "cannot keep %s: %s", path, strerror(errno));
	if (rename(temporary, previous) < 0)
		return err_set(err, -errno, NULL, "cannot write %s: %s", previous, strerror(errno));
	return 0;
}

static int write_startup(void *arg)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_free_ char *path = persist_path(false);
	_cleanup_err_ struct err err = { 0 };
	struct lyd_node *tree = with_kept((struct lyd_node *)persist.saving);
	int r = 0;

	if (tree)
		r = format_print(
			&text, tree, FORMAT_JSON, true, WITH_DEFAULTS_EXPLICIT, true, &err);
	if (r == 0 && !text.length)
		r = buf_append_str(&text, "{\n}\n");
	if (r == 0)
		r = keep_previous(path, &err);
	if (r == 0)
		r = file_write_atomic(path, buf_bytes(&text), text.length, 0600, &err);
	if (r < 0)
		dprintf(STDOUT_FILENO, "%s", err_text(&err));
	return r < 0;
}

static int delete_startup(void *arg)
{
	_cleanup_free_ char *path = persist_path(false);
	int r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;

	if (r == 0)
		r = file_fsync_dir(store_config.config_dir);
	if (r < 0)
		dprintf(STDOUT_FILENO, "cannot remove %s: %s", path, strerror(-r));
	return r < 0;
}

static void finished(const struct child_result *result, void *arg)
{
	_cleanup_err_ struct err err = { 0 };

	persist.child = NULL;
	if (result->status == 0)
		store_touch(DS_STARTUP);
	else
		err_tagged(&err, ERR_TAG_OPERATION_FAILED, NULL, "%s",
			result->output_size ? result->output
					    : "the startup file could not be written");
	persist.done(result->status == 0 ? NULL : &err, persist.arg);
}

static void start(int (*run)(void *arg), ds_done_fn done, void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.run = run,
		.output_max = 1024,
		.deadline_ms = 60000,
		.done = finished,
	};

	persist.done = done;
	persist.arg = arg;
	if (child_start(&opts, &persist.child, &err) < 0)
		done(&err, arg);
}

void persist_save(const struct lyd_node *tree, ds_done_fn done, void *arg)
{
	persist.saving = tree;
	start(write_startup, done, arg);
	persist.saving = NULL;
}

bool persist_save_now(const struct lyd_node *tree)
{
	pid_t pid;
	int status;

	persist.saving = tree;
	pid = fork();
	if (pid == 0)
		_exit(write_startup(NULL));
	persist.saving = NULL;
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		WEXITSTATUS(status) == 0)
		return true;
	log_error("datastore", "the startup configuration could not be saved");
	return false;
}

void persist_delete(ds_done_fn done, void *arg)
{
	persist_forget();
	start(delete_startup, done, arg);
}

void persist_done(void)
{
	child_cancel(TAKE(persist.child));
}
