/* A hash map from byte strings to pointers. */
#ifndef ASHLAR_MAP_H
#define ASHLAR_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/mem.h"

struct map_entry {
	void *value;
	uint32_t hash; /* 0 never occurs for a used entry */
	uint32_t key_size;
	const void *key; /* borrowed from the caller: lives as long as the entry */
};

/* Open addressing; zeroed is an empty map. Hashes are keyed per process against chosen collisions. */
struct map {
	struct map_entry *entries;
	size_t room, count, dead;
};

void map_done(struct map *map);
/* Keys are not copied: they usually live in the value. An existing entry's key is replaced too.
 * Returns the value it replaced, or NULL. @value is not NULL. */
void *map_put(struct map *map, const void *key, size_t key_size, void *value);
void *map_get(const struct map *map, const void *key, size_t key_size);
/* The removed value, or NULL. */
void *map_del(struct map *map, const void *key, size_t key_size);
/* NUL-terminated keys. */
void *map_put_str(struct map *map, const char *key, void *value);
void *map_get_str(const struct map *map, const char *key);
void *map_del_str(struct map *map, const char *key);

/* Iteration in no order; deleting the current entry is allowed, adding is not.
 *	size_t at = 0; struct thing *t;
 *	while ((t = map_next(&map, &at))) … */
void *map_next(const struct map *map, size_t *at);

/* The hash used by maps, for other keyed structures. */
uint32_t map_hash(const void *key, size_t key_size);

#endif
