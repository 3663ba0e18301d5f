/* A short list: what a feature refuses at boot was made by another version, or for another device. */
#include <string.h>

#include "ashlar/datastore.h"
#include "ashlar/str.h"

#include "kept.h"
#include "refused.h"

struct refusal {
	char *unit_path, *path, *reason;
};

static struct {
	struct refusal *items;
	size_t count, room;
} refused;

static void drop(size_t index)
{
	struct refusal *refusal = &refused.items[index];

	free(refusal->unit_path);
	free(refusal->path);
	free(refusal->reason);
	refused.count--;
	memmove(refusal, refusal + 1, (refused.count - index) * sizeof(*refusal));
}

void refused_forget(const char *unit_path)
{
	for (size_t i = refused.count; i-- > 0;) {
		if (str_equal(refused.items[i].unit_path, unit_path))
			drop(i);
	}
}

void refused_note(const char *unit_path, const struct err *err)
{
	refused_forget(unit_path);
	ARRAY_GROW(refused.items, refused.count, refused.room);
	refused.items[refused.count++] = (struct refusal){
		.unit_path = xstrdup(unit_path),
		.path = xstrdup(err->path ? err->path : unit_path),
		.reason = xstrdup(err_text(err)),
	};
}

void refused_done(void)
{
	while (refused.count)
		drop(refused.count - 1);
	free(refused.items);
	memset(&refused, 0, sizeof(refused));
}

bool ds_not_applied(size_t index, const char **ret_path, const char **ret_reason)
{
	const struct kept *kept = kept_at(index);
	size_t kept_count = 0;

	if (kept) {
		*ret_path = kept->path;
		*ret_reason = kept->reason;
		return true;
	}
	while (kept_at(kept_count))
		kept_count++;
	index -= kept_count;
	if (index >= refused.count)
		return false;
	*ret_path = refused.items[index].path;
	*ret_reason = refused.items[index].reason;
	return true;
}
