/*
 * Making, moving and deleting links waits within send() until every processor has passed a quiet state,
 * tens of milliseconds each, although others could go on: a thread waits instead of the loop. It knows one
 * socket and two buffers, and shares nothing else.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/mem.h"
#include "ashlar/thread.h"

#include "nl-worker.h"

#define ANSWER_BYTES   (32 * 1024)
#define ANSWER_WAIT_MS 5000 /* after send() has returned */

static struct thread *thread;

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

static void do_job(void *arg)
{
	struct worker_job *job = arg;

	if (send(job->fd, job->data, job->size, 0) < 0)
		job->error = -errno;
	else
		job->error = receive(job);
}

/* --- in the loop ------------------------------------------------------------------------------- */

static void on_done(void *arg)
{
	struct worker_job *job = arg;

	job->done(job->done_arg);
}

int worker_start(struct worker_job *job, void (*done)(void *arg), void *arg)
{
	if (!thread)
		thread = thread_new("netlink-worker");
	job->done = done;
	job->done_arg = arg;
	return thread_run(thread, do_job, on_done, job);
}

void worker_job_done(struct worker_job *job)
{
	free(job->answers);
	memset(job, 0, sizeof(*job));
}

void worker_stop(void)
{
	thread_free(TAKE(thread));
}
