#include <stdio.h>
#include <string.h>

#include "ashlar/server-options.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

static void (*on_change)(const struct server_options *options);

void server_options_add_interval(
	struct server_options *options, uint32_t anchor_s, uint32_t period_s)
{
	size_t at = options->interval_count++;

	options->intervals = xreallocarray(
		options->intervals, options->interval_count, sizeof(*options->intervals));
	for (; at; at--) {
		const struct server_interval *before = &options->intervals[at - 1];

		if (before->anchor_s > anchor_s ||
			(before->anchor_s == anchor_s && before->period_s >= period_s))
			break;
		options->intervals[at] = *before;
	}
	options->intervals[at] = (struct server_interval){ anchor_s, period_s };
}

void server_options_add_unannounced(struct server_options *options, const char *module)
{
	options->unannounced = xreallocarray(options->unannounced, options->unannounced_count + 1,
		sizeof(*options->unannounced));
	options->unannounced[options->unannounced_count++] = xstrdup(module);
}

static void tell(void)
{
	if (on_change)
		on_change(have_get(have_all(), &object_kind_server_options, ""));
}

void server_options_on_change(void (*changed)(const struct server_options *options))
{
	on_change = changed;
	tell(); /* nobody, when unset */
}

/* --- the object ------------------------------------------------------------------------------- */

static void copy(struct object *to, const struct object *from)
{
	struct server_options *copied = (void *)to;
	const struct server_options *given = (const void *)from;

	copied->intervals = NULL;
	copied->unannounced = NULL;
	copied->interval_count = copied->unannounced_count = 0;
	for (size_t i = 0; i < given->interval_count; i++)
		server_options_add_interval(
			copied, given->intervals[i].anchor_s, given->intervals[i].period_s);
	for (size_t i = 0; i < given->unannounced_count; i++)
		server_options_add_unannounced(copied, given->unannounced[i]);
}

static void done(struct object *object)
{
	struct server_options *options = (void *)object;

	for (size_t i = 0; i < options->unannounced_count; i++)
		free(options->unannounced[i]);
	free(options->unannounced);
	free(options->intervals);
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct server_options *wanted = (const void *)want, *seen = (const void *)have;

	if (wanted->interval_count != seen->interval_count ||
		wanted->unannounced_count != seen->unannounced_count)
		return OBJECT_CHANGE;
	for (size_t i = 0; i < wanted->interval_count; i++)
		if (wanted->intervals[i].anchor_s != seen->intervals[i].anchor_s ||
			wanted->intervals[i].period_s != seen->intervals[i].period_s)
			return OBJECT_CHANGE;
	for (size_t i = 0; i < wanted->unannounced_count; i++)
		if (!str_equal(wanted->unannounced[i], seen->unannounced[i]))
			return OBJECT_CHANGE;
	return OBJECT_SAME;
}

static enum object_owner owner(const struct object *have)
{
	return OBJECT_OURS;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "options of the servers");
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	for (size_t i = 0; i < count; i++) {
		if (steps[i]->op == STEP_REMOVE)
			have_remove(&object_kind_server_options, steps[i]->have->key);
		else
			have_put(object_copy(steps[i]->want));
		steps[i]->is_done = true;
		tell();
	}
	return count;
}

static const struct target target_server_options = {
	.name = "server-options",
	.is_immediate = true,
	.apply = apply,
};

const struct object_kind object_kind_server_options = {
	.name = "server-options",
	.rank = 3,
	.size = sizeof(struct server_options),
	.target = &target_server_options,
	.compare = compare,
	.copy = copy,
	.done = done,
	.owner = owner,
	.describe = describe,
};
