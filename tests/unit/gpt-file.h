/* A file with a partition table, made by nobody else's program. */
#ifndef TESTS_UNIT_GPT_FILE_H
#define TESTS_UNIT_GPT_FILE_H

#include <stdint.h>

#define GPT_FILE_BLOCKS 65536 /* 32 MiB */

/*
 * Fills @path: three partitions, "first" (2048 to 4095), "ashlar-boot" (4096 to 8191, number 2) and "last"
 * (8192 to the end), each of whose GUIDs is its number sixteen times.
 */
void gpt_file_make(const char *path);

#endif
