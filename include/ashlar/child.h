/* The one way to run a program: argv, no shell; bounded output; a deadline; killed on cancel. */
#ifndef ASHLAR_CHILD_H
#define ASHLAR_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ashlar/buf.h"
#include "ashlar/err.h"
#include "ashlar/mem.h"

struct child;

struct child_result {
	int status;	    /* exit status 0–255, or 128 + signal number */
	const char *output; /* stdout and stderr together, NUL-terminated; valid in the callback */
	size_t output_size;
	bool timed_out; /* killed at the deadline */
	bool truncated; /* wrote more than output_max; the rest was read and dropped */
};

struct child_opts {
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH; copied */
	const char *const *env;	 /* NULL: the daemon's, reduced to PATH, HOME, LANG */
	const char *cwd;	 /* NULL: "/" */
	const char *input;	 /* fed to stdin, then closed; NULL: /dev/null; copied */
	size_t input_size;
	size_t output_max; /* bytes kept; 0: output goes to /dev/null */
	/*
	 * Called when output has come: may take any of it from @output. What it leaves is kept; while that is
	 * output_max or more no further output is read, and the process waits, until child_go_on(). What is left
	 * at the end is the result's. May be NULL.
	 */
	void (*output)(struct buf *output, void *arg);
	const char *log_path; /* instead of being kept, output is appended to this file (0600) */
	uint64_t deadline_ms; /* 0: none; then SIGKILL to its process group */
	/* Runs in the child before exec (for example to drop privileges); async-signal-safe only;
	 * a negative return ends it with status 126. May be NULL. */
	int (*setup)(void *arg);
	void *setup_arg;
	/* Instead of exec: run this in the forked child and exit with its result (1 if negative);
	 * it has no descriptors but 0 to 2 and no loop. May be NULL. */
	int (*run)(void *arg);
	void *run_arg;
	/* Called once, from the loop, after it ended; the child is freed after it returns. */
	void (*done)(const struct child_result *result, void *arg);
	void *arg;
};

/*
 * Starts it. On success *ret_child is valid until done() was called or child_cancel(). A program
 * that cannot be executed is an error here, or status 127 when there is a setup().
 */
int child_start(
	const struct child_opts *opts, struct child **ret_child, struct err *err) WARN_UNUSED;
/*
 * The path of one of our own programs: beside the daemon's, or below it as in a build tree, or where it is
 * installed; malloc'd.
 */
char *child_helper(const char *name);
pid_t child_pid(const struct child *child);
/* Of one with output(): its output is read again, if it was too much. */
void child_go_on(struct child *child);
/*
 * SIGKILLs its process group and frees; done() is not called. It is reaped by the loop as soon as
 * the kernel has ended it. NULL is fine, and so is the child itself within done().
 */
void child_cancel(struct child *child);
DEFINE_CLEANUP(struct child *, child_cancel)

#endif
