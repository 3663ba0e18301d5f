/*
 * Keys that the device makes. An order is carried out by a child process, as RSA takes seconds; what it
 * prints is told to whoever listens, who puts it into the configuration, whereupon the order is not wanted
 * any more. What cannot be made is tried again with growing delays. A hidden key never leaves the child
 * but for its file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/cert.h"
#include "ashlar/child.h"
#include "ashlar/credential.h"
#include "ashlar/list.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#define OUTPUT_MAX     ((size_t)65536)
#define DEADLINE_MS    600000 /* RSA on the slowest processor */
#define RETRY_MS       1000
#define RETRY_MAX      300000
#define ERROR_WORD     "error "
#define SYMMETRIC_SIZE 32 /* AES-256 */

struct job {
	struct list node;
	struct key_order *order;
	struct child *child;
	struct loop_timer *retry;
	unsigned tries;
	char *result; /* not yet told */
};

static struct {
	struct list jobs;
	void (*made)(const struct key_made *made, const struct err *err, void *arg);
	void *arg;
} self = { .jobs = LIST_INIT(self.jobs) };

/* --- in the child ----------------------------------------------------------------------------- */

static void say(const char *word, const struct secret *bytes)
{
	char *text = secret_encode(bytes->data, bytes->size);

	printf("%s %s\n", word, text);
	explicit_bzero(text, strlen(text));
	free(text);
}

static int hide(const struct key *key, const struct secret *public, struct err *err)
{
	_cleanup_free_ char *digest = credential_digest(public);

	return credential_hide(digest, key->pem, err);
}

static bool is_symmetric(const struct key_order *order)
{
	return order->object.kind == &object_kind_symmetric_order;
}

static int make_symmetric(struct err *err)
{
	unsigned char bytes[SYMMETRIC_SIZE];
	struct secret secret = { bytes, sizeof(bytes) };

	if (key_random(NULL, bytes, sizeof(bytes)) != 0)
		return err_set(err, -EIO, NULL, "no random numbers");
	say("private", &secret);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

static int make(const struct key_order *order, struct err *err)
{
	_cleanup_secret_ struct secret private = { 0 }, public = { 0 }, cert = { 0 };
	_cleanup_(key_freep) struct key *key = NULL;
	int r = key_generate(order->format, &private, err);

	if (r == 0)
		r = key_parse(order->format, &private, &key, err);
	if (r == 0)
		r = key_public(key, order->public_format, &public, err);
	if (r == 0 && order->is_certified)
		r = cert_make(key, &cert, err);
	if (r == 0 && order->is_hidden)
		r = hide(key, &public, err);
	if (r < 0)
		return r;
	if (!order->is_hidden)
		say("private", &private);
	say("public", &public);
	if (order->is_certified)
		say("cert", &cert);
	return 0;
}

static int run_child(void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	const struct key_order *order = arg;
	int r = is_symmetric(order) ? make_symmetric(&err) : make(order, &err);

	if (r < 0)
		printf(ERROR_WORD "%s\n", err_text(&err));
	fflush(stdout);
	return r;
}

/* --- in the daemon ---------------------------------------------------------------------------- */

static void start(void *arg);

/* The rest of the line that begins with @word; cuts the text there. */
static char *line_of(char *text, const char *word)
{
	char *at = strstr(text, word), *end;

	if (!at)
		return NULL;
	at += strlen(word);
	end = strchr(at, '\n');
	if (end)
		*end = '\0';
	return at;
}

/* Whoever is told may withdraw the order: the job may be gone afterwards. */
static void tell(struct job *job)
{
	_cleanup_free_ char *name = xstrdup(job->order->object.key);
	char *text = TAKE(job->result);
	size_t size = strlen(text);
	struct key_made made = { .name = name, .is_symmetric = is_symmetric(job->order) };

	/* From the last line to the first, as each is cut off. */
	made.cert = line_of(text, "cert ");
	made.public_key = line_of(text, "public ");
	made.private_key = line_of(text, "private ");
	self.made(&made, NULL, self.arg);
	explicit_bzero(text, size);
	free(text);
}

static void failed(struct job *job, const char *reason)
{
	_cleanup_err_ struct err err = { 0 };
	struct key_made made = { .name = job->order->object.key,
		.is_symmetric = is_symmetric(job->order) };
	uint64_t wait_ms = RETRY_MS << (job->tries < 9 ? job->tries : 9);

	job->tries++;
	(void)err_set(&err, -EIO, NULL, "%s", reason);
	loop_timer_start(job->retry, wait_ms < RETRY_MAX ? wait_ms : RETRY_MAX);
	if (self.made)
		self.made(&made, &err, self.arg);
}

static void ended(const struct child_result *result, void *arg)
{
	struct job *job = arg;

	job->child = NULL;
	if (result->status != 0) {
		_cleanup_free_ char *text = xstrndup(result->output, result->output_size);
		const char *reason = line_of(text, ERROR_WORD);

		failed(job, reason ? reason : "the process that makes it has failed");
		return;
	}
	job->result = xstrndup(result->output, result->output_size);
	if (self.made)
		tell(job);
}

static void start(void *arg)
{
	struct job *job = arg;
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.output_max = OUTPUT_MAX,
		.deadline_ms = DEADLINE_MS,
		.run = run_child,
		.run_arg = job->order,
		.done = ended,
		.arg = job,
	};

	if (child_start(&opts, &job->child, &err) < 0)
		failed(job, err_text(&err));
}

