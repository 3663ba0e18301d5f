/* CRC-32, a bit at a time: for blocks of some hundred bytes. */
#include "ashlar/crc32.h"

#define POLYNOMIAL 0xedb88320U /* of IEEE 802.3, bits reversed */

uint32_t crc32_of(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
	}
	return ~crc;
}
