/*
 * Users and their proofs. The users are ietf-system's, read from running at each question: a changed
 * password or a removed user counts from the next login on.
 *
 * A password check is a job for the worker: one is with it, a few wait, more are turned away, or
 * strangers would buy 20 ms of processor for each guess. Questions with the same answer (RESTCONF opens
 * eight connections at once with the same password) share one job. A success is remembered for a while
 * under an HMAC of user, stored hash and password, with a key of this run: RESTCONF sends the password with
 * every request. A source that fails again and again is held back for longer and longer.
 */
#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <mbedtls/md.h>

#include "ashlar/clock.h"
#include "ashlar/datastore.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/str.h"

#include "auth-worker.h"
#include "auth.h"

#define PROOF_SIZE    32
#define CACHE_MAX     64
#define CACHE_MS      (10 * 60 * 1000)
#define JOBS_MAX      8	 /* waiting */
#define FAILURES_FREE 10 /* of one source, before it is held back */
#define HOLD_MAX_MS   30000
#define FORGET_MS     (10 * 60 * 1000) /* after which a source's failures are forgotten */
#define SOURCES_MAX   1024
#define LOOK_MAX      16 /* users looked at one after the other */
#define RESTART_MS    1000
#define DUMMY_HASH    "$y$j9T$"

/* What stands for (user, stored hash, password): equal proofs have equal results. */
struct proof {
	uint8_t bytes[PROOF_SIZE];
};

struct auth_request {
	struct list node; /* in its job */
	struct job *job;
	char source[48];
	void (*done)(enum auth_result result, void *arg);
	void *arg;
};

struct job {
	struct list node; /* in jobs */
	struct list requests;
	struct proof proof;
	struct auth_query query;
	bool is_answered; /* no longer in jobs; answer() frees it */
};

/* A source that has failed. */
struct culprit {
	char source[48];
	unsigned failures;
	uint64_t last_ms, held_until_ms;
};

static struct {
	int fd; /* -1: no worker */
	pid_t pid;
	struct loop_watch *watch;
	struct loop_timer *restart;
	struct list jobs; /* the first is with the worker if is_busy */
	unsigned job_count;
	bool is_busy, is_started;
	uint32_t next_id;
	uint8_t key[PROOF_SIZE];
	struct {
		struct proof proof;
		uint64_t until_ms;
	} cache[CACHE_MAX];
	struct map culprits;
	char dummy[AUTH_HASH_MAX];
} auth = { .fd = -1 };

/* --- users ------------------------------------------------------------------------------------ */

static const struct lyd_node *find_users(void)
{
	const struct lyd_node *node;

	LY_LIST_FOR (ds_tree(DS_RUNNING), node)
		if (node->schema && str_equal(node->schema->name, "system") &&
			str_equal(node->schema->module->name, "ietf-system"))
			return node_child(node, "authentication");
	return NULL;
}

/* Among the first few it is quicker to look than to have libyang make a key. */
static const struct lyd_node *find_user(const char *user)
{
	const struct lyd_node *users = find_users(), *entry;
	unsigned looked_at = 0;

	if (!users || !user[0])
		return NULL;
	NODE_FOREACH (entry, users, "user") {
		if (str_equal(node_text(entry, "name", NULL), user))
			return entry;
		if (++looked_at == LOOK_MAX)
			return node_entry(users, "user", user);
	}
	return NULL;
}

const char *auth_hash(const char *user)
{
	const struct lyd_node *node = find_user(user);

	return node ? node_text(node, "password", "") : NULL;
}

bool auth_user_exists(const char *user)
{
	return find_user(user);
}

bool auth_public_key(const char *user, const char *blob_base64)
{
	const struct lyd_node *node = find_user(user), *key;

	NODE_FOREACH (key, node, "authorized-key")
		if (str_equal(node_text(key, "key-data", NULL), blob_base64))
			return true;
	return false;
}

/* A hash that costs what this machine's users' do. */
static const char *dummy_hash(void)
{
	const struct lyd_node *user;

	NODE_FOREACH (user, find_users(), "user") {
		const char *hash = node_text(user, "password", "");

		if (hash[0] == '$' && strlen(hash) < AUTH_HASH_MAX)
			return hash;
	}
	return auth.dummy;
}

/* --- held back -------------------------------------------------------------------------------- */

static void drop_old_culprits(uint64_t now_ms)
{
	struct culprit *culprit;
	size_t at = 0;

	while ((culprit = map_next(&auth.culprits, &at))) {
		/* Full of fresh ones: forgetting them all is better than growing. */
		if (now_ms - culprit->last_ms < FORGET_MS && auth.culprits.count < SOURCES_MAX)
			continue;
		map_del_str(&auth.culprits, culprit->source);
		free(culprit);
	}
}

