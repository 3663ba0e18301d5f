/*
 * Who holds which tree; the generation numbers that ETags are made of, and when each was changed.
 *
 * Both must never say of other content that it is what a client has seen. Generations begin anew anywhere in
 * 64 bits with every start. Times are those of a clock that may begin anew with every boot, so they are
 * unknown until it is past whatever our files say; and what changes twice within a second was modified in
 * the next one the second time, which is what a client that had read it in between does not have.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/param.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "ashlar/file.h"

#include "candidate.h"
#include "store.h"

#define UNKNOWN INT64_MAX /* a time that is later than any that a client may name */

struct ds_config store_config;

static struct {
	struct lyd_node *running;
	uint64_t generation[DS_OPERATIONAL + 1];
	time_t modified[DS_OPERATIONAL + 1];
	time_t known_from; /* the clock was there before: earlier, it is wrong */
} store;

static time_t modified_of(const char *dir, const char *name)
{
	_cleanup_free_ char *path = dir ? file_join(dir, name) : NULL; /* trees need none */
	struct stat st;

	return path && stat(path, &st) == 0 ? st.st_mtime : 0;
}

/* The latest of what a daemon before us has left. */
static time_t latest_file(void)
{
	time_t latest = modified_of(store_config.startup_dir, "startup-config.cfg");

	latest = MAX(latest, modified_of(store_config.startup_dir, "."));
	latest = MAX(latest, modified_of(store_config.state_dir, "history"));
	latest = MAX(latest, modified_of(store_config.state_dir, "."));
	return MAX(latest, modified_of(store_config.run_dir, "."));
}

/* Never 0. */
static uint64_t first_generation(void)
{
	uint64_t value;
	ssize_t got;

	do
		got = getrandom(&value, sizeof(value), GRND_INSECURE);
	while (got < 0 && errno == EINTR);
	assert(got == sizeof(value));
	return value >> 1 | 1;
}

void store_init(const struct ds_config *config)
{
	time_t now = time(NULL);

	store_config.config_dir = xstrdup(config->config_dir);
	store_config.startup_dir = xstrdup(config->startup_dir);
	store_config.run_dir = xstrdup(config->run_dir);
	store_config.state_dir = xstrdup(config->state_dir);
	store.known_from = latest_file();
	for (size_t i = 0; i < ARRAY_SIZE(store.generation); i++) {
		store.modified[i] = now < store.known_from ? UNKNOWN : now + 1;
		store.generation[i] = first_generation();
	}
}

void store_done(void)
{
	lyd_free_all(store.running);
	free((char *)store_config.config_dir);
	free((char *)store_config.startup_dir);
	free((char *)store_config.run_dir);
	free((char *)store_config.state_dir);
	memset(&store, 0, sizeof(store));
	memset(&store_config, 0, sizeof(store_config));
}

struct lyd_node **store_running(void)
{
	return &store.running;
}

void store_touch(enum ds ds)
{
	time_t now = time(NULL), last = ds_last_modified(ds);

	store.generation[ds]++;
	if (last == UNKNOWN || now > last) {
		store.modified[ds] = last == UNKNOWN ? last : now;
	} else if (now + 1 >= last) {
		store.modified[ds] = now + 1;
	} else { /* somebody has set the clock back */
		store.known_from = MAX(store.known_from, last);
		store.modified[ds] = UNKNOWN;
	}
	if (ds == DS_RUNNING)
		store_touch(DS_OPERATIONAL);
	if (ds == DS_RUNNING && !candidate_is_edited())
		store_touch(DS_CANDIDATE);
}

uint64_t ds_generation(enum ds ds)
{
	return store.generation[ds];
}

time_t ds_last_modified(enum ds ds)
{
	time_t now = time(NULL);

	if (store.modified[ds] == UNKNOWN && now >= store.known_from)
		store.modified[ds] = now + 1;
	return store.modified[ds];
}

const struct lyd_node *ds_tree(enum ds ds)
{
	switch (ds) {
	case DS_RUNNING:
	case DS_OPERATIONAL:
		return store.running;
	case DS_CANDIDATE:
		return candidate_tree();
	case DS_STARTUP:
	case DS_FACTORY:
		break;
	}
	return NULL;
}
