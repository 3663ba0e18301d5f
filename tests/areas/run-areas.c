/*
 * Golden cases of features, without kernel and datastore:
 *
 *	run-areas YANG-DIR AREA-DIR [CASE]
 *
 * Each folder AREA-DIR/CASE holds some of
 *
 *	config.json  what is configured: features fill in what it leaves to the server, it is validated,
 *	             and every unit is checked and asked what it wants
 *	filled.json  the configuration after that
 *	want.txt     the wanted objects
 *	error.txt    instead: the refusal, "path: message"
 *	touch.txt    XPath and former value (or nothing) of nodes that are said to have changed …
 *	units.txt    … and the units that are asked again for it, in any order
 *	have.txt     what is observed (see read-have.c)
 *	oper.json    the operational data, what is configured among it
 *	mask.txt     XPath and value: nodes of oper.json or filled.json that differ from run to run
 *
 * AREAS_UPDATE=1 writes the results instead of comparing them, for a look at what changed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "ashlar/clock.h"
#include "ashlar/datastore.h"
#include "ashlar/feature.h"
#include "ashlar/file.h"
#include "ashlar/kernel.h"
#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "areas.h"

#define FILE_MAX     (1024 * 1024)
#define SCHEMAS_MAX  64
#define FEATURES_MAX 64

static struct {
	const char *area; /* the feature's name */
	const char *dir;  /* of the case */
	struct lyd_node *tree;
	const struct lysc_node *schemas[SCHEMAS_MAX]; /* of units */
	size_t schema_count;
	bool failed;
} run;

/* --- what the datastore and the clock are for features ------------------------------------------ */

struct unit_set {
	char *paths[1024];
	size_t count;
};

void unit_set_add_path(struct unit_set *set, const char *path)
{
	for (size_t i = 0; i < set->count; i++) {
		if (str_equal(set->paths[i], path))
			return;
	}
	if (set->count < ARRAY_SIZE(set->paths))
		set->paths[set->count++] = xstrdup(path);
}

void unit_set_add(struct unit_set *set, const struct lyd_node *node)
{
	_cleanup_free_ char *path = node ? path_of(node) : NULL;

	if (path)
		unit_set_add_path(set, path);
}

int edit_fill(struct edit *edit, const struct lyd_node *parent, const char *path, const char *value,
	struct err *err)
{
	if (node_exists(parent, path))
		return 0;
	return lyd_new_path((struct lyd_node *)parent, NULL, path, value, 0, NULL) == LY_SUCCESS
		? 0
		: yang_err(err, -EINVAL);
}

int edit_rewrite(struct edit *edit, const struct lyd_node *leaf, const char *value, struct err *err)
{
	return lyd_change_term((struct lyd_node *)leaf, value) == LY_SUCCESS
		? 0
		: yang_err(err, -EINVAL);
}

const struct ds_denied *ds_denied(void)
{
	static const struct ds_denied denied = {
		.operations = 1, .data_writes = 2, .notifications = 3
	};

	return &denied;
}

uint64_t ds_undone(void)
{
	return 0;
}

int ds_reset_begin(struct err *err)
{
	return 0;
}

void ds_reset_failed(void)
{
}

void ds_read(const struct ds_client *client, struct ds_read *read, ds_read_fn done, void *arg)
{
	abort(); /* no case calls an RPC */
}

void ds_factory(bool is_reset, ds_done_fn done, void *arg)
{
	done(NULL, arg);
}

bool ds_not_applied(size_t index, const char **ret_path, const char **ret_reason)
{
	*ret_path = "/unknown:box";
	*ret_reason = "unknown to this device";
	return index == 0;
}

const char *ds_boot_source(void)
{
	return "previous-startup";
}

const struct ds_boot_refusal *ds_boot_refusal(size_t index)
{
	static char path[] = "/broken:box", reason[] = "it does not close";
	static const struct ds_boot_refusal refusals[] = {
		{ "startup", path, reason },
		{ "previous-startup", NULL, reason },
	};

	return index < ARRAY_SIZE(refusals) ? &refusals[index] : NULL;
}

bool ds_provision_waits(void)
{
	return true;
}

const struct ds_provision_refusal *ds_provision_refusal(size_t index)
{
	static char source[] = "sda1", path[] = "/broken:box", reason[] = "it does not open";
	static const struct ds_provision_refusal refusal = { source, path, reason };

	return index == 0 ? &refusal : NULL;
}

