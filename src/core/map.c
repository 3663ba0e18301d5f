/*
 * A hash map by open addressing with linear probing; room is a power of two, at most three quarters
 * used. An entry is empty (hash 0), dead (a hash without a value: probing goes on behind it) or in
 * use. The hash is SipHash-1-3 (Aumasson, Bernstein) under a key drawn once per process, so that
 * nobody outside can choose names that collide.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "ashlar/map.h"

#define ROOM_MIN  ((size_t)8)
#define ROOM_KEEP ((size_t)64) /* larger memory is given back when the map runs empty */

static uint64_t secret[2];

/* Before main(): no look-up has to test whether the key was drawn. Early in a boot it does not wait
 * for entropy: no client is there to guess. */
__attribute__((constructor)) static void secret_draw(void)
{
	size_t done = 0;

	while (done < sizeof(secret)) {
		ssize_t got =
			getrandom((char *)secret + done, sizeof(secret) - done, GRND_INSECURE);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0)
			done += (size_t)got;
	}
}

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

static uint64_t sip_hash(const uint64_t key[2], const void *data, size_t size)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	const char *bytes = data;
	uint64_t word;
	size_t left;

	for (left = size; left >= 8; left -= 8, bytes += 8) {
		memcpy(&word, bytes, 8);
		sip_word(v, word);
	}
	word = 0;
	if (left)
		memcpy(&word, bytes, left);
	sip_word(v, word | (uint64_t)size << 56);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_done(struct map *map)
{
	free(map->entries);
	*map = (struct map){ 0 };
}

uint32_t map_hash(const void *key, size_t key_size)
{
	uint64_t hash = sip_hash(secret, key, key_size);
	uint32_t folded = (uint32_t)(hash ^ hash >> 32);

	return folded ? folded : 1;
}

static bool is_key(const struct map_entry *entry, uint32_t hash, const void *key, size_t key_size)
{
	return entry->hash == hash && entry->value && entry->key_size == key_size &&
		(!key_size || memcmp(entry->key, key, key_size) == 0);
}

static struct map_entry *find(
	const struct map *map, uint32_t hash, const void *key, size_t key_size)
{
	size_t at;

	if (!map->count)
		return NULL;
	for (at = hash & (map->room - 1); map->entries[at].hash; at = (at + 1) & (map->room - 1))
		if (is_key(&map->entries[at], hash, key, key_size))
			return &map->entries[at];
	return NULL;
}

/* The first entry on the hash's way that is not in use. */
static struct map_entry *find_free(const struct map *map, uint32_t hash)
{
	size_t at = hash & (map->room - 1);

	while (map->entries[at].value)
		at = (at + 1) & (map->room - 1);
	return &map->entries[at];
}

/* Without the dead, and with room for as many again. */
static void rehash(struct map *map)
{
	struct map fresh = { .room = ROOM_MIN, .count = map->count };
	size_t i;

	while (fresh.room < 2 * (map->count + 1))
		fresh.room *= 2;
	fresh.entries = xcalloc(fresh.room, sizeof(*fresh.entries));
	for (i = 0; i < map->room; i++)
		if (map->entries[i].value)
			*find_free(&fresh, map->entries[i].hash) = map->entries[i];
	free(map->entries);
	*map = fresh;
}

void *map_put(struct map *map, const void *key, size_t key_size, void *value)
{
	uint32_t hash = map_hash(key, key_size);
	struct map_entry *entry = find(map, hash, key, key_size);
	void *replaced;

	assert(value && key_size <= UINT32_MAX);
	if (entry) {
		replaced = entry->value;
		entry->value = value;
		entry->key = key;
		return replaced;
	}
	if ((map->count + map->dead + 1) * 4 > map->room * 3 ||
		(map->room > ROOM_KEEP && map->count < map->room / 16))
		rehash(map);
	entry = find_free(map, hash);
	if (entry->hash)
		map->dead--;
	*entry = (struct map_entry){
		.value = value, .hash = hash, .key_size = (uint32_t)key_size, .key = key
	};
	map->count++;
	return NULL;
}

void *map_get(const struct map *map, const void *key, size_t key_size)
{
	struct map_entry *entry;

	if (!map->count)
		return NULL;
	entry = find(map, map_hash(key, key_size), key, key_size);
	return entry ? entry->value : NULL;
}

/* An entry that no probing passes becomes empty, and with it the dead before it. */
static void bury(struct map *map, struct map_entry *entry)
{
	size_t at = (size_t)(entry - map->entries), mask = map->room - 1;

	entry->value = NULL;
	entry->key = NULL;
	map->dead++;
	if (map->entries[(at + 1) & mask].hash)
		return;
	while (map->entries[at].hash && !map->entries[at].value) {
		map->entries[at].hash = 0;
		map->dead--;
		at = (at - 1) & mask;
	}
}

void *map_del(struct map *map, const void *key, size_t key_size)
{
	struct map_entry *entry;
	void *removed;

	if (!map->count)
		return NULL;
	entry = find(map, map_hash(key, key_size), key, key_size);
	if (!entry)
		return NULL;
	removed = entry->value;
	map->count--;
	if (!map->count && map->room > ROOM_KEEP)
		map_done(map);
	else
		bury(map, entry);
	return removed;
}

void *map_put_str(struct map *map, const char *key, void *value)
{
	return map_put(map, key, strlen(key), value);
}

void *map_get_str(const struct map *map, const char *key)
{
	return map_get(map, key, strlen(key));
}

void *map_del_str(struct map *map, const char *key)
{
	return map_del(map, key, strlen(key));
}

void *map_next(const struct map *map, size_t *at)
{
	while (*at < map->room) {
		const struct map_entry *entry = &map->entries[(*at)++];

		if (entry->value)
			return entry->value;
	}
	return NULL;
}
