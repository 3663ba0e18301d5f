/*
 * The schema: every module of yang/ loads and compiles without a word from libyang, alone and with
 * all others; and every must and when whose expression is ours has a row in tests/schema/, with
 * documents that it accepts and documents that it refuses.
 *
 * A table file holds "base", data that every document of the file is merged into, and "rows":
 *   node    schema path, as libyang prints it, of the node that carries the constraint
 *   must    its error-message, or
 *   when    its expression
 *   accept  documents that a client could send
 *   refuse  documents that are refused for this constraint and no other
 *   state   true where the documents hold operational data
 * Where the node is an RPC's, the documents are calls of it and base is left out.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <libyang/libyang.h>

#include "ashlar/file.h"
#include "ashlar/mem.h"

#define TABLE_DIR     TEST_DATA_DIR "/schema"
#define MAX_FILE_SIZE (1024 * 1024)

/* Features of modules that are not ours; infix-* modules get all of theirs. */
static const struct {
	const char *module;
	const char *features[9];
} features_on[] = {
	{ "ietf-netconf",
		{ "writable-running", "candidate", "rollback-on-error", "validate", "startup",
			"url", "xpath", "confirmed-commit" } },
	{ "ietf-netconf-nmda", { "origin", "with-defaults" } },
	{ "ietf-factory-default", { "factory-default-datastore" } },
	{ "ietf-subscribed-notifications",
		{ "encode-xml", "encode-json", "replay", "subtree", "xpath" } },
	{ "ietf-yang-push", { "on-change" } },
	{ "ietf-interfaces", { "if-mib" } },
	{ "ietf-ip", { "ipv6-privacy-autoconf" } },
	{ "iana-crypt-hash", { "crypt-hash-md5", "crypt-hash-sha-256", "crypt-hash-sha-512" } },
	{ "ietf-crypto-types",
		{ "cleartext-passwords", "cleartext-private-keys", "cleartext-symmetric-keys",
			"certificate-expiration-notification" } },
	{ "ietf-keystore",
		{ "central-keystore-supported", "inline-definitions-supported", "asymmetric-keys",
			"symmetric-keys" } },
	{ "ietf-truststore",
		{ "central-truststore-supported", "inline-definitions-supported", "certificates",
			"public-keys" } },
	{ "ietf-tcp-common", { "keepalives-supported" } },
	{ "ietf-tcp-server", { "tcp-server-keepalives" } },
	{ "ietf-tcp-client", { "local-binding-supported", "tcp-client-keepalives" } },
	{ "ietf-ssh-common", { "algorithm-discovery", "transport-params" } },
	{ "ietf-tls-common", { "algorithm-discovery", "tls12", "tls13", "hello-params" } },
	{ "ietf-tls-server",
		{ "server-ident-x509-cert", "client-auth-supported", "client-auth-x509-cert" } },
	{ "ietf-netconf-server",
		{ "ssh-listen", "tls-listen", "ssh-call-home", "tls-call-home",
			"central-netconf-server-supported" } },
	{ "ietf-system",
		{ "authentication", "local-users", "ntp", "ntp-udp-port", "timezone-name" } },
	{ "ietf-ospf", { "bfd", "explicit-router-id", "hybrid-interface" } },
	{ "ietf-hardware", { "hardware-state", "hardware-sensor" } },
	{ "ietf-schedule", { "icalendar-recurrence" } },
};

struct module {
	const char *file; /* name@revision.yang */
	const char *name;
	const char *revision;
	bool is_submodule;
};

struct constraint {
	const struct lysc_node *node; /* the first node found that carries it */
	const struct lysc_must *must; /* exactly one of must and when */
	const struct lysc_when *when;
	const char *path;
	bool has_row;
};

struct row {
	const char *title;
	const char *node, *must, *when;
	json_t *base, *accept, *refuse;
	bool is_state;
};

static struct module *modules;
static size_t module_count, module_room;
static struct constraint *constraints;
static size_t constraint_count, constraint_room;
static struct CMUnitTest *tests;
static size_t test_count, test_room;
static json_t *tables; /* all table files, which the rows point into */
static struct ly_ctx *schema;
static struct arena *memory; /* all strings and rows */

