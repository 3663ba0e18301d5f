/*
 * Work that takes long inside the kernel, done beside the loop: reading a sensor over a slow bus, sending what
 * waits for every processor. What it works on is the thread's alone until it is done.
 */
#ifndef ASHLAR_THREAD_H
#define ASHLAR_THREAD_H

#include <stdbool.h>

#include "ashlar/mem.h"

struct thread;

/* @name is static. The thread itself is started with the first work. */
struct thread *thread_new(const char *name);
/* Waits for the work at hand and does not call back. NULL is fine. */
void thread_free(struct thread *thread);
DEFINE_CLEANUP(struct thread *, thread_free)
/* At the process's end: the same, but work that is not over in @ms is left to die with the process (false). */
bool thread_leave(struct thread *thread, unsigned ms);
/*
 * Has it do @work(arg), one at a time; then @done(arg) is called from the loop. @work neither logs nor touches
 * what the loop does. < 0: there is no thread to be had.
 */
int thread_run(struct thread *thread, void (*work)(void *arg), void (*done)(void *arg),
	void *arg) WARN_UNUSED;
/* done() has not been called yet. */
bool thread_is_busy(const struct thread *thread);
/* Gives work that was begun up to @ms (from its beginning, not from now), and calls done() if it is over. */
void thread_wait(struct thread *thread, unsigned ms);

#endif
