/* CRC-32 of IEEE 802.3: what tells a block that was written whole from one that was not. */
#ifndef ASHLAR_CRC32_H
#define ASHLAR_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(const void *data, size_t size);

#endif
