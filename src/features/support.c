/*
 * The support archive (ashlar-support): configuration and state as they are read, made into an archive with all else
 * by ashlar-support, which leaves out what is secret. What that is, it is told here: whatever the model lets nobody
 * read by default, and what it holds hashed or unexplained.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/child.h"
#include "ashlar/datastore.h"
#include "ashlar/feature.h"
#include "ashlar/key.h"
#include "ashlar/str.h"

#define INPUT_MAX   ((size_t)256 << 20)
#define ARCHIVE_MAX ((size_t)32 << 20)
#define DEADLINE_MS 60000

static const struct {
	enum ds ds;
	const char *name;
} reads[] = {
	{ DS_RUNNING, "running.json" },
	{ DS_STARTUP, "startup.json" },
	{ DS_OPERATIONAL, "operational.json" },
};

static const struct ds_client self = { .user = "", .protocol = "internal", .is_recovery = true };

static struct {
	struct action_call *call; /* NULL: none */
	size_t step;		  /* in reads */
	struct buf input;	  /* of the program: "NAME SIZE\n", then that many bytes, … */
	struct child *child;
} support;

static void finish(const struct err *err)
{
	struct action_call *call = TAKE(support.call);

	buf_done(&support.input);
	call->done(call, err);
}

/* --- what is secret ------------------------------------------------------------------------------- */

/* Passwords are hashed, and readable; files of containers can be anything. */
static const char *const other_secrets[] = { "password", "content", "persist-id", "env" };

static bool is_secret(const struct lysc_node *schema)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(schema->exts, i)
	{
		if (str_equal(schema->exts[i].def->name, "default-deny-all") &&
			str_equal(schema->exts[i].def->module->name, "ietf-netconf-acm"))
			return true;
	}
	for (i = 0; i < ARRAY_SIZE(other_secrets); i++)
		if (str_equal(schema->name, other_secrets[i]))
			return true;
	return false;
}

static LY_ERR note_secret(struct lysc_node *schema, void *arg, ly_bool *ret_skips_below)
{
	struct buf *names = arg;

	if (schema->nodetype & (LYS_LEAF | LYS_LEAFLIST | LYS_LIST | LYS_CONTAINER) &&
		is_secret(schema))
		(void)!buf_printf(names, "%s %s\n", /* it has no ceiling to speak of */
			lysc_data_parent(schema) ? lysc_data_parent(schema)->name : "",
			schema->name);
	return LY_SUCCESS;
}

static int add_part(const char *name, const void *data, size_t size, struct err *err)
{
	int r = buf_printf(&support.input, "%s %zu\n", name, size);

	if (r == 0 && size)
		r = buf_append(&support.input, data, size);
	return r < 0 ? err_set(err, r, NULL, "there is too much to collect") : 0;
}

static int add_secrets(struct err *err)
{
	_cleanup_(buf_done) struct buf names = { 0 };
	const struct lys_module *module;
	uint32_t i = 0;

	buf_init(&names, INPUT_MAX);
	while ((module = ly_ctx_get_module_iter(yang_ctx(), &i)))
		if (module->implemented && module->compiled)
			(void)lysc_module_dfs_full(module, note_secret, &names);
	return add_part("secrets", buf_bytes(&names), names.length, err);
}

/* --- one after the other -------------------------------------------------------------------------- */

static void archived(const struct child_result *result, void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	_cleanup_free_ char *text = NULL;
	int r;

	support.child = NULL;
	if (result->status || result->truncated)
		r = err_set(&err, -EIO, NULL, "the archive could not be made: %s",
			result->truncated		? "it is too large"
				: result->status == 127 ? "ashlar-support is not installed"
							: result->output);
	else {
		text = secret_encode(result->output, result->output_size);
		r = build_output(support.call->output, "archive", text, &err);
	}
	finish(r < 0 ? &err : NULL);
}

static void archive(void)
{
	_cleanup_free_ char *helper = child_helper("ashlar-support");
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.argv = (const char *const[]){ helper, NULL },
		.input = buf_bytes(&support.input),
		.input_size = support.input.length,
		.output_max = ARCHIVE_MAX,
		.deadline_ms = DEADLINE_MS,
		.done = archived,
	};

	if (child_start(&opts, &support.child, &err) < 0)
		finish(&err);
}

static void read_next(void);

static void was_read(struct buf *out, const struct err *err, void *arg)
{
	_cleanup_err_ struct err failure = { 0 };
	int r = 0;

	if (!err)
		r = add_part(reads[support.step].name, buf_bytes(out), out->length, &failure);
	if (err || r < 0) {
		finish(err ? err : &failure);
		return;
	}
	support.step++;
	read_next();
}

static void read_next(void)
{
	struct ds_read read = { .format = FORMAT_JSON };

	if (support.step == ARRAY_SIZE(reads)) {
		archive();
		return;
	}
	read.ds = reads[support.step].ds;
	ds_read(&self, &read, was_read, &support);
}

static void run_collect(struct action_call *call)
{
	_cleanup_err_ struct err err = { 0 };

	if (support.call) {
		err_tagged(&err, ERR_TAG_IN_USE, NULL, "an archive is being made already");
		call->done(call, &err);
		return;
	}
	support.call = call;
	support.step = 0;
	buf_init(&support.input, INPUT_MAX);
	if (add_secrets(&err) < 0)
		finish(&err);
	else
		read_next();
}

const struct feature feature_support = {
	.name = "support",
	.modules = (const struct feature_module[]){ { "ashlar-support", NULL }, { NULL, NULL } },
	.actions =
		(const struct feature_action[]){
			{ "/ashlar-support:collect", run_collect },
			{ NULL, NULL },
		},
};