static void failed(const char *source)
{
	struct culprit *culprit = map_get_str(&auth.culprits, source);
	uint64_t now_ms = clock_ms(), hold_ms;
	unsigned beyond;

	if (!culprit) {
		if (auth.culprits.count >= SOURCES_MAX)
			drop_old_culprits(now_ms);
		culprit = XNEW(struct culprit);
		(void)snprintf(culprit->source, sizeof(culprit->source), "%s", source);
		map_put_str(&auth.culprits, culprit->source, culprit);
	}
	if (now_ms - culprit->last_ms > FORGET_MS)
		culprit->failures = 0;
	culprit->last_ms = now_ms;
	if (++culprit->failures <= FAILURES_FREE)
		return;
	beyond = culprit->failures - FAILURES_FREE - 1;
	hold_ms = beyond < 5 ? (uint64_t)1000 << beyond : HOLD_MAX_MS;
	culprit->held_until_ms = now_ms + hold_ms;
	log_notice("auth", "event=login-held source=%s failures=%u seconds=%u", source,
		culprit->failures, (unsigned)(hold_ms / 1000));
}

static void succeeded(const char *source)
{
	free(map_del_str(&auth.culprits, source));
}

static bool is_held(const char *source)
{
	const struct culprit *culprit = map_get_str(&auth.culprits, source);

	return culprit && clock_ms() < culprit->held_until_ms;
}

/* --- remembered ------------------------------------------------------------------------------- */

static void prove(const char *user, const struct auth_query *query, struct proof *ret_proof)
{
	char text[AUTH_USER_MAX + AUTH_HASH_MAX + AUTH_PASSWORD_MAX + 8];
	int size = snprintf(text, sizeof(text), "%d%s%c%s%c%s", query->is_dummy, user, 0,
		query->hash, 0, query->password);
	int ret;

	assert(size > 0 && (size_t)size < sizeof(text));
	ret = mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), auth.key,
		sizeof(auth.key), (const unsigned char *)text, (size_t)size, ret_proof->bytes);
	assert(ret == 0);
	explicit_bzero(text, sizeof(text));
}

static bool same_proof(const struct proof *a, const struct proof *b)
{
	return str_secret_equal(a->bytes, b->bytes, PROOF_SIZE);
}

static bool is_remembered(const struct proof *proof)
{
	uint64_t now_ms = clock_ms();
	size_t i;

	for (i = 0; i < CACHE_MAX; i++)
		if (auth.cache[i].until_ms > now_ms && same_proof(&auth.cache[i].proof, proof))
			return true;
	return false;
}

