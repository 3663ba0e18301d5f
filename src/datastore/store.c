/* Who holds which tree, and the generation numbers that ETags are made of. */
#include <string.h>

#include "candidate.h"
#include "store.h"

struct ds_config store_config;

static struct {
	struct lyd_node *running;
	uint64_t generation[DS_OPERATIONAL + 1];
	time_t modified[DS_OPERATIONAL + 1];
} store;

void store_init(const struct ds_config *config)
{
	store_config.config_dir = xstrdup(config->config_dir);
	store_config.run_dir = xstrdup(config->run_dir);
	store_config.state_dir = xstrdup(config->state_dir);
	for (size_t i = 0; i < ARRAY_SIZE(store.generation); i++) {
		store.modified[i] = time(NULL);
		store.generation[i] = (uint64_t)store.modified[i] << 20;
	}
}

void store_done(void)
{
	lyd_free_all(store.running);
	free((char *)store_config.config_dir);
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
	store.generation[ds]++;
	store.modified[ds] = time(NULL);
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