static char *read_module(const struct module *module)
{
	_cleanup_free_ char *path = file_join(YANG_DIR, module->file);
	char *text;
	size_t size;

	if (file_read(path, MAX_FILE_SIZE, &text, &size, NULL) < 0)
		fail_msg("%s cannot be read", path);
	return text;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void module_add(const char *file)
{
	_cleanup_free_ char *text = NULL;
	const char *at = strchr(file, '@');
	struct module *module;

	if (!at)
		return;
	ARRAY_GROW(modules, module_count, module_room);
	module = &modules[module_count++];
	module->file = arena_strdup(memory, file);
	module->name = arena_printf(memory, "%.*s", (int)(at - file), file);
	module->revision = arena_printf(memory, "%.10s", at + 1);
	text = read_module(module);
	module->is_submodule = !strncmp(text, "submodule", 9);
}

/* Calls @add with the name of each file in @dir, in alphabetical order. */
static void each_file(const char *dir, void (*add)(const char *name))
{
	struct dirent **entries;
	int count = scandir(dir, &entries, NULL, by_name);

	for (int i = 0; i < count; i++) {
		add(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static const char **features_of(const char *module)
{
	static const char *all[] = { "*", NULL };
	static const char *none[] = { NULL };

	if (!strncmp(module, "infix-", 6))
		return all;
	for (size_t i = 0; i < ARRAY_SIZE(features_on); i++)
		if (!strcmp(features_on[i].module, module))
			return (const char **)features_on[i].features;
	return none;
}

static struct ly_ctx *context_new(uint16_t options)
{
	struct ly_ctx *ctx;

	if (ly_ctx_new(YANG_DIR, options | LY_CTX_DISABLE_SEARCHDIR_CWD, &ctx))
		fail_msg("no context");
	ly_log_options(LY_LOSTORE);
	ly_log_level(LY_LLWRN);
	return ctx;
}

/* Whatever libyang had to say since the last call is a failure. */
static void assert_silence(const struct ly_ctx *ctx, const char *what)
{
	if (ly_err_first(ctx))
		fail_msg("%s: %s", what, ly_err_first(ctx)->msg);
}

static void load(struct ly_ctx *ctx, const struct module *module, const char **features)
{
	if (!ly_ctx_load_module(ctx, module->name, module->revision, features))
		fail_msg("%s: %s", module->file,
			ly_err_first(ctx) ? ly_err_first(ctx)->msg : "not loaded");
}

/* --- loading ---------------------------------------------------------------------------------- */

static bool includes(const struct lys_module *module, const struct module *submodule)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(module->parsed->includes, i)
	{
		const struct lysp_submodule *sub = module->parsed->includes[i].submodule;

		if (!strcmp(sub->name, submodule->name) && sub->revs &&
			!strcmp(sub->revs[0].date, submodule->revision))
			return true;
	}
	return false;
}

static void test_all_together(void **state)
{
	const struct lys_module *module;

	for (size_t i = 0; i < module_count; i++) {
		bool is_there = false;
		uint32_t index = 0;

		while ((module = ly_ctx_get_module_iter(schema, &index)))
			is_there = is_there ||
				(modules[i].is_submodule ? includes(module, &modules[i])
							 : !strcmp(module->name, modules[i].name) &&
							module->revision &&
							!strcmp(module->revision,
								modules[i].revision));
		if (!is_there)
			fail_msg("%s is not part of the schema", modules[i].file);
	}
}

/* What a module refers to is made part of the schema too, or libyang could not check it. */
static void test_each_alone(void **state)
{
	for (size_t i = 0; i < module_count; i++) {
		struct ly_ctx *ctx;

		if (modules[i].is_submodule)
			continue;
		ctx = context_new(LY_CTX_NO_YANGLIBRARY | LY_CTX_REF_IMPLEMENTED);
		for (size_t f = 0; f < ARRAY_SIZE(features_on); f++)
			if (!ly_ctx_load_module(ctx, features_on[f].module, NULL,
				    (const char **)features_on[f].features))
				fail_msg("%s", ly_err_first(ctx)->msg);
		load(ctx, &modules[i], features_of(modules[i].name));
		assert_silence(ctx, modules[i].file);
		ly_ctx_destroy(ctx);
	}
}

/*
 * libyang carries some modules in itself and never reads ours, which get-schema hands out: those
 * are read under another name.
 */
static void test_built_in(void **state)
{
	struct ly_ctx *probe = context_new(0);
	size_t count = 0;

	for (size_t i = 0; i < module_count; i++) {
		_cleanup_free_ char *text = NULL, *renamed = NULL;
		struct ly_ctx *ctx;

		if (modules[i].is_submodule ||
			!ly_ctx_get_module(probe, modules[i].name, modules[i].revision))
			continue;
		text = read_module(&modules[i]);
		assert_int_equal(strncmp(text, "module ", 7), 0);
		renamed = xasprintf("module x-%s", text + 7);
		memcpy(strstr(renamed, "namespace \"urn"), "namespace \"xrn", 14);
		ctx = context_new(LY_CTX_NO_YANGLIBRARY | LY_CTX_REF_IMPLEMENTED);
		if (lys_parse_mem(ctx, renamed, LYS_IN_YANG, NULL))
			fail_msg("%s: %s", modules[i].file, ly_err_first(ctx)->msg);
		assert_silence(ctx, modules[i].file);
		ly_ctx_destroy(ctx);
		count++;
	}
	assert_true(count >= 4);
	ly_ctx_destroy(probe);
}

/* --- constraints ------------------------------------------------------------------------------ */

/* The module whose text the expression stands in is the one that needs no prefix there. */
static bool is_ours(const struct lysc_prefix *prefixes)
{
	static const char *const begins[] = { "ashlar-", "infix-", "libnetconf2-" };
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(prefixes, i)
	{
		if (prefixes[i].prefix)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(begins); k++)
			if (!strncmp(prefixes[i].mod->name, begins[k], strlen(begins[k])))
				return true;
		return false;
	}
	fail_msg("an expression of no module");
	return false;
}

static void constraint_add(
	const struct lysc_node *node, const struct lysc_must *must, const struct lysc_when *when)
{
	_cleanup_free_ char *path = NULL;

	for (size_t i = 0; when && i < constraint_count; i++) {
		const struct constraint *c = &constraints[i];

		if (c->when && c->when->context == when->context &&
			c->node->module == node->module &&
			!strcmp(lyxp_get_expr(c->when->cond), lyxp_get_expr(when->cond)))
			return;
	}
	ARRAY_GROW(constraints, constraint_count, constraint_room);
	path = lysc_path(node, LYSC_PATH_LOG, NULL, 0);
	constraints[constraint_count++] = (struct constraint){
		.node = node,
		.must = must,
		.when = when,
		.path = arena_strdup(memory, path),
	};
}

static LY_ERR constraints_of(struct lysc_node *node, void *data, ly_bool *is_leaf)
{
	struct lysc_must *musts = lysc_node_musts(node);
	struct lysc_when **whens = lysc_node_when(node);
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(musts, i)
	if (is_ours(musts[i].prefixes))
		constraint_add(node, &musts[i], NULL);
	LY_ARRAY_FOR(whens, i)
	if (is_ours(whens[i]->prefixes))
		constraint_add(node, NULL, whens[i]);
	return LY_SUCCESS;
}

static void constraints_find(void)
{
	const struct lys_module *module;
	uint32_t index = 0;

	while ((module = ly_ctx_get_module_iter(schema, &index)))
		if (module->implemented)
			lysc_module_dfs_full(module, constraints_of, NULL);
}

static struct constraint *constraint_of(const struct row *row)
{
	for (size_t i = 0; i < constraint_count; i++) {
		struct constraint *c = &constraints[i];

		if (strcmp(c->path, row->node))
			continue;
		if (row->must && c->must && c->must->emsg && !strcmp(c->must->emsg, row->must))
			return c;
		if (row->when && c->when && !strcmp(lyxp_get_expr(c->when->cond), row->when))
			return c;
	}
	return NULL;
}

static bool is_governed(const struct lysc_node *node, const struct lysc_when *when)
{
	struct lysc_when **whens = lysc_node_when(node);
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(whens, i)
	if (whens[i]->context == when->context &&
		!strcmp(lyxp_get_expr(whens[i]->cond), lyxp_get_expr(when->cond)))
		return true;
	return node->parent && node->parent->nodetype & (LYS_CHOICE | LYS_CASE) &&
		is_governed(node->parent, when);
}

/* Counts the instances on which the must holds and does not hold, or those that need the when. */
static void count(
	const struct lyd_node *tree, const struct constraint *c, int *ret_good, int *ret_bad)
{
	const struct lysc_node *on = c->node;
	const struct lyd_node *root;
	struct lyd_node *node;

	*ret_good = *ret_bad = 0;
	if (on->nodetype & (LYS_INPUT | LYS_OUTPUT))
		on = on->parent;
	LY_LIST_FOR (tree, root) {
		LYD_TREE_DFS_BEGIN (root, node) {
			ly_bool holds = 1;

			if (c->when ? is_governed(node->schema, c->when) : node->schema == on) {
				if (c->must)
					assert_int_equal(lyd_eval_xpath3(node, node->schema->module,
								 lyxp_get_expr(c->must->cond),
								 LY_VALUE_SCHEMA_RESOLVED,
								 c->must->prefixes, NULL, &holds),
						LY_SUCCESS);
				*(holds ? ret_good : ret_bad) += 1;
			}
			LYD_TREE_DFS_END(root, node);
		}
	}
}

static struct lyd_node *parse(json_t *json, uint32_t options)
{
	_cleanup_free_ char *text = json_dumps(json, 0);
	struct lyd_node *tree = NULL;

	if (lyd_parse_data_mem(
		    schema, text, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT | options, 0, &tree))
		fail_msg("%s: %s", ly_err_first(schema)->msg, text);
	return tree;
}

static LY_ERR validate(const struct row *row, json_t *json, struct lyd_node **ret_tree)
{
	uint32_t no_state = row->is_state ? 0 : LYD_PARSE_NO_STATE;
	struct lyd_node *edit;

	edit = parse(json, no_state);
	*ret_tree = parse(row->base, no_state);
	assert_int_equal(lyd_merge_siblings(ret_tree, edit, LYD_MERGE_DESTRUCT), LY_SUCCESS);
	return lyd_validate_all(ret_tree, schema,
		LYD_VALIDATE_PRESENT | (row->is_state ? 0 : LYD_VALIDATE_NO_STATE), NULL);
}

static LY_ERR validate_call(json_t *json, struct lyd_node **ret_tree)
{
	_cleanup_free_ char *text = json_dumps(json, 0);
	struct ly_in *in;
	LY_ERR rc;

	assert_int_equal(ly_in_new_memory(text, &in), LY_SUCCESS);
	if (lyd_parse_op(schema, NULL, in, LYD_JSON, LYD_TYPE_RPC_YANG, ret_tree, NULL))
		fail_msg("%s: %s", ly_err_first(schema)->msg, text);
	rc = lyd_validate_op(*ret_tree, NULL, LYD_TYPE_RPC_YANG, NULL);
	ly_in_free(in, 0);
	return rc;
}

static LY_ERR check(const struct row *row, const struct constraint *c, json_t *json, int *ret_good,
	int *ret_bad, const char **ret_message)
{
	bool is_call = c->node->nodetype & (LYS_INPUT | LYS_OUTPUT);
	struct lyd_node *tree = NULL;
	LY_ERR rc;

	ly_err_clean(schema, NULL);
	rc = is_call ? validate_call(json, &tree) : validate(row, json, &tree);
	*ret_message = arena_strdup(memory, rc ? ly_err_first(schema)->msg : "");
	ly_err_clean(schema, NULL);
	count(tree, c, ret_good, ret_bad);
	lyd_free_all(tree);
	return rc;
}

static void test_row(void **state)
{
	const struct row *row = *state;
	struct constraint *c = constraint_of(row);
	int good, bad;
	const char *message;
	json_t *json;
	size_t i;

	if (!c)
		fail_msg("%s: no such constraint", row->title);
	if (c->has_row)
		fail_msg("%s: two rows", row->title);
	c->has_row = true;

	json_array_foreach(row->accept, i, json)
	{
		if (check(row, c, json, &good, &bad, &message))
			fail_msg("accept %zu: %s", i, message);
		if (!good || bad)
			fail_msg("accept %zu: the constraint was not put to the test", i);
	}
	json_array_foreach(row->refuse, i, json)
	{
		if (!check(row, c, json, &good, &bad, &message))
			fail_msg("refuse %zu: was accepted", i);
		if (row->must ? strcmp(message, row->must) || !bad : !strstr(message, row->when))
			fail_msg("refuse %zu: for another reason: %s", i, message);
	}
}

/* Runs after all rows. */
static void test_every_constraint_has_a_row(void **state)
{
	size_t missing = 0;

	for (size_t i = 0; i < constraint_count; i++) {
		const struct constraint *c = &constraints[i];

		if (c->has_row)
			continue;
		missing++;
		print_error("no row: %s %s \"%s\"\n", c->path, c->must ? "must" : "when",
			c->must ? c->must->emsg : lyxp_get_expr(c->when->cond));
	}
	if (missing)
		fail_msg("%zu of %zu constraints have no row", missing, constraint_count);
	assert_true(constraint_count >= 73);
}

/* --- tables ----------------------------------------------------------------------------------- */

static void test_base(void **state)
{
	struct lyd_node *tree = parse(*state, LYD_PARSE_NO_STATE);

	if (lyd_validate_all(&tree, schema, LYD_VALIDATE_PRESENT | LYD_VALIDATE_NO_STATE, NULL))
		fail_msg("%s", ly_err_first(schema)->msg);
	lyd_free_all(tree);
}

static void test_add(const char *name, CMUnitTestFunction run, void *state)
{
	ARRAY_GROW(tests, test_count, test_room);
	tests[test_count++] = (struct CMUnitTest){
		.name = name,
		.test_func = run,
		.initial_state = state,
	};
}

static void row_add(const char *table, json_t *base, json_t *json)
{
	struct row *row = arena_alloc(memory, sizeof(*row));

	row->base = base;
	row->node = json_string_value(json_object_get(json, "node"));
	row->must = json_string_value(json_object_get(json, "must"));
	row->when = json_string_value(json_object_get(json, "when"));
	row->accept = json_object_get(json, "accept");
	row->refuse = json_object_get(json, "refuse");
	row->is_state = json_is_true(json_object_get(json, "state"));
	if (!row->node || !row->must == !row->when || !json_array_size(row->accept) ||
		!json_array_size(row->refuse))
		fail_msg("%s: a row is incomplete", table);
	row->title = arena_printf(memory, "%s %s \"%s\"", row->node, row->must ? "must" : "when",
		row->must ? row->must : row->when);
	test_add(row->title, test_row, row);
}

static void table_add(const char *file)
{
	_cleanup_free_ char *path = file_join(TABLE_DIR, file);
	json_t *table, *base, *row;
	json_error_t error;
	size_t i;

	if (!strstr(file, ".json"))
		return;
	table = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!table)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	json_array_append_new(tables, table);
	base = json_object_get(table, "base");
	test_add(arena_printf(memory, "%s base", file), test_base, base);
	json_array_foreach(json_object_get(table, "rows"), i, row) row_add(file, base, row);
}

/* All modules, and those of tests/schema that extend them the way a product may. */
static void schema_load(void)
{
	schema = context_new(LY_CTX_NO_YANGLIBRARY | LY_CTX_EXPLICIT_COMPILE);
	ly_ctx_set_searchdir(schema, TABLE_DIR);
	for (size_t i = 0; i < module_count; i++)
		if (!modules[i].is_submodule)
			load(schema, &modules[i], features_of(modules[i].name));
	load(schema, &(struct module){ .file = "schema-test", .name = "schema-test" }, NULL);
	if (ly_ctx_compile(schema))
		fail_msg("%s", ly_err_first(schema)->msg);
	assert_silence(schema, "all modules together");
}

int main(void)
{
	int failed;

	memory = arena_new();
	tables = json_array();
	each_file(YANG_DIR, module_add);
	schema_load();
	constraints_find();
	test_add("all together", test_all_together, NULL);
	test_add("each alone", test_each_alone, NULL);
	test_add("built into libyang", test_built_in, NULL);
	each_file(TABLE_DIR, table_add);
	test_add("every constraint has a row", test_every_constraint_has_a_row, NULL);
	failed = _cmocka_run_group_tests("schema", tests, test_count, NULL, NULL);

	ly_ctx_destroy(schema);
	json_decref(tables);
	arena_free(memory);
	free(constraints);
	free(modules);
	free(tests);
	return failed;
}