uint64_t clock_us(void)
{
	return clock_ms() * 1000;
}

uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void clock_zone_look(void)
{
}

void clock_text(char *text, time_t when)
{
	struct tm tm;

	strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&when, &tm));
}

/* The machine started in 1970. */
void clock_text_of_ms(char *text, uint64_t monotonic_ms)
{
	clock_text(text, (time_t)(monotonic_ms / 1000));
}

/* --- files -------------------------------------------------------------------------------------- */

static char *file_of(const char *name)
{
	return xasprintf("%s/%s", run.dir, name);
}

/* NULL: the case has no such file. */
static char *read_text(const char *name)
{
	_cleanup_free_ char *path = file_of(name);
	char *text = NULL;
	size_t size;

	return file_exists(path) && file_read(path, FILE_MAX, &text, &size, NULL) == 0 ? text
										       : NULL;
}

static void compare(const char *name, const char *got)
{
	_cleanup_free_ char *path = file_of(name), *want = read_text(name);
	FILE *file;

	if (str_equal(want, got))
		return;
	if (getenv("AREAS_UPDATE")) {
		file = fopen(path, "we");
		if (file) {
			fputs(got, file);
			fclose(file);
			return;
		}
	}
	printf("--- %s: expected\n%s--- got\n%s---\n", path, want ? want : "(no such file)\n", got);
	run.failed = true;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lists in the order of their entries' text: libyang 3 sorts them, 2.1 does not. */
static json_t *sorted(const json_t *value)
{
	json_t *copy, *item;
	const char *key;
	size_t count = json_array_size(value);
	_cleanup_free_ char **texts = xcalloc(count + 1, sizeof(*texts));

	if (json_is_object(value)) {
		copy = json_object();
		json_object_foreach((json_t *)value, key, item)
			json_object_set_new(copy, key, sorted(item));
		return copy;
	}
	if (!json_is_array(value))
		return json_deep_copy(value);
	for (size_t i = 0; i < count; i++) {
		item = sorted(json_array_get(value, i));
		texts[i] = json_dumps(item, JSON_ENCODE_ANY | JSON_SORT_KEYS);
		json_decref(item);
	}
	qsort(texts, count, sizeof(*texts), compare_texts);
	copy = json_array();
	for (size_t i = 0; i < count; i++) {
		json_array_append_new(copy, json_loads(texts[i], JSON_DECODE_ANY, NULL));
		free(texts[i]);
	}
	return copy;
}

/* Where the generations of libyang write the same thing differently. */
static void settle(char *text)
{
	static const struct {
		const char *from, *to;
	} forms[] = {
		{ "+00:00\"", "Z\"" },
		{ "-00:00\"", "Z\"" },
		{ "\"source-protocol\": \"ietf-routing:", "\"source-protocol\": \"" },
		{ "\"type\": \"infix-interfaces:", "\"type\": \"" },
	};
	char *at;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		while ((at = strstr(text, forms[i].from))) {
			size_t from = strlen(forms[i].from), to = strlen(forms[i].to);

			memcpy(at, forms[i].to, to);
			memmove(at + to, at + from, strlen(at + from) + 1);
		}
	}
}

static void compare_json(const char *name, const char *text)
{
	json_t *parsed = json_loads(text, 0, NULL), *ordered = parsed ? sorted(parsed) : NULL;
	_cleanup_free_ char *dump =
		ordered ? json_dumps(ordered, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
	_cleanup_free_ char *out = dump ? xasprintf("%s\n", dump) : xstrdup("");

	json_decref(parsed);
	json_decref(ordered);
	settle(out);
	compare(name, out);
}

static void compare_tree(const char *name, struct lyd_node *tree)
{
	_cleanup_free_ char *mask = read_text("mask.txt"), *text = NULL;
	char *at = mask, *line;

	while ((line = strsep(&at, "\n"))) {
		char *path = strsep(&line, " ");
		struct lyd_node *node = NULL;

		if (!line || lyd_find_path(tree, path, 0, &node) != LY_SUCCESS)
			continue;
		(void)lyd_change_term(node, line);
	}
	if (lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_WD_EXPLICIT) !=
		LY_SUCCESS)
		abort();
	compare_json(name, text ? text : "{}");
}

/* --- units -------------------------------------------------------------------------------------- */

static const struct lysc_node *data_parent(const struct lysc_node *node)
{
	do {
		node = node->parent;
	} while (node && (node->nodetype & (LYS_CHOICE | LYS_CASE)));
	return node;
}