static struct job *find(const struct object *order)
{
	struct job *job;

	LIST_FOREACH (job, &self.jobs, node)
		if (job->order->object.kind == order->kind &&
			str_equal(job->order->object.key, order->key))
			return job;
	return NULL;
}

static void job_free(struct job *job)
{
	if (!job)
		return;
	list_remove(&job->node);
	child_cancel(job->child);
	loop_timer_free(job->retry);
	if (job->result)
		explicit_bzero(job->result, strlen(job->result));
	free(job->result);
	object_free(&job->order->object);
	free(job);
}

static void job_new(const struct object *want)
{
	struct job *job = XNEW(struct job);

	job->order = object_copy(want);
	job->retry = loop_timer_new("key-order", start, job);
	list_append(&self.jobs, &job->node);
	have_put(object_copy(want));
	start(job);
}

void key_order_on_made(
	void (*made)(const struct key_made *made, const struct err *err, void *arg), void *arg)
{
	struct job *job, *tmp;

	self.made = made;
	self.arg = arg;
	LIST_FOREACH_SAFE (job, tmp, &self.jobs, node) {
		if (made && job->result)
			tell(job);
	}
}

void key_order_done(void)
{
	struct job *job, *tmp;

	LIST_FOREACH_SAFE (job, tmp, &self.jobs, node)
		job_free(job);
}

/* --- the object ------------------------------------------------------------------------------- */

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct key_order *wanted = (const void *)want, *seen = (const void *)have;

	return wanted->format == seen->format && wanted->public_format == seen->public_format &&
			wanted->is_hidden == seen->is_hidden &&
			wanted->is_certified == seen->is_certified
		? OBJECT_SAME
		: OBJECT_RECREATE;
}

static enum object_owner owner(const struct object *have)
{
	return OBJECT_OURS;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "order for key %s", object->key);
}

static void run(struct step *step)
{
	if (step->op == STEP_REMOVE) {
		job_free(find(step->have));
		have_remove(step->have->kind, step->have->key);
	} else {
		job_new(step->want);
	}
	step->is_done = true;
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	for (size_t i = 0; i < count; i++)
		run(steps[i]);
	return count;
}

static const struct target target_key_order = {
	.name = "key-order",
	.is_immediate = true,
	.apply = apply,
};

const struct object_kind object_kind_key_order = {
	.name = "key-order",
	.rank = 1,
	.size = sizeof(struct key_order),
	.target = &target_key_order,
	.compare = compare,
	.owner = owner,
	.describe = describe,
};

const struct object_kind object_kind_symmetric_order = {
	.name = "symmetric-order",
	.rank = 1,
	.size = sizeof(struct key_order),
	.target = &target_key_order,
	.compare = compare,
	.owner = owner,
	.describe = describe,
};
