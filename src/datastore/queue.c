/* Operations wait here for their turn; a queue that is too long refuses more. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"

#include "access.h"
#include "queue.h"

#define QUEUE_MAX 1024

static struct {
	struct list waiting;
	struct list detached;
	size_t count;
	struct list reading; /* those under way that change nothing … */
	struct job *running; /* … or the one that may; NULL */
	struct loop_task *task;
	bool is_starting; /* start_next() is on the stack */
} queue;

void *job_new(const struct job_kind *kind, size_t size, const struct ds_client *client, void *arg)
{
	struct job *job = xcalloc(1, size);

	job->kind = kind;
	job->client = *client;
	job->client.user = xstrdup(client->user ? client->user : "");
	job->client.comment = client->comment ? xstrdup(client->comment) : NULL;
	job->client.host = xstrdup(client->host);
	job->arg = arg;
	return job;
}

static void job_free(struct job *job)
{
	if (job->kind->free)
		job->kind->free(job);
	free((char *)job->client.user);
	free((char *)job->client.comment);
	free((char *)job->client.host);
	free(job);
}

/* Whoever it was that made the configuration as it is: an error names what the client may read. */
static void report_and_free(struct job *job, const struct err *err)
{
	_cleanup_err_ struct err concealed = { 0 };

	if (err && !job->kind->is_read && access_conceal(access_of(&job->client), err, &concealed))
		err = &concealed;
	if (!job->is_forgotten && job->report)
		job->report(job, err);
	job_free(job);
}

/* The first, if it may begin beside what is under way. Who came later does not overtake it. */
static struct job *next_job(void)
{
	struct job *job;

	if (queue.running || !queue.count || list_empty(&queue.waiting))
		return NULL;
	job = CONTAINER_OF(queue.waiting.next, struct job, link);
	return job->kind->is_read || list_empty(&queue.reading) ? job : NULL;
}

/* A loop, not recursion: jobs that finish at once come back here through job_end(). */
static void start_next(void)
{
	struct job *job;

	if (queue.is_starting)
		return;
	queue.is_starting = true;
	while ((job = next_job())) {
		list_remove(&job->link);
		queue.count--;
		if (job->kind->is_read)
			list_append(&queue.reading, &job->link);
		else
			queue.running = job;
		job->kind->start(job);
		if (next_job() && loop_should_yield()) {
			loop_task_schedule(queue.task);
			break;
		}
	}
	queue.is_starting = false;
}

static void next_turn(void *arg)
{
	start_next();
}

void job_submit(struct job *job)
{
	if (!queue.task) {
		queue.task = loop_task_new("datastore-queue", next_turn, NULL);
		list_init(&queue.waiting);
		list_init(&queue.reading);
		list_init(&queue.detached);
	}
	/* Nobody asks for what has nothing to report: it is ours, and necessary. */
	if (queue.count >= QUEUE_MAX && job->report) {
		_cleanup_err_ struct err err = { 0 };

		err_tagged(&err, ERR_TAG_RESOURCE_DENIED, NULL, "%u operations are waiting already",
			QUEUE_MAX);
		report_and_free(job, &err);
		return;
	}
	list_append(&queue.waiting, &job->link);
	queue.count++;
	start_next();
}

void job_detach(struct job *job)
{
	assert(queue.running == job || job->kind->is_read);
	list_remove(&job->link);
	if (queue.running == job)
		queue.running = NULL;
	list_append(&queue.detached, &job->link);
	if (!queue.is_starting && queue.count)
		loop_task_schedule(queue.task);
}

struct job *job_detached(const void *arg)
{
	struct job *job;

	LIST_FOREACH (job, &queue.detached, link) {
		if (job->arg == arg && !job->is_forgotten)
			return job;
	}
	return NULL;
}

void job_end(struct job *job, const struct err *err)
{
	list_remove(&job->link);
	if (queue.running == job)
		queue.running = NULL;
	report_and_free(job, err);
	if (!queue.is_starting && next_job())
		loop_task_schedule(queue.task);
}

/* Its result is of no use to anyone. */
static void give_up(struct job *job)
{
	job->is_forgotten = true;
	if (job->kind->cancel)
		job->kind->cancel(job);
}

void job_forget(void *arg)
{
	struct job *job, *next;

	if (!queue.task)
		return;
	if (queue.running && queue.running->arg == arg)
		give_up(queue.running);
	LIST_FOREACH_SAFE (job, next, &queue.reading, link) {
		if (job->arg == arg)
			give_up(job);
	}
	LIST_FOREACH_SAFE (job, next, &queue.detached, link) {
		if (job->arg == arg)
			give_up(job);
	}
	LIST_FOREACH_SAFE (job, next, &queue.waiting, link) {
		if (job->arg != arg)
			continue;
		list_remove(&job->link);
		queue.count--;
		job_free(job);
	}
}

void queue_done(void)
{
	struct job *job, *next;

	if (!queue.task)
		return;
	LIST_FOREACH_SAFE (job, next, &queue.waiting, link) {
		list_remove(&job->link);
		job_free(job);
	}
	LIST_FOREACH_SAFE (job, next, &queue.reading, link)
		give_up(job);
	LIST_FOREACH_SAFE (job, next, &queue.detached, link)
		give_up(job);
	if (queue.running) {
		give_up(queue.running);
		if (queue.running)
			job_free(queue.running);
	}
	loop_task_free(queue.task);
	memset(&queue, 0, sizeof(queue));
}
