/* The parts of a boot image: a PE file whose sections are kernel, initial RAM file system, command line. Pure. */
#ifndef IMAGE_UKI_H
#define IMAGE_UKI_H

#include <stddef.h>
#include <stdint.h>

#include "ashlar/mem.h"

/* The bytes of the section @name (".linux"), within @data. -ENOENT: there is none; -EBADMSG: no PE file. */
int uki_section(const uint8_t *data, size_t size, const char *name, const uint8_t **ret_section,
	size_t *ret_size) WARN_UNUSED;

#endif