static const struct lysc_node *unit_schema(const char *path)
{
	const struct lysc_node *root = path_schema(path), *node;

	if (!root) {
		printf("no schema path %s\n", path);
		exit(2);
	}
	for (node = root; node; node = data_parent(node)) {
		if (node->nodetype == LYS_LIST)
			return node;
	}
	for (node = root; node; node = data_parent(node)) {
		if (node->nodetype == LYS_CONTAINER)
			return node;
	}
	return root;
}

static bool asks(const struct feature *feature, const struct lysc_node *schema)
{
	for (const char *const *path = feature->roots; path && *path; path++) {
		if (unit_schema(*path) == schema)
			return true;
	}
	for (const char *const *path = feature->state_roots; path && *path; path++) {
		if (unit_schema(*path) == schema)
			return true;
	}
	return false;
}

static void add_schemas(const char *const *paths)
{
	for (; paths && *paths; paths++) {
		const struct lysc_node *schema = unit_schema(*paths);
		size_t i = 0;

		while (i < run.schema_count && run.schemas[i] != schema)
			i++;
		if (i == run.schema_count && i < SCHEMAS_MAX)
			run.schemas[run.schema_count++] = schema;
	}
}

static bool is_unit(const struct lyd_node *node)
{
	for (size_t i = 0; i < run.schema_count; i++) {
		if (run.schemas[i] == node->schema)
			return true;
	}
	return false;
}

typedef int (*unit_fn)(const struct unit *unit, struct err *err);

/* Calls for each unit of the tree, in document order. */
static int each_unit(unit_fn callback, struct err *err)
{
	struct lyd_node *top, *node;
	int r = 0;

	LY_LIST_FOR (run.tree, top) {
		LYD_TREE_DFS_BEGIN (top, node) {
			if (is_unit(node) && r == 0) {
				_cleanup_free_ char *path = path_of(node);
				struct unit unit = { path, node->schema, node };

				r = callback(&unit, err);
				if (r < 0)
					err_prefix(err, path);
			}
			LYD_TREE_DFS_END(top, node);
		}
	}
	return r;
}

/* --- from configuration to wants ---------------------------------------------------------------- */

static struct {
	char *texts[SCHEMAS_MAX]; /* of each unit's want */
	size_t count;
} wants;

static char *take_wants(void)
{
	struct buf out = { 0 };

	qsort(wants.texts, wants.count, sizeof(*wants.texts), compare_texts);
	for (size_t i = 0; i < wants.count; i++) {
		if (buf_append_str(&out, wants.texts[i]) < 0)
			abort();
		free(wants.texts[i]);
	}
	wants.count = 0;
	return out.length ? buf_take(&out) : xstrdup("");
}

static int fill_unit(const struct unit *unit, struct err *err)
{
	int r = 0;

	for (const struct feature *const *feature = feature_table; r == 0 && *feature; feature++) {
		if ((*feature)->fill && asks(*feature, unit->schema))
			r = (*feature)->fill(NULL, unit, err);
	}
	return r;
}

static int want_unit(const struct unit *unit, struct err *err)
{
	struct want *want = want_new(unit->path), *old = NULL;
	int r = 0;

	for (const struct feature *const *feature = feature_table; r == 0 && *feature; feature++) {
		if (!asks(*feature, unit->schema))
			continue;
		if ((*feature)->check)
			r = (*feature)->check(unit, err);
		if (r == 0 && (*feature)->want)
			r = (*feature)->want(unit, want, err);
	}
	if (r < 0 || !want_count(want)) {
		want_free(want);
		return r;
	}
	if (wants.count < ARRAY_SIZE(wants.texts))
		wants.texts[wants.count++] = dump_want(want);
	r = state_exchange(unit->path, want, &old, err);
	if (r < 0)
		want_free(want);
	return r;
}

static int configure(char *text, struct err *err)
{
	LY_ERR rc;
	int r = format_parse_edit(text, strlen(text), FORMAT_JSON, NULL, &run.tree, err);

	if (r == 0)
		r = each_unit(fill_unit, err);
	if (r < 0)
		return r;
	rc = lyd_validate_all(&run.tree, yang_ctx(), LYD_VALIDATE_NO_STATE, NULL);
	return rc == LY_SUCCESS ? each_unit(want_unit, err) : yang_err(err, -EINVAL);
}

