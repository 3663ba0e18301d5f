/* PE/COFF as far as it takes to find sections: every offset is compared with what there is. */
#include <errno.h>
#include <string.h>

#include "uki.h"

#define AT_HEADER     0x3c /* where the offset of "PE\0\0" is */
#define HEADER_BYTES  24
#define AT_COUNT      6
#define AT_OPTIONAL   20 /* size of what is between header and section table */
#define SECTION_BYTES 40
#define NAME_BYTES    8
#define AT_VIRTUAL    8 /* bytes that mean something; the rest of the raw ones is padding */
#define AT_RAW_SIZE   16
#define AT_RAW	      20

static uint32_t read_u16(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read_u32(const uint8_t *at)
{
	return read_u16(at) | read_u16(at + 2) << 16;
}

static int find_table(
	const uint8_t *data, size_t size, const uint8_t **ret_table, size_t *ret_count)
{
	size_t header, table;

	if (size < AT_HEADER + 4 || data[0] != 'M' || data[1] != 'Z')
		return -EBADMSG;
	header = read_u32(data + AT_HEADER);
	if (header > size || size - header < HEADER_BYTES ||
		memcmp(data + header, "PE\0\0", 4) != 0)
		return -EBADMSG;
	table = header + HEADER_BYTES + read_u16(data + header + AT_OPTIONAL);
	*ret_count = read_u16(data + header + AT_COUNT);
	if (table > size || (size - table) / SECTION_BYTES < *ret_count)
		return -EBADMSG;
	*ret_table = data + table;
	return 0;
}

int uki_section(const uint8_t *data, size_t size, const char *name, const uint8_t **ret_section,
	size_t *ret_size)
{
	const uint8_t *section;
	size_t count;
	int r = find_table(data, size, &section, &count);

	if (r < 0)
		return r;
	for (; count; count--, section += SECTION_BYTES) {
		size_t at = read_u32(section + AT_RAW), length = read_u32(section + AT_VIRTUAL);
		size_t raw = read_u32(section + AT_RAW_SIZE);

		if (strncmp((const char *)section, name, NAME_BYTES) != 0)
			continue;
		if (length > raw || at > size || length > size - at)
			return -EBADMSG;
		*ret_section = data + at;
		*ret_size = length;
		return 0;
	}
	return -ENOENT;
}
