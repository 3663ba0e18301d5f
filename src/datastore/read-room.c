/* See read-room.h. */
#include "ashlar/str.h"

#include "read-room.h"

static struct list places = LIST_INIT(places);

static bool is_flowing(const struct read_place *place, uint64_t now_ms)
{
	unsigned last = (place->at + READ_SLOW_PARTS - 1) % READ_SLOW_PARTS;

	return !place->is_held || now_ms - place->part_ms[last] < READ_HELD_MS;
}

static bool is_slow(const struct read_place *place, uint64_t now_ms)
{
	return !is_flowing(place, now_ms) && now_ms - place->part_ms[place->at] >= READ_SLOW_MS;
}

struct counts {
	size_t all, flowing;
};

/* Of one user, or (NULL) of all. */
static struct counts count_places(const char *user, uint64_t now_ms)
{
	struct counts counts = { 0 };
	const struct read_place *place;

	LIST_FOREACH (place, &places, link) {
		if (user && !str_equal(place->user, user))
			continue;
		counts.all++;
		counts.flowing += is_flowing(place, now_ms);
	}
	return counts;
}

bool read_room_has(const char *user, uint64_t now_ms)
{
	struct counts all = count_places(NULL, now_ms), mine = count_places(user, now_ms);

	return all.all < READ_PLACES_MAX && all.flowing < READ_FLOWING_MAX &&
		mine.all < READ_PLACES_USER_MAX && mine.flowing < READ_FLOWING_USER_MAX;
}

void read_place_take(struct read_place *place, const char *user, uint64_t now_ms)
{
	*place = (struct read_place){ .user = user };
	for (size_t i = 0; i < READ_SLOW_PARTS; i++)
		place->part_ms[i] = now_ms;
	list_append(&places, &place->link);
}

void read_place_hold(struct read_place *place, uint64_t now_ms)
{
	place->part_ms[place->at] = now_ms;
	place->at = (place->at + 1) % READ_SLOW_PARTS;
	place->is_held = true;
}

void read_place_go_on(struct read_place *place)
{
	place->is_held = false;
}

void read_place_leave(struct read_place *place)
{
	list_remove(&place->link);
}

struct read_place *read_room_slowest(const char *user, uint64_t now_ms)
{
	/* Where the user has too many himself, others' places are no use to him. */
	bool is_own = count_places(user, now_ms).all >= READ_PLACES_USER_MAX;
	struct read_place *place, *slowest = NULL;

	if (!is_own && count_places(NULL, now_ms).all < READ_PLACES_MAX)
		return NULL;
	LIST_FOREACH (place, &places, link) {
		if (!is_slow(place, now_ms) || (is_own && !str_equal(place->user, user)))
			continue;
		if (!slowest || place->part_ms[place->at] < slowest->part_ms[slowest->at])
			slowest = place;
	}
	return slowest;
}