static void run_config(void)
{
	_cleanup_free_ char *config = read_text("config.json"), *want = read_text("want.txt");
	_cleanup_free_ char *filled = read_text("filled.json"), *error = read_text("error.txt");
	_cleanup_err_ struct err err = { 0 };
	int r = config ? configure(config, &err) : 0;
	_cleanup_free_ char *got = take_wants();

	if (r < 0) {
		_cleanup_free_ char *text =
			xasprintf("%s: %s\n", err.path ? err.path : "", err_text(&err));

		compare("error.txt", text);
	} else if (error) {
		compare("error.txt", "(accepted)\n");
	} else {
		if (want)
			compare("want.txt", got);
		if (filled)
			compare_tree("filled.json", run.tree);
	}
}

/* --- what changes make features ask again -------------------------------------------------------- */

static void touch(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		for (const struct feature_reads *reads = (*feature)->reads; reads && reads->path;
			reads++) {
			const struct lysc_node *schema = path_schema(reads->path),
					       *up = node->schema;

			while (up && up != schema)
				up = up->parent;
			if (up)
				reads->affects(node, old, set);
		}
	}
}

static void run_touch(void)
{
	_cleanup_free_ char *text = read_text("touch.txt");
	struct unit_set *set = XNEW(struct unit_set);
	struct buf out = { 0 };
	char *at = text, *line;

	while ((line = strsep(&at, "\n"))) {
		char *path = strsep(&line, " ");
		struct lyd_node *node = NULL;

		if (!*path)
			continue;
		if (lyd_find_path(run.tree, path, 0, &node) != LY_SUCCESS) {
			printf("%s: touch.txt: no %s\n", run.dir, path);
			run.failed = true;
			continue;
		}
		touch(node, line, set);
	}
	qsort(set->paths, set->count, sizeof(*set->paths), compare_texts);
	for (size_t i = 0; i < set->count; i++) {
		if (buf_printf(&out, "%s\n", set->paths[i]) < 0)
			abort();
		free(set->paths[i]);
	}
	if (text)
		compare("units.txt", out.length ? buf_bytes(&out) : "");
	buf_done(&out);
	free(set);
}

/* --- from what is observed to operational data ---------------------------------------------------- */

static void add_unit(void *arg, const char *key)
{
	const struct lysc_node *schema = arg;
	_cleanup_free_ char *path = lysc_path(schema, LYSC_PATH_DATA, NULL, 0), *full = NULL;

	full = key ? xasprintf("%s[%s='%s']", path, lysc_node_child(schema)->name, key)
		   : xstrdup(path);
	if (lyd_new_path(run.tree, yang_ctx(), full, NULL, LYD_NEW_PATH_UPDATE,
		    run.tree ? NULL : &run.tree) != LY_SUCCESS)
		abort();
	run.tree = lyd_first_sibling(run.tree);
}

static void add_units(void)
{
	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		for (size_t i = 0; (*feature)->units && i < run.schema_count; i++) {
			if (asks(*feature, run.schemas[i]))
				(*feature)->units(have_all(), run.schemas[i], add_unit,
					(void *)run.schemas[i]);
		}
	}
}

static int show_unit(const struct unit *unit, struct err *err)
{
	int r = 0;

	for (const struct feature *const *feature = feature_table; r == 0 && *feature; feature++) {
		if ((*feature)->show && asks(*feature, unit->schema))
			r = (*feature)->show(unit, have_all(), (struct lyd_node *)unit->node, err);
	}
	return r;
}

static const char *any_value(const struct feature_asked *asked, const char *leaf)
{
	return NULL;
}

static int supply(const struct feature_supply *supply, struct lyd_node *parent, struct err *err)
{
	static const struct feature_asked asked = { .value = any_value };
	struct lyd_node *entry;
	void *opened = NULL;
	int r = supply->open(parent, &asked, &opened, err);

	while (r == 0 && (r = supply->next(opened, parent, &entry, err)) > 0)
		r = 0;
	supply->close(opened);
	return r;
}

/* What is made one by one. */
static int supply_all(struct err *err)
{
	int r = 0;

	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		const struct feature_supply *at = (*feature)->supplies;

		for (; at && at->path && r == 0; at++) {
			const struct lysc_node *list = lys_find_path(yang_ctx(), NULL, at->path, 0);
			struct lyd_node *top, *node;

			LY_LIST_FOR (run.tree, top) {
				LYD_TREE_DFS_BEGIN (top, node) {
					if (r == 0 && node->schema == list->parent)
						r = supply(at, node, err);
					LYD_TREE_DFS_END(top, node);
				}
			}
		}
	}
	return r;
}

