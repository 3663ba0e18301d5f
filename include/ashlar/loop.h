/*
 * The one event loop: watch a descriptor, start a timer, catch a signal, run something after this
 * turn. Each callback has a name, is timed, and is logged when it took longer than 10 ms.
 */
#ifndef ASHLAR_LOOP_H
#define ASHLAR_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/mem.h"

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_ENDED = 4, /* the peer will send no more, be all read that it sent or not */
	LOOP_GONE = 8,	/* the connection is over in both directions, or broken */
};

struct loop_watch;
struct loop_timer;
struct loop_task;

/*
 * The loop is the process's: loop_init() once before anything else here (it also has SIGPIPE
 * ignored), loop_done() at the end. Freeing objects afterwards is fine.
 */
void loop_init(void);
void loop_done(void);
/* Returns after loop_stop(), which lets the current turn end. */
void loop_run(void);
void loop_stop(void);
/* One turn: waits for the first event (or at most @timeout_ms; < 0 for ever). For tests. */
void loop_turn(int timeout_ms);

/*
 * Calls @callback(what, arg) while @fd is ready for what is asked in @events (level-triggered).
 * The descriptor stays the caller's; free the watch before closing it. @name is static.
 */
struct loop_watch *loop_watch_new(const char *name, int fd, unsigned events,
	void (*callback)(unsigned events, void *arg), void *arg);
void loop_watch_set(struct loop_watch *watch, unsigned events);
/* Of a socket: from now on calls back once with LOOP_ENDED, and once with LOOP_GONE, whatever
 * loop_watch_set() asks for: a peer's end is noticed while nothing is read. */
void loop_watch_end(struct loop_watch *watch);
/* Calls back in the next turn as if the descriptor were ready for @events (bytes buffered above),
 * also for events not asked for; not again if a real one came first. */
void loop_watch_kick(struct loop_watch *watch, unsigned events);
/* All *_free and *_stop may be called inside any callback, also the object's own. NULL is fine. */
void loop_watch_free(struct loop_watch *watch);

struct loop_timer *loop_timer_new(const char *name, void (*callback)(void *arg), void *arg);
/* One shot, @ms from now; starting again moves it. Repeats by being started in the callback. */
void loop_timer_start(struct loop_timer *timer, uint64_t ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* Work deferred until the callbacks that are ready now have run. Scheduling twice runs it once. */
struct loop_task *loop_task_new(const char *name, void (*callback)(void *arg), void *arg);
void loop_task_schedule(struct loop_task *task);
bool loop_task_scheduled(const struct loop_task *task);
void loop_task_free(struct loop_task *task);

/* Unix signals as loop events; one handler a signal, for the life of the process. */
void loop_signal(int signo, void (*callback)(int signo, void *arg), void *arg);

/*
 * Whether the current callback should give the loop back (2 ms after it began): long work asks this
 * now and then and goes on in a task. Outside of callbacks: false.
 */
bool loop_should_yield(void);

/* The longest callback since the last call with @reset, in microseconds, and its name. */
uint64_t loop_longest_us(const char **ret_name, bool reset);

DEFINE_CLEANUP(struct loop_watch *, loop_watch_free)
DEFINE_CLEANUP(struct loop_timer *, loop_timer_free)
DEFINE_CLEANUP(struct loop_task *, loop_task_free)

#endif
