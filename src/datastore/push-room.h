/*
 * The memory that is kept for subscriptions, of which all have a share: what it is, and who waits for it.
 */
#ifndef ASHLAR_PUSH_ROOM_H
#define ASHLAR_PUSH_ROOM_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/list.h"

struct push_share {
	struct list link; /* among those that wait */
	size_t size;	  /* bytes, as far as can be told */
	size_t wanted;	  /* what it was refused last */
	/*
	 * There is room for what it wanted, which is its own from now on, or it is worth another try: what
	 * it wants may be less by now. It waits no longer.
	 */
	void (*woken)(struct push_share *share);
};

/* Is there room for so much, in place of what it has? NULL: of one that has nothing. */
bool push_room_fits(const struct push_share *share, size_t size);
/* Takes so much in place of what it has, and waits no longer. False: there is no room, nothing changed. */
bool push_room_take(struct push_share *share, size_t size);
/* Gives back all it has, already freed. Others that wait may be woken. */
void push_room_give(struct push_share *share);
/* Waits for what it was refused; it must have nothing. */
void push_room_wait(struct push_share *share);
/* Waits no longer. */
void push_room_leave(struct push_share *share);

#endif
