/* A thread for batches that the kernel takes long over. */
#ifndef ASHLAR_KERNEL_NL_WORKER_H
#define ASHLAR_KERNEL_NL_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One batch. Between worker_start() and its callback all of it is the thread's. */
struct worker_job {
	int fd;		  /* netlink socket that nobody else uses meanwhile */
	const char *data; /* messages to send at once */
	size_t size;
	uint32_t last_seq; /* of the message whose answer comes last */

	void (*done)(void *arg);
	void *done_arg;

	/* Set when it is done. */
	char *answers; /* netlink messages, one behind the other; freed by worker_job_done() */
	size_t answers_size, answers_room;
	int error; /* negative errno: sending or receiving failed */
};

/* One at a time. Calls @done from the loop. < 0: there is no thread to be had, do it yourself. */
int worker_start(struct worker_job *job, void (*done)(void *arg), void *arg);
void worker_job_done(struct worker_job *job);
/* Waits for the job at hand, does not call back, ends the thread. */
void worker_stop(void);

#endif