static void remember(const struct proof *proof)
{
	size_t i, oldest = 0;

	for (i = 1; i < CACHE_MAX; i++)
		if (auth.cache[i].until_ms < auth.cache[oldest].until_ms)
			oldest = i;
	auth.cache[oldest].proof = *proof;
	auth.cache[oldest].until_ms = clock_ms() + CACHE_MS;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void job_remove(struct job *job)
{
	list_remove(&job->node);
	auth.job_count--;
}

static void job_free(struct job *job)
{
	explicit_bzero(&job->query, sizeof(job->query));
	free(job);
}

/* Answers all who asked; their done() may cancel others of them, or ask anew. */
static void answer(struct job *job, enum auth_result result)
{
	job_remove(job);
	job->is_answered = true;
	while (!list_empty(&job->requests)) {
		struct auth_request *request =
			CONTAINER_OF(job->requests.next, struct auth_request, node);

		list_remove(&request->node);
		request->job = NULL;
		if (result == AUTH_OK)
			succeeded(request->source);
		else if (result == AUTH_DENIED)
			failed(request->source);
		request->done(result, request->arg);
		free(request);
	}
	job_free(job);
}

/* Gives the worker the next job, if it is free. */
static void dispatch(void)
{
	struct job *job;

	if (auth.is_busy || auth.fd < 0 || list_empty(&auth.jobs))
		return;
	job = CONTAINER_OF(auth.jobs.next, struct job, node);
	job->query.id = ++auth.next_id;
	/* The socket is empty: a refusal means that the worker is gone, which its watch will say. */
	auth.is_busy =
		send(auth.fd, &job->query, sizeof(job->query), MSG_NOSIGNAL) == sizeof(job->query);
}

static void stop_worker(void)
{
	if (auth.fd < 0)
		return;
	loop_watch_free(TAKE(auth.watch));
	close(TAKE_FD(auth.fd));
	auth.is_busy = false;
	(void)kill(auth.pid, SIGKILL); /* it may be busy with a check */
	(void)waitpid(auth.pid, NULL, 0);
}

static void on_answer(unsigned events, void *arg)
{
	struct auth_answer reply;
	struct job *job;
	ssize_t got = recv(auth.fd, &reply, sizeof(reply), 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got != sizeof(reply)) {
		log_warning("auth", "the password worker died, starting it again");
		stop_worker();
		loop_timer_start(auth.restart, RESTART_MS);
		return;
	}
	if (!auth.is_busy)
		return;
	auth.is_busy = false;
	job = CONTAINER_OF(auth.jobs.next, struct job, node);
	if (reply.id == job->query.id) {
		if (reply.matches)
			remember(&job->proof);
		answer(job, reply.matches ? AUTH_OK : AUTH_DENIED);
	}
	dispatch();
}

static void on_restart(void *arg)
{
	_cleanup_err_ struct err err = { 0 };

	if (auth_worker_start(&auth.fd, &auth.pid, &err) < 0) {
		log_error("auth", "%s", err_text(&err));
		loop_timer_start(auth.restart, RESTART_MS);
		return;
	}
	auth.watch = loop_watch_new("auth-worker", auth.fd, LOOP_READ, on_answer, NULL);
	dispatch();
}

static void make_query(struct auth_query *query, const char *user, const char *password)
{
	const struct lyd_node *node = strlen(user) <= AUTH_USER_MAX ? find_user(user) : NULL;
	const char *hash = node_text(node, "password", "");

	memset(query, 0, sizeof(*query));
	query->is_dummy = hash[0] != '$' || strlen(hash) >= AUTH_HASH_MAX ||
		strlen(password) > AUTH_PASSWORD_MAX;
	(void)snprintf(
		query->hash, sizeof(query->hash), "%s", query->is_dummy ? dummy_hash() : hash);
	(void)snprintf(query->password, sizeof(query->password), "%s", password);
}

static struct job *find_job(const struct proof *proof)
{
	struct job *job;

	LIST_FOREACH (job, &auth.jobs, node)
		if (same_proof(&job->proof, proof))
			return job;
	return NULL;
}

/* The job that answers this query; NULL when too many wait. */
static struct job *get_job(const struct auth_query *query, const struct proof *proof)
{
	struct job *job = find_job(proof);

	if (job)
		return job;
	if (auth.job_count > JOBS_MAX)
		return NULL;
	job = XNEW(struct job);
	list_init(&job->requests);
	job->proof = *proof;
	job->query = *query;
	list_append(&auth.jobs, &job->node);
	auth.job_count++;
	return job;
}

struct auth_request *auth_password(const char *user, const char *password, const char *source,
	void (*done)(enum auth_result result, void *arg), void *arg, enum auth_result *ret_result)
{
	struct auth_request *request = NULL;
	struct auth_query query;
	struct proof proof;
	struct job *job;
	char name[AUTH_USER_MAX + 1];

	assert(auth.is_started);
	/* Of a name that is too long the beginning says enough: it is unknown. */
	(void)snprintf(name, sizeof(name), "%s", user);
	make_query(&query, user, password);
	prove(name, &query, &proof);
	if (!query.is_dummy && is_remembered(&proof)) {
		*ret_result = AUTH_OK;
	} else if (is_held(source) || !(job = get_job(&query, &proof))) {
		*ret_result = AUTH_BUSY;
	} else {
		request = XNEW(struct auth_request);
		request->job = job;
		request->done = done;
		request->arg = arg;
		(void)snprintf(request->source, sizeof(request->source), "%s", source);
		list_append(&job->requests, &request->node);
		dispatch();
	}
	explicit_bzero(&query, sizeof(query));
	return request;
}

void auth_cancel(struct auth_request *request)
{
	struct job *job;

	/* Without job: its done() is being called, and it is freed after that. */
	if (!request || !request->job)
		return;
	job = request->job;
	list_remove(&request->node);
	free(request);
	/* The worker cannot be stopped in the middle; its answer then goes to nobody. */
	if (job->is_answered || !list_empty(&job->requests) ||
		(auth.is_busy && auth.jobs.next == &job->node))
		return;
	job_remove(job);
	job_free(job);
}

/* --- life ------------------------------------------------------------------------------------- */

int auth_prepare(struct err *err)
{
	list_init(&auth.jobs);
	if (getrandom(auth.key, sizeof(auth.key), 0) != sizeof(auth.key))
		return err_set(err, -errno, NULL, "no random numbers: %s", strerror(errno));
	if (!crypt_gensalt_rn("$y$", 0, NULL, 0, auth.dummy, sizeof(auth.dummy)))
		(void)snprintf(auth.dummy, sizeof(auth.dummy), "%s", DUMMY_HASH);
	return auth_worker_start(&auth.fd, &auth.pid, err);
}

void auth_start(void)
{
	assert(auth.fd >= 0);
	auth.watch = loop_watch_new("auth-worker", auth.fd, LOOP_READ, on_answer, NULL);
	auth.restart = loop_timer_new("auth-restart", on_restart, NULL);
	auth.is_started = true;
}

void auth_done(void)
{
	struct culprit *culprit;
	size_t at = 0;

	stop_worker();
	loop_timer_free(TAKE(auth.restart));
	auth.is_started = false;
	while (auth.jobs.next && !list_empty(&auth.jobs)) {
		struct job *job = CONTAINER_OF(auth.jobs.next, struct job, node);

		while (!list_empty(&job->requests)) {
			struct auth_request *request =
				CONTAINER_OF(job->requests.next, struct auth_request, node);

			list_remove(&request->node);
			free(request);
		}
		job_remove(job);
		job_free(job);
	}
	while ((culprit = map_next(&auth.culprits, &at)))
		free(culprit);
	map_done(&auth.culprits);
	explicit_bzero(auth.cache, sizeof(auth.cache));
	explicit_bzero(auth.key, sizeof(auth.key));
}
