/* One thread, one piece of work at a time; the loop is told by an eventfd. Signals stay the loop's. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ashlar/loop.h"
#include "ashlar/thread.h"

struct thread {
	const char *name;
	pthread_t thread;
	bool is_running;
	int event_fd;
	struct loop_watch *watch;
	void (*done)(void *arg); /* NULL: no work is at hand */
	struct timespec began;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock. */
	void (*work)(void *arg); /* NULL: none, or it has been done */
	void *arg;
	bool is_ending;
};

struct thread *thread_new(const char *name)
{
	struct thread *thread = XNEW(struct thread);
	pthread_condattr_t attr;

	thread->name = name;
	thread->event_fd = -1;
	pthread_mutex_init(&thread->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&thread->changed, &attr);
	pthread_condattr_destroy(&attr);
	return thread;
}

void thread_free(struct thread *thread)
{
	if (!thread)
		return;
	if (thread->is_running) {
		pthread_mutex_lock(&thread->lock);
		thread->is_ending = true;
		pthread_cond_broadcast(&thread->changed);
		pthread_mutex_unlock(&thread->lock);
		pthread_join(thread->thread, NULL);
		loop_watch_free(thread->watch);
		close(thread->event_fd);
	}
	pthread_cond_destroy(&thread->changed);
	pthread_mutex_destroy(&thread->lock);
	free(thread);
}

bool thread_is_busy(const struct thread *thread)
{
	return thread->done != NULL;
}

/* --- in the thread ----------------------------------------------------------------------------- */

static void *live(void *arg)
{
	const uint64_t one = 1;
	struct thread *thread = arg;

	pthread_mutex_lock(&thread->lock);
	for (;;) {
		while (!thread->work && !thread->is_ending)
			pthread_cond_wait(&thread->changed, &thread->lock);
		if (!thread->work)
			break;
		pthread_mutex_unlock(&thread->lock);
		thread->work(thread->arg);
		pthread_mutex_lock(&thread->lock);
		thread->work = NULL;
		pthread_cond_broadcast(&thread->changed);
		if (write(thread->event_fd, &one, sizeof(one)) < 0)
			abort(); /* the loop would wait for ever */
	}
	pthread_mutex_unlock(&thread->lock);
	return NULL;
}

/* --- in the loop ------------------------------------------------------------------------------- */

static bool is_over(struct thread *thread)
{
	bool over;

	pthread_mutex_lock(&thread->lock);
	over = !thread->work;
	pthread_mutex_unlock(&thread->lock);
	return over;
}

/* Also when thread_wait() has called back already and other work has begun since. */
static void on_done(unsigned events, void *arg)
{
	struct thread *thread = arg;
	void (*done)(void *arg) = thread->done;
	uint64_t count;

	if (read(thread->event_fd, &count, sizeof(count)) < 0 || !done || !is_over(thread))
		return;
	thread->done = NULL;
	done(thread->arg);
}

static int start(struct thread *thread)
{
	sigset_t all, before;
	int r;

	thread->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->event_fd < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread->thread, NULL, live, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		close(TAKE_FD(thread->event_fd));
		return -r;
	}
	thread->watch = loop_watch_new(thread->name, thread->event_fd, LOOP_READ, on_done, thread);
	thread->is_running = true;
	return 0;
}

int thread_run(struct thread *thread, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	int r = thread->is_running ? 0 : start(thread);

	assert(!thread->done);
	if (r < 0)
		return r;
	thread->done = done;
	clock_gettime(CLOCK_MONOTONIC, &thread->began);
	pthread_mutex_lock(&thread->lock);
	thread->work = work;
	thread->arg = arg;
	pthread_cond_broadcast(&thread->changed);
	pthread_mutex_unlock(&thread->lock);
	return 0;
}

/* Until its work is over, or @ms have passed since @since; true: it is over. */
static bool wait_until_over(struct thread *thread, struct timespec since, unsigned ms)
{
	struct timespec end = since;
	bool over;

	end.tv_sec += ms / 1000;
	end.tv_nsec += (long)(ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&thread->lock);
	while (thread->work &&
		pthread_cond_timedwait(&thread->changed, &thread->lock, &end) != ETIMEDOUT)
		;
	over = !thread->work;
	pthread_mutex_unlock(&thread->lock);
	return over;
}

void thread_wait(struct thread *thread, unsigned ms)
{
	void (*done)(void *arg) = thread->done;

	if (!done || !wait_until_over(thread, thread->began, ms))
		return;
	thread->done = NULL;
	done(thread->arg);
}

bool thread_leave(struct thread *thread, unsigned ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!thread || !thread->is_running || wait_until_over(thread, now, ms)) {
		thread_free(thread);
		return true;
	}
	loop_watch_free(TAKE(thread->watch));
	pthread_detach(thread->thread);
	return false;
}
