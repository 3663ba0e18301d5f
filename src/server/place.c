/*
 * Places. A source is in its service's map as long as it has connections. When a limit is met, the
 * oldest stranger of the source that has most strangers goes: a flood from one address pushes out itself
 * and not the client that is just logging in from another.
 *
 * Descriptors are one store for the whole process. It is made large enough for all places and what else
 * the daemon opens; if that is not granted, all services get less in proportion.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "ashlar/log.h"
#include "ashlar/map.h"

#include "place.h"

#define ROOT_RESERVE	   64  /* places of a service that only root gets */
#define DESCRIPTOR_RESERVE 256 /* for files, netlink, child processes */

struct place_source {
	char name[48];
	unsigned count, strangers;
};

struct limits {
	unsigned all, source, strangers;
};

/* A local session costs little, an HTTPS connection 40 KiB. */
static const struct limits limits[PLACE_SERVICE_COUNT] = {
	[PLACE_LOCAL] = { .all = 2048, .source = 1024, .strangers = 256 },
	[PLACE_SSH] = { .all = 512, .source = 256, .strangers = 256 },
	[PLACE_HTTPS] = { .all = 256, .source = 64, .strangers = 128 },
	[PLACE_CALL_HOME] = { .all = 64, .source = 64, .strangers = 64 },
	[PLACE_TLS] = { .all = 256, .source = 128, .strangers = 128 },
};

static struct service {
	struct map sources;
	struct list strangers; /* oldest first */
	unsigned count, stranger_count;
} services[PLACE_SERVICE_COUNT];

/* Of each limit on all, how much the descriptors allow. */
static unsigned granted = 1, needed = 1;

static unsigned all_places(void)
{
	unsigned sum = 0;
	size_t i;

	for (i = 0; i < PLACE_SERVICE_COUNT; i++)
		sum += limits[i].all;
	return sum;
}

void place_prepare(void)
{
	const unsigned wanted = all_places() + DESCRIPTOR_RESERVE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur < wanted) {
		struct rlimit more = { wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted };

		if (setrlimit(RLIMIT_NOFILE, &more) < 0) {
			more.rlim_cur = more.rlim_max = limit.rlim_max;
			(void)setrlimit(RLIMIT_NOFILE, &more); /* what we have is what we get */
		}
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	granted = needed = all_places();
	if (limit.rlim_cur >= wanted)
		return;
	granted = limit.rlim_cur > DESCRIPTOR_RESERVE
		? (unsigned)limit.rlim_cur - DESCRIPTOR_RESERVE
		: 0;
	log_warning("place", "%u descriptors instead of %u, serving %u connections at most",
		(unsigned)limit.rlim_cur, wanted, granted);
}

/* --- sources ---------------------------------------------------------------------------------- */

static struct place_source *source_get(struct service *service, const char *name)
{
	struct place_source *source = map_get_str(&service->sources, name);

	if (!source) {
		source = XNEW(struct place_source);
		(void)snprintf(source->name, sizeof(source->name), "%s", name);
		map_put_str(&service->sources, source->name, source);
	}
	return source;
}

static void source_put(struct service *service, struct place_source *source)
{
	if (source->count)
		return;
	map_del_str(&service->sources, source->name);
	free(source);
}

/* --- strangers -------------------------------------------------------------------------------- */

static void count_out(struct place *place)
{
	struct service *service = &services[place->service];
	struct place_source *source = TAKE(place->from);

	if (!source)
		return;
	if (!place->is_known) {
		list_remove(&place->stranger);
		source->strangers--;
		service->stranger_count--;
	}
	source->count--;
	service->count--;
	source_put(service, source);
}

/* The stranger to go, of @source only unless NULL; NULL: there is none. */
static struct place *pick(struct service *service, const struct place_source *source)
{
	struct place *place, *picked = NULL;

	LIST_FOREACH (place, &service->strangers, stranger) {
		if (!place->drop || (source && place->from != source))
			continue;
		if (!picked || place->from->strangers > picked->from->strangers)
			picked = place;
	}
	return picked;
}

static bool drop(struct service *service, const struct place_source *source)
{
	struct place *place = pick(service, source);

	if (!place)
		return false;
	log_info("place", "%s has to make room, unknown until now", place->peer);
	count_out(place);
	place->drop(place->arg);
	return true;
}

/* --- coming and going ------------------------------------------------------------------------- */

/* The newcomer is counted already, but not as a stranger. */
static bool make_room(struct service *service, const struct limits *limit, const struct place *who,
	const struct place_source *source)
{
	unsigned all = (unsigned)((uint64_t)limit->all * granted / needed);
	unsigned reserve = all > ROOT_RESERVE ? ROOT_RESERVE : 0;

	if (!who->is_root && source->count > limit->source && !drop(service, source))
		return false;
	if (service->count > (who->is_root ? all : all - reserve) && !drop(service, NULL))
		return false;
	return service->stranger_count < limit->strangers || drop(service, NULL);
}

struct place *place_enter(const struct place *who)
{
	struct service *service = &services[who->service];
	struct place_source *source;
	struct place *place;

	if (!service->strangers.next)
		list_init(&service->strangers);
	source = source_get(service, who->source);
	source->count++; /* lest it goes with the stranger that is dropped */
	service->count++;
	if (!make_room(service, &limits[who->service], who, source)) {
		source->count--;
		service->count--;
		source_put(service, source);
		return NULL;
	}
	place = xmemdup(who, sizeof(*who));
	place->is_known = false;
	place->from = source;
	source->strangers++;
	service->stranger_count++;
	list_append(&service->strangers, &place->stranger);
	return place;
}

void place_known(struct place *place)
{
	if (place->is_known)
		return;
	if (place->from) {
		list_remove(&place->stranger);
		place->from->strangers--;
		services[place->service].stranger_count--;
	}
	place->is_known = true;
}

void place_leave(struct place *place)
{
	if (!place)
		return;
	count_out(place);
	free(place);
}
