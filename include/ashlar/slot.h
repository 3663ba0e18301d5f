/*
 * Slots: the places on disk for a system, and what is known of each.
 *
 * A slot is a partition named "ashlar-NAME" (a, b, recovery). It begins with root.img of a bundle; its last
 * SLOT_HEADER_ROOM bytes hold what is known of that: two copies, each alone in a block of 4 KiB, so that no
 * write touches both. The valid one with the higher sequence number counts, the other is the one that is
 * overwritten: whenever the power goes, the old or the new state is there, whole.
 *
 *   empty    nothing that may be started: never written, being written, or broken off
 *   trial    whole and verified, started once to see whether it is any good
 *   failed   not to be started again; the reason says why
 *   good     confirmed; attempts counts the starts since it was last healthy
 *
 * Plain C on core: the daemon, the installer and ashlar-early all use it.
 */
#ifndef ASHLAR_SLOT_H
#define ASHLAR_SLOT_H

#include <stdint.h>

#include "ashlar/err.h"

#define SLOT_HEADER_ROOM    8192
#define SLOT_SHA256_BYTES   32
#define SLOT_VERSION_MAX    64 /* with the NUL, as all texts here */
#define SLOT_COMPATIBLE_MAX 64
#define SLOT_REASON_MAX	    252
#define SLOT_ATTEMPTS_MAX   3 /* starts of a good slot in a row without becoming healthy */

enum slot_state {
	SLOT_STATE_EMPTY,
	SLOT_STATE_TRIAL,
	SLOT_STATE_FAILED,
	SLOT_STATE_GOOD,
};

struct slot_header {
	uint32_t sequence; /* slot_write() counts; 0: none was ever written */
	enum slot_state state;
	uint32_t attempts;
	uint32_t generation;		      /* that it was last started with; 0: none */
	uint64_t size;			      /* of root.img */
	uint8_t sha256[SLOT_SHA256_BYTES];    /* of root.img: "the image's digest" */
	uint8_t root_hash[SLOT_SHA256_BYTES]; /* of its hash tree, as in ashlar.root= of boot.efi */
	int64_t installed, activated;	      /* seconds since 1970; 0: never */
	uint32_t installed_count, activated_count; /* of this slot, whatever was in it */
	uint32_t security;			   /* the bundle's security counter */
	/* Of recovery, whose state outlives everything else: 1: /cfg and /var are to be wiped before anything uses
	 * them, however often that is cut off; 0 again when that is done. */
	uint32_t reset;
	char version[SLOT_VERSION_MAX];
	char compatible[SLOT_COMPATIBLE_MAX];
	char reason[SLOT_REASON_MAX]; /* why it is in that state; may be empty */
};

/* "a", "b" (those that upgrades are written to) and "recovery", then NULL. */
extern const char *const slot_names[];

/* "empty" …; by name: -EINVAL for another word. */
const char *slot_state_name(enum slot_state state);
int slot_state_by_name(const char *name, enum slot_state *ret_state) WARN_UNUSED;

/*
 * Where the slot NAME is: "DIR/NAME", malloc'd. In a running system @dir is SLOT_DIR: ashlar-early has put a
 * link to each of our partitions there, by the name without "ashlar-", all of the disk that was started from.
 */
#define SLOT_DIR "/run/ashlar/disk"
char *slot_path(const char *dir, const char *name);

/*
 * What is known of the slot in the partition (or file) @path. No valid copy at all is an empty slot with
 * sequence 0: nothing may be started from there. Errors are those of reading.
 */
int slot_read(const char *path, struct slot_header *ret_header, struct err *err) WARN_UNUSED;
/*
 * Writes @header, on disk when this returns, and sets its sequence. Whoever changes a slot reads it first:
 * there is one writer at a time (early, then the daemon, or the installer it has started).
 */
int slot_write(const char *path, struct slot_header *header, struct err *err) WARN_UNUSED;
/* Bytes that root.img may have there; 0: it cannot be told. */
uint64_t slot_room(const char *path);
/* Sets state and reason (cut to fit). */
void slot_set(struct slot_header *header, enum slot_state state, const char *format, ...)
	PRINTF(3, 4);

/* One copy, as it stands on disk: SLOT_COPY_BYTES. Decoding: -EBADMSG if it is none of ours, or torn. */
#define SLOT_COPY_BYTES 512
void slot_encode(const struct slot_header *header, uint8_t *copy);
int slot_decode(const uint8_t *copy, struct slot_header *ret_header) WARN_UNUSED;

#endif