/* Plans, so that what cannot be yet is pending, but applies nothing. */
static void plan_all(void)
{
	struct plan_unit units[SCHEMAS_MAX] = { { NULL, NULL } };
	struct lyd_node *top, *node;
	size_t count = 0;

	LY_LIST_FOR (run.tree, top) {
		LYD_TREE_DFS_BEGIN (top, node) {
			_cleanup_free_ char *path = is_unit(node) ? path_of(node) : NULL;

			if (path && state_unit(path) && count < SCHEMAS_MAX)
				units[count++].new = state_unit(path);
			LYD_TREE_DFS_END(top, node);
		}
	}
	plan_free(plan_make(units, count, PLAN_BEST_EFFORT));
}

static bool is_top_of(const char *const *paths, const struct lysc_node *schema)
{
	for (; paths && *paths; paths++) {
		const struct lysc_node *top = unit_schema(*paths);

		while (top->parent)
			top = top->parent;
		if (top == schema)
			return true;
	}
	return false;
}

/* Leaves of the tree what the area's own feature is about: the top of its roots. */
static void keep_area(void)
{
	struct lyd_node *node, *next;

	for (node = run.tree; node; node = next) {
		next = node->next;
		for (const struct feature *const *feature = feature_table; *feature; feature++) {
			if (!str_equal((*feature)->name, run.area) ||
				is_top_of((*feature)->roots, node->schema) ||
				is_top_of((*feature)->state_roots, node->schema))
				continue;
			if (run.tree == node)
				run.tree = next;
			lyd_free_tree(node);
			break;
		}
	}
}

static void run_oper(void)
{
	_cleanup_free_ char *oper = read_text("oper.json");
	_cleanup_err_ struct err err = { 0 };

	if (!oper)
		return;
	plan_all();
	add_units();
	if (each_unit(show_unit, &err) < 0 || supply_all(&err) < 0) {
		printf("%s: show: %s: %s\n", run.dir, err.path ? err.path : "", err_text(&err));
		run.failed = true;
		return;
	}
	keep_area();
	compare_tree("oper.json", run.tree);
}

static bool run_case(const char *dir)
{
	_cleanup_free_ char *have = NULL;

	run.dir = dir;
	run.failed = false;
	state_init();
	if (kernel_init(true, NULL) < 0) /* features ask what the kernel can do */
		abort();
	if (system_init(true, "/nonexistent", NULL) < 0)
		abort();
	have = read_text("have.txt");
	if (have)
		read_have(have, dir);
	run_config();
	run_touch();
	run_oper();
	lyd_free_all(TAKE(run.tree));
	system_done();
	state_done();
	return !run.failed;
}

/* --- the whole ---------------------------------------------------------------------------------- */

static void load_schema(const char *dir)
{
	struct yang_module modules[128] = { { "ietf-netconf", NULL } };
	_cleanup_err_ struct err err = { 0 };
	size_t count = 1;

	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		const struct feature_module *module = (*feature)->modules;

		for (; module && module->name && count + 1 < ARRAY_SIZE(modules); module++)
			modules[count++] = (struct yang_module){ module->name, module->features };
	}
	if (yang_init(dir, modules, count, &err) < 0) {
		printf("%s\n", err_text(&err));
		exit(2);
	}
	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		add_schemas((*feature)->roots);
		add_schemas((*feature)->state_roots);
	}
}

static int is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **cases = NULL;
	int count, failed = 0, ran = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: run-areas YANG-DIR AREA-DIR [CASE]\n");
		return 2;
	}
	setenv("TZ", "UTC", 1);
	loop_init();
	load_schema(argv[1]);
	run.area = strrchr(argv[2], '/') ? strrchr(argv[2], '/') + 1 : argv[2];
	count = scandir(argv[2], &cases, is_case, alphasort);
	for (int i = 0; i < count; i++) {
		_cleanup_free_ char *dir = xasprintf("%s/%s", argv[2], cases[i]->d_name);

		if (argc < 4 || str_equal(argv[3], cases[i]->d_name)) {
			ran++;
			if (!run_case(dir)) {
				printf("FAILED %s\n", dir);
				failed++;
			}
		}
		free(cases[i]);
	}
	free(cases);
	yang_done();
	printf("%d cases, %d failed\n", ran, failed);
	return failed || !ran;
}
