/* dm-verity: a device that reads what a partition holds, verified block by block against one hash. */
#ifndef IMAGE_VERITY_H
#define IMAGE_VERITY_H

#include <stddef.h>
#include <stdint.h>

#include "ashlar/mem.h"

struct verity {
	uint64_t blocks;	 /* of data, 4096 bytes each; the hash tree follows */
	const char *hash, *salt; /* 64 hexadecimal digits each */
};

/* Makes the device @name over @partition; *ret_path is "/dev/dm-N". What does not match is an I/O error. */
int verity_open(const char *name, const char *partition, const struct verity *verity,
	char *ret_path, size_t room) WARN_UNUSED;
/* Removes it, when nobody uses it any more. */
void verity_close(const char *name);

#endif
