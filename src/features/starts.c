/* The last starts of the device (ashlar-starts): as they are kept, leaf by leaf. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "ashlar/feature.h"
#include "ashlar/starts.h"

#define PATH "/ietf-system:system-state/ashlar-starts:starts"

static const char *const leaves[] = { "datetime", "slot", "version", "generation", "kind", "detail",
	"cause", "cause-detail", "failure", "panic" };
static const char *const stages[] = { "early", "init", "ready" };

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (start_log())
		add(arg, NULL);
}

static int show_leaf(struct lyd_node *node, const json_t *start, const char *name, struct err *err)
{
	const json_t *value = json_object_get(start, name);

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		return build_u64(node, name, (uint64_t)json_integer_value(value), err);
	return json_is_string(value) ? build_leaf(node, name, json_string_value(value), err) : 0;
}

static int show_start(struct lyd_node *node, const json_t *start, struct err *err)
{
	struct lyd_node *entry = NULL, *duration = NULL;
	char number[24];
	int r;

	(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
		json_integer_value(json_object_get(start, "number")));
	r = build_entry(node, "start", number, &entry, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(leaves); i++)
		r = show_leaf(entry, start, leaves[i], err);
	if (r == 0)
		r = build_container(entry, "duration", &duration, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(stages); i++)
		r = show_leaf(duration, start, stages[i], err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const json_t *start;
	size_t i;
	int r = 0;

	json_array_foreach(start_log(), i, start) if (r == 0) r = show_start(node, start, err);
	return r;
}

const struct feature feature_starts = {
	.name = "starts",
	.modules = (const struct feature_module[]){ { "ashlar-starts", NULL }, { NULL, NULL } },
	.state_roots = (const char *const[]){ PATH, NULL },
	.silent = (const char *const[]){ PATH, NULL },
	.units = units,
	.show = show,
};
