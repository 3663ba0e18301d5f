/* The hash map: against a plain array under random changes, while iterating, and its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/map.h"

#define KEYS 3000

struct item {
	char key[16];
	bool is_in;
};

static void items_init(struct item *items)
{
	size_t i;

	for (i = 0; i < KEYS; i++) {
		snprintf(items[i].key, sizeof(items[i].key), "key-%zu", i);
		items[i].is_in = false;
	}
}

static void test_basics(void **state)
{
	_cleanup_(map_done) struct map map = { 0 };
	char first[] = "name", second[] = "name";
	int a, b;

	assert_null(map_get_str(&map, "name"));
	assert_null(map_del_str(&map, "name"));
	assert_null(map_put_str(&map, first, &a));
	assert_ptr_equal(map_get_str(&map, "name"), &a);
	assert_ptr_equal(map_put_str(&map, second, &b), &a);
	/* The key was replaced with the value: the first one may go. */
	memset(first, 'x', sizeof(first) - 1);
	assert_ptr_equal(map_get_str(&map, "name"), &b);
	assert_int_equal(map.count, 1);
	assert_ptr_equal(map_del_str(&map, "name"), &b);
	assert_null(map_get_str(&map, "name"));
	assert_int_equal(map.count, 0);
}

static void test_binary_keys(void **state)
{
	_cleanup_(map_done) struct map map = { 0 };
	int a, b, c;

	assert_null(map_put(&map, "a\0b", 3, &a));
	assert_null(map_put(&map, "a\0c", 3, &b));
	assert_null(map_put(&map, NULL, 0, &c));
	assert_ptr_equal(map_get(&map, "a\0b", 3), &a);
	assert_ptr_equal(map_get(&map, "a\0c", 3), &b);
	assert_null(map_get(&map, "a", 1));
	assert_ptr_equal(map_get(&map, "", 0), &c);
	assert_ptr_equal(map_del(&map, NULL, 0), &c);
}

static void test_hash(void **state)
{
	char bytes[64] = { 0 };
	uint32_t hash;
	size_t i, j;

	for (i = 0; i <= sizeof(bytes); i++) {
		hash = map_hash(bytes, i);
		assert_int_not_equal(hash, 0);
		assert_int_equal(hash, map_hash(bytes, i));
		for (j = 0; j < i; j++) {
			bytes[j] ^= 1;
			assert_int_not_equal(hash, map_hash(bytes, i));
			bytes[j] ^= 1;
		}
	}
}

static void test_model(void **state)
{
	static struct item items[KEYS];
	_cleanup_(map_done) struct map map = { 0 };
	size_t count = 0, step, i, at;
	uint32_t random = 99;
	struct item *item;

	items_init(items);
	for (step = 0; step < 200000; step++) {
		/* Grows for a while, then shrinks: rehashing both ways, over the dead. */
		bool is_growing = step / 20000 % 2 == 0;

		random = random * 1664525 + 1013904223;
		item = &items[(random >> 8) % KEYS];
		if ((random >> 30 != 0) == is_growing) {
			assert_ptr_equal(
				map_put_str(&map, item->key, item), item->is_in ? item : NULL);
			count += !item->is_in;
			item->is_in = true;
		} else {
			assert_ptr_equal(map_del_str(&map, item->key), item->is_in ? item : NULL);
			count -= item->is_in;
			item->is_in = false;
		}
		assert_int_equal(map.count, count);
		assert_true((map.count + map.dead) * 4 <= map.room * 3 || !map.room);
	}
	for (i = 0; i < KEYS; i++)
		assert_ptr_equal(
			map_get_str(&map, items[i].key), items[i].is_in ? &items[i] : NULL);
	for (at = 0, i = 0; (item = map_next(&map, &at)); i++)
		assert_true(item->is_in);
	assert_int_equal(i, count);
}

static void test_delete_while_iterating(void **state)
{
	static struct item items[KEYS];
	_cleanup_(map_done) struct map map = { 0 };
	size_t at = 0, seen = 0, i;
	struct item *item;

	items_init(items);
	for (i = 0; i < KEYS; i++)
		assert_null(map_put_str(&map, items[i].key, &items[i]));
	while ((item = map_next(&map, &at))) {
		seen++;
		assert_false(item->is_in);
		item->is_in = true; /* here: was seen */
		assert_ptr_equal(map_del_str(&map, item->key), item);
	}
	assert_int_equal(seen, KEYS);
	assert_int_equal(map.count, 0);
}

static void test_memory_is_given_back(void **state)
{
	static struct item items[KEYS];
	_cleanup_(map_done) struct map map = { 0 };
	size_t i;

	items_init(items);
	for (i = 0; i < KEYS; i++)
		assert_null(map_put_str(&map, items[i].key, &items[i]));
	for (i = 0; i < KEYS - 1; i++)
		assert_non_null(map_del_str(&map, items[i].key));
	assert_null(map_put_str(&map, items[0].key, &items[0]));
	assert_true(map.room <= 64);
	assert_ptr_equal(map_get_str(&map, items[KEYS - 1].key), &items[KEYS - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basics),
		cmocka_unit_test(test_binary_keys),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_delete_while_iterating),
		cmocka_unit_test(test_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
