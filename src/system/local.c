#include <stdio.h>
#include <string.h>

#include "ashlar/local.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

static int (*on_set)(const struct local *local, struct err *err);

void local_use(int (*set)(const struct local *local, struct err *err))
{
	on_set = set;
}

const struct local *local_get(void)
{
	return have_get(have_all(), &object_kind_local, "");
}

void local_add_mapping(struct local *local, const char *account, const char *user)
{
	local->mappings =
		xreallocarray(local->mappings, local->mapping_count + 1, sizeof(*local->mappings));
	local->mappings[local->mapping_count++] =
		(struct local_mapping){ xstrdup(account), xstrdup(user) };
}

/* --- the object ------------------------------------------------------------------------------- */

static void copy(struct object *to, const struct object *from)
{
	struct local *copied = (void *)to;
	const struct local *given = (const void *)from;

	copied->owner = xstrdup(given->owner);
	copied->group = xstrdup(given->group);
	copied->mappings = NULL;
	copied->mapping_count = 0;
	for (size_t i = 0; i < given->mapping_count; i++)
		local_add_mapping(copied, given->mappings[i].account, given->mappings[i].user);
}

static void done(struct object *object)
{
	struct local *local = (void *)object;

	for (size_t i = 0; i < local->mapping_count; i++) {
		free(local->mappings[i].account);
		free(local->mappings[i].user);
	}
	free(local->mappings);
	free(local->owner);
	free(local->group);
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct local *wanted = (const void *)want, *seen = (const void *)have;

	if (wanted->mode != seen->mode || !str_equal(wanted->owner, seen->owner) ||
		!str_equal(wanted->group, seen->group) || wanted->idle_s != seen->idle_s ||
		wanted->mapping_count != seen->mapping_count)
		return OBJECT_CHANGE;
	for (size_t i = 0; i < wanted->mapping_count; i++)
		if (!str_equal(wanted->mappings[i].account, seen->mappings[i].account) ||
			!str_equal(wanted->mappings[i].user, seen->mappings[i].user))
			return OBJECT_CHANGE;
	return OBJECT_SAME;
}

static enum object_owner owner(const struct object *have)
{
	return OBJECT_OURS;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "local socket");
}

static void run(struct step *step)
{
	const struct local *wanted =
		step->op == STEP_REMOVE ? NULL : (const struct local *)step->want;

	step->error = on_set ? on_set(wanted, &step->err) : 0;
	step->is_done = step->error == 0;
	if (step->error)
		return;
	if (wanted)
		have_put(object_copy(step->want));
	else
		have_remove(&object_kind_local, step->have->key);
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	return apply_each(steps, count, stop_on_error, run);
}

static const struct target target_local = {
	.name = "local",
	.is_immediate = true,
	.apply = apply,
};

const struct object_kind object_kind_local = {
	.name = "local",
	.rank = 3,
	.size = sizeof(struct local),
	.target = &target_local,
	.compare = compare,
	.copy = copy,
	.done = done,
	.owner = owner,
	.describe = describe,
};
