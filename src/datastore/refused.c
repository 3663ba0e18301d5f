/* A short list: what a feature refuses at boot was made by another version, or for another device. */
#include <string.h>

#include "ashlar/datastore.h"
#include "ashlar/str.h"

#include "kept.h"
#include "refused.h"

struct refused_unit {
	char *path;
	struct refusals refusals; /* not empty */
};

static struct {
	struct refused_unit *items;
	size_t count, room;
} refused;

static bool is_same(const struct refusal *refusal, const struct err *err)
{
	return str_equal(refusal->path, err->path) && str_equal(refusal->reason, err_text(err));
}

static bool contains(const struct refusals *refusals, const struct err *err)
{
	for (size_t i = 0; i < refusals->count; i++) {
		if (is_same(&refusals->items[i], err))
			return true;
	}
	return false;
}

void refusals_add(struct refusals *refusals, const struct err *err)
{
	if (contains(refusals, err))
		return;
	ARRAY_GROW(refusals->items, refusals->count, refusals->room);
	refusals->items[refusals->count++] = (struct refusal){
		.path = xstrdup(err->path),
		.reason = xstrdup(err_text(err)),
	};
}

void refusals_done(struct refusals *refusals)
{
	for (size_t i = 0; i < refusals->count; i++) {
		free(refusals->items[i].path);
		free(refusals->items[i].reason);
	}
	free(refusals->items);
	memset(refusals, 0, sizeof(*refusals));
}

static struct refused_unit *find(const char *unit_path)
{
	for (size_t i = 0; i < refused.count; i++) {
		if (str_equal(refused.items[i].path, unit_path))
			return &refused.items[i];
	}
	return NULL;
}

static void drop(struct refused_unit *unit)
{
	size_t behind = refused.count - (size_t)(unit - refused.items) - 1;

	free(unit->path);
	refusals_done(&unit->refusals);
	refused.count--;
	memmove(unit, unit + 1, behind * sizeof(*unit));
}

void refused_replace(const char *unit_path, struct refusals *refusals)
{
	struct refused_unit *unit = find(unit_path);

	if (unit)
		drop(unit);
	if (!refusals->count)
		return;
	ARRAY_GROW(refused.items, refused.count, refused.room);
	refused.items[refused.count++] = (struct refused_unit){
		.path = xstrdup(unit_path),
		.refusals = *refusals,
	};
	memset(refusals, 0, sizeof(*refusals));
}

bool refused_is_known(const char *unit_path, const struct err *err)
{
	const struct refused_unit *unit = find(unit_path);

	return unit && contains(&unit->refusals, err);
}

void refused_done(void)
{
	while (refused.count)
		drop(&refused.items[refused.count - 1]);
	free(refused.items);
	memset(&refused, 0, sizeof(refused));
}

static const struct refusal *refusal_at(size_t index)
{
	for (size_t i = 0; i < refused.count; i++) {
		const struct refusals *refusals = &refused.items[i].refusals;

		if (index < refusals->count)
			return &refusals->items[index];
		index -= refusals->count;
	}
	return NULL;
}

bool ds_not_applied(size_t index, const char **ret_path, const char **ret_reason)
{
	const struct kept *kept = kept_at(index);
	const struct refusal *refusal;
	size_t kept_count = 0;

	if (kept) {
		*ret_path = kept->path;
		*ret_reason = kept->reason;
		return true;
	}
	while (kept_at(kept_count))
		kept_count++;
	refusal = refusal_at(index - kept_count);
	if (!refusal)
		return false;
	*ret_path = refusal->path;
	*ret_reason = refusal->reason;
	return true;
}
