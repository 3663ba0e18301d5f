/* The partition table of our disk: where a partition is, and room for the last one when the disk has more. */
#ifndef ASHLAR_IMAGE_GPT_H
#define ASHLAR_IMAGE_GPT_H

#include <stdint.h>

#include "ashlar/err.h"

#define GPT_GUID_BYTES 16

struct gpt_partition {
	unsigned number;	      /* from 1 */
	unsigned block;		      /* bytes of what the next two count */
	uint64_t start, size;	      /* on the disk */
	uint8_t guid[GPT_GUID_BYTES]; /* as it stands in the table */
};

/* The partition named @name of the disk (device or file) @disk. -ENOENT: there is none. */
int gpt_find(const char *disk, const char *name, struct gpt_partition *ret_partition,
	struct err *err) WARN_UNUSED;
/*
 * Moves the table's second copy to the end of the disk and gives the last partition all before it. 1: it has
 * grown, to *ret_partition; 0: there was nothing to gain. At any instant one of the copies is whole. The kernel
 * is not told.
 */
int gpt_grow(const char *disk, struct gpt_partition *ret_partition, struct err *err) WARN_UNUSED;

#endif
