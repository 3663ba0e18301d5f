/* The state of a slot as a disk has it: what is taken for one is written again as it was read. */
#include <assert.h>
#include <string.h>

#include "ashlar/crc32.h"
#include "ashlar/slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t copy[SLOT_COPY_BYTES] = { 0 }, again[SLOT_COPY_BYTES];
	struct slot_header header, second;
	uint32_t crc;

	memcpy(copy, data, size < sizeof(copy) ? size : sizeof(copy));
	if (slot_decode(copy, &header) < 0) {
		/* the sum is right: what else is wrong with it? */
		crc = crc32_of(copy, sizeof(copy) - 4);
		for (int i = 0; i < 4; i++)
			copy[sizeof(copy) - 4 + i] = (uint8_t)(crc >> (8 * i));
		if (slot_decode(copy, &header) < 0)
			return 0;
	}
	assert(strlen(header.reason) < SLOT_REASON_MAX &&
		strlen(header.version) < SLOT_VERSION_MAX);
	assert(slot_state_name(header.state));
	slot_encode(&header, again);
	assert(slot_decode(again, &second) == 0);
	assert(second.sequence == header.sequence && second.state == header.state &&
		second.size == header.size && !strcmp(second.reason, header.reason));
	return 0;
}
