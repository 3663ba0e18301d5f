/*
 * The queue of datastore operations: in the order they came, one at a time, but for reads, of which any number
 * can be under way. An operation that can finish at once does so before ds_*() returns.
 */
#ifndef ASHLAR_DATASTORE_QUEUE_H
#define ASHLAR_DATASTORE_QUEUE_H

#include "ashlar/datastore.h"
#include "ashlar/list.h"

struct job;

/* What a kind of operation does. */
struct job_kind {
	const char *name;
	void (*start)(struct job *job);	 /* ends, now or later, with job_end() */
	void (*cancel)(struct job *job); /* the asker is gone while it runs; NULL: let it finish */
	bool is_read; /* changes nothing; its errors tell of nothing but what it was asked */
	void (*free)(struct job *job); /* what the job's own struct holds */
};

/* Each operation's struct begins with this. */
struct job {
	const struct job_kind *kind;
	struct list link;
	struct ds_client client; /* with copies of its own of its texts */
	void *arg;		 /* the asker's; NULL after ds_forget() of it */
	bool is_forgotten;
	/* Passes the result on; not called when forgotten. */
	void (*report)(struct job *job, const struct err *err);
};

/* A zeroed job of @size with the client copied. */
void *job_new(const struct job_kind *kind, size_t size, const struct ds_client *client, void *arg);
/* Takes the job. */
void job_submit(struct job *job);
/* The job, which runs, goes on without the trees: the next may start. It has a cancel(). */
void job_detach(struct job *job);
/* The detached job with this @arg of the asker's; NULL. */
struct job *job_detached(const void *arg);
/* The job, which runs or is detached, is over: reports, frees it, starts the next. */
void job_end(struct job *job, const struct err *err);
void queue_done(void);

/* ds_forget()'s part for jobs. */
void job_forget(void *arg);

#endif
