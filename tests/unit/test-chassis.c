/* The base MAC address out of an EEPROM: which blocks tell it, and which memory is the one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/chassis.h"
#include "ashlar/file.h"

/* Product name, base MAC address, number of addresses, CRC. */
static const uint8_t block[] = { 'T', 'l', 'v', 'I', 'n', 'f', 'o', 0, 1, 0, 22, 0x21, 4, 'p', 'l',
	'u', 'g', 0x24, 6, 0x00, 0x53, 0x00, 0xab, 0xcd, 0xef, 0x2a, 0, 0xfe, 4, 0, 0, 0, 0 };
static const uint8_t mac[] = { 0x00, 0x53, 0x00, 0xab, 0xcd, 0xef };

/* As the standard's own words have it, bit by bit from the highest: another way than the program's. */
static void seal(uint8_t *data, size_t size)
{
	uint32_t crc = UINT32_MAX, reversed = 0;

	for (size_t i = 0; i < (size - 4) * 8; i++) {
		uint32_t bit = (uint32_t)data[i / 8] >> i % 8 & 1;

		crc = (crc >> 31 ^ bit) ? crc << 1 ^ 0x04c11db7U : crc << 1;
	}
	for (int i = 0; i < 32; i++)
		reversed |= (crc >> i & 1) << (31 - i);
	reversed = ~reversed;
	for (int i = 0; i < 4; i++)
		data[size - 4 + i] = (uint8_t)(reversed >> (24 - 8 * i));
}

static void test_block(void **state)
{
	uint8_t data[sizeof(block)], found[6];

	memcpy(data, block, sizeof(data));
	assert_false(chassis_read_block(data, sizeof(data), found));
	seal(data, sizeof(data));
	assert_true(chassis_read_block(data, sizeof(data), found));
	assert_memory_equal(found, mac, 6);
	for (size_t i = 0; i < sizeof(data); i++) {
		assert_false(chassis_read_block(data, i, found));
		data[i] ^= 0x40;
		assert_false(chassis_read_block(data, sizeof(data), found));
		data[i] ^= 0x40;
	}
	data[19] |= 1; /* the address of a group */
	seal(data, sizeof(data));
	assert_false(chassis_read_block(data, sizeof(data), found));
}

static void test_memories(void **state)
{
	char dir[] = "/tmp/test-chassis.XXXXXX", path[64], name[32];
	uint8_t data[256] = { 0 }, found[6];

	assert_non_null(mkdtemp(dir));
	assert_false(chassis_stored_mac(dir, found));
	for (int i = 0; i < 4; i++) { /* too short, no block, a damaged one, a good one */
		snprintf(name, sizeof(name), "memory%d", i);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		assert_int_equal(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/%s/nvmem", dir, name);
		if (i >= 2)
			memcpy(data, block, sizeof(block));
		if (i == 3)
			seal(data, sizeof(block));
		assert_int_equal(file_replace(path, data, i ? sizeof(data) : 5, 0600, NULL), 0);
	}
	assert_true(chassis_stored_mac(dir, found));
	assert_memory_equal(found, mac, 6);
	assert_int_equal(file_remove_tree(dir, NULL), 0);
	memset(found, 0, sizeof(found));
	assert_true(chassis_stored_mac(NULL, found)); /* kept */
	assert_memory_equal(found, mac, 6);
}

static void test_derived(void **state)
{
	uint8_t one[6], other[6];

	chassis_derived_mac(one);
	chassis_derived_mac(other);
	assert_memory_equal(one, other, 6);
	assert_int_equal(one[0] & 3, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_memories),
		cmocka_unit_test(test_derived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
