/* What the parts of ashlar-early share. */
#ifndef ASHLAR_BOOT_EARLY_H
#define ASHLAR_BOOT_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ashlar/slot.h"

#define EARLY_ROOT "/root" /* where the root is mounted before it is one */

/* A line of the kernel's log, which is on the console and in what pstore keeps. */
void early_say(const char *format, ...) PRINTF(1, 2);
/*
 * PID 1 that ends is a panic: what and errno are in what pstore keeps of it, and panic= restarts the device.
 */
void early_fail(const char *what) __attribute__((noreturn));
/* mount(2), at a directory that is made; what cannot be mounted fails. */
void early_mount(const char *source, const char *target, const char *type, unsigned long flags,
	const char *options);
/* Copies the value of WORD= on the kernel's command line; false: it is not there. */
bool early_cmdline(const char *word, char *value, size_t room);
/* The exit status of a program; -1: it has none. */
int early_run(const char *const *argv);
/* The watchdog begins to count anew. */
void early_feed(void);

/* --- panic.c -------------------------------------------------------------------------------------- */

/* The text that the kernel has left of a panic, malloc'd, forgotten there; NULL: there was none. */
char *panic_take(void);

/* --- partition.c: the partitions of the disk that was started from ------------------------------- */

/* Waits for a disk with the slot @slot, and takes the first; of several the one that @root_hash is of. */
void partition_find_disk(const char *slot, const uint8_t root_hash[SLOT_SHA256_BYTES]);
/* "/dev/vda3" of the partition "ashlar-NAME" there; NULL: there is none. "disk": all of it. */
const char *partition_device(const char *name);
/* A disk that is larger than the last time: the last partition takes what has come. */
void partition_grow(void);
/* SLOT_DIR: links by which everybody else finds them. */
void partition_make_links(void);

/* --- verity.c: the root, verified block by block -------------------------------------------------- */

/* What the signed command line says: "ashlar.root=BLOCKS,HASH,SALT". */
struct verity {
	uint64_t blocks;
	char hash[65], salt[65];
	uint8_t root_hash[SLOT_SHA256_BYTES];
};

void verity_read(struct verity *ret_verity);
/*
 * Mounts what the partition @device holds at EARLY_ROOT. What does not match its hash is an error until then,
 * and a panic afterwards. @is_whole: each block is read before.
 */
int verity_mount(const struct verity *verity, const char *device, bool is_whole);

/* --- writable.c: what is writable ----------------------------------------------------------------- */

/* /tmp, and /etc as each start begins with it. */
void writable_begin(void);
/* Mounts all else; what became of each partition is told. */
void writable_mount(FILE *told);
/* Makes empty file systems of cfg and var, over what they were; before they are mounted. False: told why not. */
bool writable_wipe(void);
/* Whether /cfg is the partition's, mounted. */
bool writable_has_cfg(void);

#endif
