/* See push-room.h. */
#include "ashlar/loop.h"
#include "ashlar/mem.h"

#include "push-room.h"

#define ROOM	 ((size_t)64 * 1024 * 1024)
#define TRIM_MIN ((size_t)16 * 1024 * 1024) /* given back, before the system has it again */
#define TRY_MS	 60000			    /* one of those that wait, in turn */

static struct {
	size_t used;
	size_t given;
	struct list waiting;
	struct loop_timer *timer; /* as long as any wait */
} room = { .waiting = LIST_INIT(room.waiting) };

bool push_room_fits(const struct push_share *share, size_t size)
{
	size_t others = room.used - (share ? share->size : 0);

	return others <= ROOM && size <= ROOM - others;
}

bool push_room_take(struct push_share *share, size_t size)
{
	if (!push_room_fits(share, size)) {
		share->wanted = size;
		return false;
	}
	room.used += size - share->size;
	share->size = size;
	push_room_leave(share);
	return true;
}

static void wake(void)
{
	struct push_share *share, *next;

	LIST_FOREACH_SAFE (share, next, &room.waiting, link) {
		if (push_room_take(share, share->wanted))
			share->woken(share);
	}
}

void push_room_give(struct push_share *share)
{
	if (!share->size)
		return;
	room.used -= share->size;
	room.given += share->size;
	share->size = 0;
	if (room.given >= TRIM_MIN) {
		room.given = 0;
		mem_trim();
	}
	wake();
}

static void on_try(void *arg)
{
	struct push_share *share = CONTAINER_OF(room.waiting.next, struct push_share, link);

	loop_timer_start(room.timer, TRY_MS);
	push_room_leave(share);
	share->woken(share);
}

void push_room_wait(struct push_share *share)
{
	if (!share->link.next)
		list_append(&room.waiting, &share->link);
	if (room.timer)
		return;
	room.timer = loop_timer_new("push-room", on_try, NULL);
	loop_timer_start(room.timer, TRY_MS);
}

void push_room_leave(struct push_share *share)
{
	list_remove(&share->link);
	if (list_empty(&room.waiting))
		loop_timer_free(TAKE(room.timer));
}
