/*
 * Places for long reads, of which each has a process of its own until its text is out. Most of the time that
 * process may have nothing to do, because the peer has not taken what was there before: it costs memory, but
 * no time, and counts for less. A peer that takes next to nothing loses its place to one that waits.
 */
#ifndef ASHLAR_DATASTORE_READ_ROOM_H
#define ASHLAR_DATASTORE_READ_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/list.h"

#define READ_FLOWING_MAX      4 /* that are being found, or taken by their peers */
#define READ_FLOWING_USER_MAX 2
#define READ_PLACES_MAX	      16 /* with those whose peers have to read first */
#define READ_PLACES_USER_MAX  8
#define READ_HELD_MS	      200  /* a peer that has taken nothing for so long has to read first */
#define READ_SLOW_PARTS	      4	   /* who takes fewer parts than these … */
#define READ_SLOW_MS	      5000 /* … in so long does not keep its place if another needs it */

struct read_place {
	struct list link; /* among those taken; zeroed: it is not */
	const char *user; /* borrowed */
	uint64_t part_ms
		[READ_SLOW_PARTS]; /* when the last were there to be taken; at first, when it began */
	unsigned at;		   /* of the oldest of them */
	bool is_held;		   /* the last is still to be taken */
};

/* Is there a place for this user now? */
bool read_room_has(const char *user, uint64_t now_ms);
void read_place_take(struct read_place *place, const char *user, uint64_t now_ms);
/* There is a part for the peer. */
void read_place_hold(struct read_place *place, uint64_t now_ms);
/* It has taken it. */
void read_place_go_on(struct read_place *place);
/* Gives the place back; also of one that was never taken. */
void read_place_leave(struct read_place *place);
/* Of those that would have to make room for this user the slowest; NULL: none is slow enough. */
struct read_place *read_room_slowest(const char *user, uint64_t now_ms);

#endif
