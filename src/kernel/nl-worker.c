/*
 * Making, moving and deleting links waits within send() until every processor has passed a quiet state,
 * tens of milliseconds each, although others could go on: a thread waits instead of the loop. It knows one
 * socket and two buffers, shares nothing else, and tells the loop by an eventfd.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ashlar/loop.h"
#include "ashlar/mem.h"

#include "nl-worker.h"

#define ANSWER_BYTES   (32 * 1024)
#define ANSWER_WAIT_MS 5000 /* after send() has returned */

static struct {
	pthread_t thread;
	bool is_running;
	int event_fd;
	struct loop_watch *watch;
	void (*done)(void *arg);
	void *arg;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock. */
	struct worker_job *job;
	bool is_ending;
} self = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.event_fd = -1,
};

/* --- in the thread ----------------------------------------------------------------------------- */

/* Whether the last answer is among them. */
static bool has_last(const struct worker_job *job, const char *data, size_t size)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)data;
	int left = (int)size;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type == NLMSG_ERROR && nlh->nlmsg_seq == job->last_seq)
			return true;
	}
	return false;
}

static char *make_room(struct worker_job *job)
{
	while (job->answers_size + ANSWER_BYTES > job->answers_room) {
		job->answers_room = job->answers_room ? job->answers_room * 2 : ANSWER_BYTES;
		job->answers = xrealloc(job->answers, job->answers_room);
	}
	return job->answers + job->answers_size;
}

static int receive(struct worker_job *job)
{
	for (;;) {
		struct pollfd pfd = { .fd = job->fd, .events = POLLIN };
		char *at = make_room(job);
		ssize_t size = recv(job->fd, at, ANSWER_BYTES, MSG_DONTWAIT);

		if (size >= 0) {
			job->answers_size += NLMSG_ALIGN((size_t)size);
			if (has_last(job, at, (size_t)size))
				return 0;
		} else if (errno == EAGAIN) {
			if (poll(&pfd, 1, ANSWER_WAIT_MS) == 0)
				return -ETIMEDOUT;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

static void do_job(struct worker_job *job)
{
	if (send(job->fd, job->data, job->size, 0) < 0)
		job->error = -errno;
	else
		job->error = receive(job);
}

static void *work(void *arg)
{
	const uint64_t one = 1;
	struct worker_job *job;

	pthread_mutex_lock(&self.lock);
	for (;;) {
		while (!self.job && !self.is_ending)
			pthread_cond_wait(&self.changed, &self.lock);
		if (!self.job)
			break;
		job = self.job;
		pthread_mutex_unlock(&self.lock);
		do_job(job);
		pthread_mutex_lock(&self.lock);
		self.job = NULL;
		if (write(self.event_fd, &one, sizeof(one)) < 0)
			abort(); /* the loop would wait for ever */
	}
	pthread_mutex_unlock(&self.lock);
	return NULL;
}

/* --- in the loop ------------------------------------------------------------------------------- */

static void on_done(unsigned events, void *arg)
{
	void (*done)(void *arg) = self.done;
	uint64_t count;

	if (read(self.event_fd, &count, sizeof(count)) < 0 || !done)
		return;
	self.done = NULL;
	done(self.arg);
}

static int start_thread(void)
{
	sigset_t all, before;
	int r;

	self.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (self.event_fd < 0)
		return -errno;
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&self.thread, NULL, work, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		close(TAKE_FD(self.event_fd));
		return -r;
	}
	self.watch = loop_watch_new("netlink-worker", self.event_fd, LOOP_READ, on_done, NULL);
	self.is_running = true;
	return 0;
}

int worker_start(struct worker_job *job, void (*done)(void *arg), void *arg)
{
	int r = self.is_running ? 0 : start_thread();

	if (r < 0)
		return r;
	self.done = done;
	self.arg = arg;
	pthread_mutex_lock(&self.lock);
	self.job = job;
	pthread_cond_signal(&self.changed);
	pthread_mutex_unlock(&self.lock);
	return 0;
}

void worker_job_done(struct worker_job *job)
{
	free(job->answers);
	memset(job, 0, sizeof(*job));
}

void worker_stop(void)
{
	if (!self.is_running)
		return;
	pthread_mutex_lock(&self.lock);
	self.is_ending = true;
	pthread_cond_signal(&self.changed);
	pthread_mutex_unlock(&self.lock);
	pthread_join(self.thread, NULL);
	loop_watch_free(self.watch);
	close(TAKE_FD(self.event_fd));
	self.is_running = self.is_ending = false;
	self.done = NULL;
}
