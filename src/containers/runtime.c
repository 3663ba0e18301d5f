/*
 * Containers as programs. What is to be done follows from what is wanted (intent, goal, image) and from
 * what is there (phase), each time something changes: step() looks and begins at most one act.
 *
 *	idle → starting → running → stopping → idle
 *	idle → deleting → gone (it is wanted no longer)
 *
 * A program that ends by itself is started again as its restart policy says, later each time: after 1,
 * 2, 4 … 60 seconds, from 1 again when it had run for ten minutes. What cannot be started is tried
 * again by the same rule under every policy. A program whose configuration or image changed is
 * stopped and started; what it would be run from is compared as text, so that only what matters to it
 * restarts it.
 *
 * The parent of a container is its monitor (monitor.c), not the daemon. A daemon that starts finds
 * both by the bundle and goes on watching.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/state.h"
#include "ashlar/str.h"
#include "cgroup.h"
#include "image.h"
#include "private.h"
#include "procstat.h"
#include "record.h"
#include "runtime-private.h"
#include "runtime.h"
#include "spec.h"
#include "volume.h"

#define STABLE_S	  600
#define PATIENCE_MS	  10
#define STOP_MS		  10000
#define START_DEADLINE_MS 60000
#define OUTPUT_MAX	  8192
#define LOG_SIZE_MAX	  "1048576" /* of one of the three files */

static struct map runtimes;
static struct loop_task *task;
static struct loop_timer *patience; /* while a plan is being applied */
static uint64_t capability_bounds;
static bool has_seccomp;
static void (*all_ended)(void); /* none is to run any more: to be called, once, when none does */
static bool is_all_ended;	/* it was */

static void step(struct runtime *runtime);

/* --- life of one ------------------------------------------------------------------------------------ */

static void run_done(struct run *run)
{
	free(run->id);
	free(run->cmdline);
	*run = (struct run){ 0 };
}

static void stop_watching(struct runtime *runtime)
{
	loop_watch_free(TAKE(runtime->watch));
	instance_close(&runtime->instance);
}

static void runtime_free(struct runtime *runtime)
{
	map_del_str(&runtimes, runtime->name);
	child_cancel(runtime->job);
	stop_watching(runtime);
	loop_timer_free(runtime->timer);
	run_done(&runtime->run);
	if (runtime->intent)
		object_free(&runtime->intent->object);
	free(runtime->failure);
	free(runtime->config);
	free(runtime->name);
	free(runtime);
}

static void kick(struct runtime *runtime)
{
	runtime->is_kicked = true;
	loop_task_schedule(task);
}

static void on_timer(void *arg);

static struct runtime *runtime_get(const char *name)
{
	struct runtime *runtime = map_get_str(&runtimes, name);

	if (runtime)
		return runtime;
	runtime = XNEW(struct runtime);
	runtime->name = xstrdup(name);
	runtime->instance = (struct instance){ .pidfd = -1, .monitor_fd = -1 };
	runtime->timer = loop_timer_new("container", on_timer, runtime);
	map_put_str(&runtimes, runtime->name, runtime);
	return runtime;
}

static void set_failure(struct runtime *runtime, char *text)
{
	free(runtime->failure);
	runtime->failure = text;
}

/* --- what is wanted ---------------------------------------------------------------------------------- */

bool runtime_is_up_wanted(const struct runtime *runtime)
{
	if (!runtime->intent || !runtime->intent->is_enabled || all_ended)
		return false;
	if (runtime->goal == GOAL_AUTO)
		return !runtime->intent->is_manual;
	return runtime->goal == GOAL_UP;
}

/* The namespace of its network was made anew: what runs is in the old one. */
static bool is_in_other_netns(const struct runtime *runtime)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/ns/net", (int)runtime->instance.pid);
	struct stat there, wanted;

	return runtime->intent->netns && stat(path, &there) == 0 &&
		stat(runtime->intent->netns, &wanted) == 0 && there.st_dev == wanted.st_dev &&
		there.st_ino != wanted.st_ino;
}

/*
 * What config.json should say; NULL when that cannot be told now (the reason is noted). With
 * @with_files what it refers to is written, too.
 */
static char *config_wanted(struct runtime *runtime, const struct unpacked *image, bool with_files)
{
	_cleanup_free_ char *rootfs = image_rootfs(image->digest);
	_cleanup_free_ char *volumes = volume_dir(runtime->name);
	_cleanup_free_ char *files = containers_bundle(runtime->name, "files");
	_cleanup_free_ char *cgroup = cgroup_path(runtime->name);
	const struct spec_input input = {
		.container = runtime->intent,
		.image = image,
		.rootfs = rootfs,
		.volumes = volumes,
		.files = files,
		.cgroup = cgroup,
		.has_memory = cgroup_has("memory"),
		.has_cpu = cgroup_has("cpu"),
		.has_pids = cgroup_has("pids"),
		.has_seccomp = has_seccomp,
		.capability_bounds = capability_bounds,
	};
	_cleanup_err_ struct err err = { 0 };
	char *text = NULL;

	if (spec_print(&input, &text, &err) < 0 || (with_files && spec_files(&input, &err) < 0)) {
		set_failure(runtime, xstrdup(err_text(&err)));
		free(TAKE(text));
	}
	return text;
}

/* Whether what runs must end. */
static bool must_stop(struct runtime *runtime)
{
	_cleanup_free_ char *config = NULL;
	const struct unpacked *image;
	const char *status;

	if (!runtime_is_up_wanted(runtime) || runtime->must_restart || is_in_other_netns(runtime))
		return true;
	image = image_ready(runtime->name, &status);
	if (!image)
		return false; /* it goes on until the new image is there */
	set_failure(runtime, NULL);
	config = config_wanted(runtime, image, false);
	return config && !str_equal(config, runtime->config);
}

/* --- ending ------------------------------------------------------------------------------------------ */

/* Noted as why it does not run, with when that will change. */
static void retry_later(struct runtime *runtime, const char *reason)
{
	uint64_t wait = containers_retry_ms(runtime->failures++);

	set_failure(runtime, xasprintf("%s; next try in %ju s", reason, (uintmax_t)(wait / 1000)));
	loop_timer_start(runtime->timer, wait);
}

static char *ending_text(int status)
{
	if (status < 0)
		return xstrdup("ended");
	if (status > 128)
		return xasprintf("ended by signal %d", status - 128);
	return xasprintf("ended with status %d", status);
}

/* @status as a shell has it; negative: nobody knows, which counts as failure. */
static void program_ended(struct runtime *runtime, int status)
{
	_cleanup_free_ char *text = ending_text(status);
	bool was_asked = runtime->phase == PHASE_STOPPING || !runtime->intent;

	if (time(NULL) - runtime->instance.started >= STABLE_S)
		runtime->failures = 0;
	stop_watching(runtime);
	loop_timer_stop(runtime->timer);
	runtime->phase = PHASE_IDLE;
	runtime->must_restart = false;
	set_failure(runtime, NULL);
	if (was_asked)
		return;
	if (runtime->intent->restart == CONTAINER_RESTART_NEVER ||
		(runtime->intent->restart == CONTAINER_RESTART_RETRY && status == 0)) {
		runtime->is_finished = true;
		set_failure(runtime, TAKE(text));
		return;
	}
	retry_later(runtime, text);
}

static void on_ended(unsigned events, void *arg);

/* On the monitor, which ends after the program; on the program itself if its monitor was killed. */
static void start_watching(struct runtime *runtime)
{
	const struct instance *instance = &runtime->instance;

	loop_watch_free(runtime->watch);
	runtime->watch = loop_watch_new("container-exit",
		instance->monitor_fd >= 0 ? instance->monitor_fd : instance->pidfd, LOOP_READ,
		on_ended, runtime);
}

static void on_ended(unsigned events, void *arg)
{
	struct runtime *runtime = arg;

	if (runtime->instance.monitor_fd >= 0 && instance_is_alive(&runtime->instance)) {
		loop_watch_free(TAKE(runtime->watch));
		close(TAKE_FD(runtime->instance.monitor_fd));
		start_watching(runtime);
		return;
	}
	program_ended(runtime, instance_exit_status(runtime->name));
	runtime_publish(runtime);
	image_sweep();
	kick(runtime);
}

/* --- starting ---------------------------------------------------------------------------------------- */

static char *new_id(void)
{
	uint8_t bytes[32];
	char text[2 * sizeof(bytes) + 1];

	while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		;
	str_hex(text, bytes, sizeof(bytes));
	return xstrdup(text);
}

static void on_started(const struct child_result *result, void *arg)
{
	struct runtime *runtime = arg;
	_cleanup_free_ char *text = xstrdup(result->output);

	runtime->job = NULL;
	text[strcspn(text, "\n")] = '\0';
	runtime->phase = PHASE_IDLE;
	if (result->timed_out)
		retry_later(runtime, "starting takes longer than a minute");
	else if (result->status == 127)
		retry_later(runtime, "the program ashlar-monitor is not installed");
	else if (result->status != 0)
		retry_later(runtime, text[0] ? text : "starting failed");
	else if (instance_open(runtime->name, &runtime->instance) == 0) {
		runtime->phase = PHASE_RUNNING;
		usage_start(&runtime->meter);
		set_failure(runtime, NULL);
		start_watching(runtime);
	} else {
		/* It has ended already; its status is as good as if it had been watched. */
		runtime->instance.started = time(NULL);
		program_ended(runtime, instance_exit_status(runtime->name));
	}
	runtime_publish(runtime);
	kick(runtime);
}

static int start_monitor(struct runtime *runtime, struct err *err)
{
	_cleanup_free_ char *bundle = containers_bundle(runtime->name, NULL);
	_cleanup_free_ char *log = xasprintf("%s/%s.log", containers_paths.logs, runtime->name);
	const char *const argv[] = { containers_paths.monitor, "start", containers_paths.crun,
		runtime->name, bundle, log, LOG_SIZE_MAX, cgroup_parent_path(), NULL };
	const struct child_opts opts = { .argv = argv,
		.output_max = OUTPUT_MAX,
		.deadline_ms = START_DEADLINE_MS,
		.done = on_started,
		.arg = runtime };

	return child_start(&opts, &runtime->job, err);
}

static void prepare_volumes(const struct runtime *runtime, const struct unpacked *image)
{
	size_t i;

	for (i = 0; i < runtime->intent->volume_count; i++)
		volume_own(runtime->name, runtime->intent->volumes[i].name, image->uid, image->gid);
}

static void start(struct runtime *runtime, const struct unpacked *image)
{
	struct run *run = &runtime->run;
	_cleanup_err_ struct err err = { 0 };
	int ret;

	runtime->must_restart = false;
	set_failure(runtime, NULL);
	free(runtime->config);
	runtime->config = config_wanted(runtime, image, true);
	if (!runtime->config) {
		_cleanup_free_ char *reason = TAKE(runtime->failure);

		retry_later(runtime, reason);
		return;
	}
	prepare_volumes(runtime, image);
	run_done(run);
	run->id = new_id();
	run->cmdline = spec_cmdline(runtime->intent, image);
	run->stop_signal = image->config.stop_signal;
	memcpy(run->digest, image->digest, sizeof(run->digest));
	memcpy(run->image_id, image->id, sizeof(run->image_id));
	ret = runtime_save_run(runtime, &err);
	if (ret == 0)
		ret = runtime_save(runtime, "config.json", runtime->config, &err);
	if (ret == 0)
		ret = start_monitor(runtime, &err);
	if (ret == 0)
		runtime->phase = PHASE_STARTING;
	else
		retry_later(runtime, err_text(&err));
}

/* --- stopping ---------------------------------------------------------------------------------------- */

static void stop(struct runtime *runtime)
{
	int signo = runtime->run.stop_signal;

	runtime->phase = PHASE_STOPPING;
	/* One that nobody listens for would only pass the time. */
	if (!procstat_handles(runtime->instance.pid, signo))
		signo = SIGKILL;
	instance_signal(&runtime->instance, signo);
	loop_timer_start(runtime->timer, STOP_MS);
}

/* --- going ------------------------------------------------------------------------------------------- */

/* What is made for containers in general, not for one. */
static void last_gone(void)
{
	_cleanup_err_ struct err err = { 0 };

	cgroup_drop_parent();
	/* crun keeps filters it has compiled there. */
	if (file_remove_tree(containers_paths.crun, &err) < 0 ||
		file_make_dirs(containers_paths.crun, 0700, &err) < 0)
		log_debug("runtime", "%s", err_text(&err));
}

static void gone(struct runtime *runtime)
{
	runtime_remove_files(runtime);
	containers_drop_bundle(runtime->name);
	runtime_free(runtime);
	image_sweep();
	if (!runtimes.count)
		last_gone();
}

static void on_deleted(const struct child_result *result, void *arg)
{
	struct runtime *runtime = arg;

	runtime->job = NULL;
	runtime->phase = PHASE_IDLE;
	if (result->status != 0) {
		log_debug("runtime", "cannot delete %s: %s", runtime->name, result->output);
		retry_later(runtime, "deleting failed");
		return;
	}
	kick(runtime);
}

/* What crun keeps of it: left by a monitor that was killed. */
static bool needs_deletion(const struct runtime *runtime)
{
	_cleanup_free_ char *state = file_join(containers_paths.crun, runtime->name);

	return file_exists(state);
}

static void delete (struct runtime *runtime)
{
	_cleanup_free_ char *bundle = containers_bundle(runtime->name, NULL);
	const char *const argv[] = { containers_paths.monitor, "delete", containers_paths.crun,
		runtime->name, bundle, NULL };
	const struct child_opts opts = { .argv = argv,
		.output_max = OUTPUT_MAX,
		.deadline_ms = START_DEADLINE_MS,
		.done = on_deleted,
		.arg = runtime };
	_cleanup_err_ struct err err = { 0 };

	if (child_start(&opts, &runtime->job, &err) < 0)
		retry_later(runtime, err_text(&err));
	else
		runtime->phase = PHASE_DELETING;
}

/* --- the decision ------------------------------------------------------------------------------------ */

static void step_idle(struct runtime *runtime)
{
	const struct unpacked *image;
	const char *status;

	if (loop_timer_active(runtime->timer))
		return;
	if (!runtime->intent) {
		if (needs_deletion(runtime))
			delete (runtime);
		else
			gone(runtime);
		return;
	}
	if (!runtime_is_up_wanted(runtime) || runtime->is_finished)
		return;
	if (!runtime->is_confirmed && !containers_paths.is_settled)
		return; /* found at start, and configuration has not spoken yet */
	image = image_ready(runtime->name, &status);
	if (image)
		start(runtime, image);
}

static void step(struct runtime *runtime)
{
	switch (runtime->phase) {
	case PHASE_IDLE:
		if (!runtime->intent) {
			step_idle(runtime);
			return; /* it may be gone */
		}
		step_idle(runtime);
		break;
	case PHASE_RUNNING:
		if (must_stop(runtime))
			stop(runtime);
		break;
	case PHASE_STARTING:
	case PHASE_STOPPING:
	case PHASE_DELETING:
		return; /* its end will be told */
	}
	runtime_publish(runtime);
}

static void on_timer(void *arg)
{
	struct runtime *runtime = arg;

	if (runtime->phase == PHASE_STOPPING)
		instance_signal(&runtime->instance, SIGKILL);
	else
		kick(runtime);
}

static void on_patience(void *arg)
{
	loop_task_schedule(task);
}

static bool is_any_up(void)
{
	struct runtime *runtime;
	size_t at = 0;

	while ((runtime = map_next(&runtimes, &at)))
		if (runtime->phase != PHASE_IDLE && runtime->phase != PHASE_DELETING)
			return true;
	return false;
}

static void on_task(void *arg)
{
	void (*ended)(void) = all_ended;
	struct runtime *runtime;
	size_t at = 0;

	/* What a transaction asks for counts when it is through: it may yet be undone. */
	if (apply_is_running()) {
		loop_timer_start(patience, PATIENCE_MS);
		return;
	}
	/* step() removes at most the one at hand. */
	while ((runtime = map_next(&runtimes, &at))) {
		if (!runtime->is_kicked)
			continue;
		runtime->is_kicked = false;
		step(runtime);
	}
	if (ended && !is_all_ended && !is_any_up()) {
		is_all_ended = true;
		ended();
	}
}

/* --- hooks ------------------------------------------------------------------------------------------- */

/* A new try of everything that had been given up or put off. */
static void forget_failures(struct runtime *runtime)
{
	runtime->failures = 0;
	runtime->is_finished = false;
	set_failure(runtime, NULL);
	if (runtime->phase == PHASE_IDLE)
		loop_timer_stop(runtime->timer);
}

static int runtime_want(const struct container *want, struct err *err)
{
	const char *name = want->object.key;
	_cleanup_free_ char *text = record_print(want);
	_cleanup_free_ char *marker = containers_bundle(name, RUNTIME_MARKER);
	struct runtime *runtime;
	int ret;

	if (!text)
		return err_set(err, -EINVAL, NULL, "the container's settings are not UTF-8");
	ret = containers_make_bundle(name, err);
	if (ret == 0)
		ret = containers_save(marker, text, err);
	if (ret < 0)
		return ret;
	runtime = runtime_get(name);
	/* Wanted again before its end had begun: an undone transaction takes nothing away. */
	if (runtime->intent ? !runtime->intent->is_enabled : runtime->phase != PHASE_RUNNING)
		runtime->goal = GOAL_AUTO;
	runtime_save_goal(runtime);
	if (runtime->intent)
		object_free(&runtime->intent->object);
	runtime->intent = object_copy(&want->object);
	runtime->is_confirmed = true;
	forget_failures(runtime);
	runtime_publish(runtime);
	kick(runtime);
	return 0;
}

void runtime_disown(const char *container)
{
	struct runtime *runtime = map_get_str(&runtimes, container);

	have_remove(&object_kind_container, container);
	if (!runtime || !runtime->intent)
		return;
	object_free(&TAKE(runtime->intent)->object);
	forget_failures(runtime);
	kick(runtime);
}

int runtime_apply(struct step *applied)
{
	if (applied->op != STEP_REMOVE)
		return runtime_want((const struct container *)applied->want, &applied->err);
	runtime_disown(applied->have->key);
	return 0;
}

void runtime_kick(const char *container)
{
	struct runtime *runtime = map_get_str(&runtimes, container);

	if (runtime)
		kick(runtime);
}

void runtime_kick_all(void)
{
	struct runtime *runtime;
	size_t at = 0;

	while ((runtime = map_next(&runtimes, &at)))
		kick(runtime);
}

void runtime_end_all(void (*ended)(void))
{
	all_ended = ended;
	is_all_ended = false;
	runtime_kick_all();
	loop_task_schedule(task);
}

bool runtime_is_ending(const char *container)
{
	struct runtime *runtime = map_get_str(&runtimes, container);

	if (!runtime)
		return false;
	switch (runtime->phase) {
	case PHASE_IDLE:
	case PHASE_DELETING:
		return false;
	case PHASE_RUNNING:
		return must_stop(runtime);
	case PHASE_STARTING:
	case PHASE_STOPPING:
		break;
	}
	return true;
}

bool runtime_uses_image(const char *digest)
{
	struct runtime *runtime;
	size_t at = 0;

	while ((runtime = map_next(&runtimes, &at)))
		if (runtime->phase != PHASE_IDLE && strcmp(runtime->run.digest, digest) == 0)
			return true;
	return false;
}

/* --- actions ----------------------------------------------------------------------------------------- */

static int act(const char *name, enum goal goal, bool must_restart, struct err *err)
{
	struct runtime *runtime = map_get_str(&runtimes, name);

	if (!runtime || !runtime->intent)
		return err_set(err, -ENOENT, NULL, "there is no container %s", name);
	if (goal == GOAL_UP && !runtime->intent->is_enabled)
		return err_set(err, -EPERM, NULL, "container %s is disabled", name);
	runtime->goal = goal;
	runtime_save_goal(runtime);
	if (must_restart && runtime->phase != PHASE_IDLE)
		runtime->must_restart = true;
	forget_failures(runtime);
	runtime_publish(runtime);
	kick(runtime);
	return 0;
}

int container_start(const char *name, struct err *err)
{
	return act(name, GOAL_UP, false, err);
}

int container_stop(const char *name, struct err *err)
{
	return act(name, GOAL_DOWN, false, err);
}

int container_restart(const char *name, struct err *err)
{
	return act(name, GOAL_UP, true, err);
}

/* --- usage ------------------------------------------------------------------------------------------- */

static void refresh(struct runtime *runtime)
{
	struct container *container = have_get(have_all(), &object_kind_container, runtime->name);

	if (!container)
		return;
	if (instance_is_alive(&runtime->instance))
		usage_read(&runtime->meter, runtime->name, runtime->instance.pid,
			container->netns != NULL, &container->usage);
	else
		container->usage = (struct container_usage){ 0 };
}

void runtime_refresh(const char *name)
{
	struct runtime *runtime = name ? map_get_str(&runtimes, name) : NULL;
	size_t at = 0;

	if (name) {
		if (runtime)
			refresh(runtime);
		return;
	}
	while ((runtime = map_next(&runtimes, &at)))
		refresh(runtime);
}

/* --- life -------------------------------------------------------------------------------------------- */

void runtime_adopt(const char *container)
{
	struct runtime *runtime = runtime_get(container);
	_cleanup_free_ char *config = containers_bundle(container, "config.json");
	_cleanup_free_ char *instance = containers_bundle(container, "instance.json");
	int status = instance_exit_status(container);

	runtime->intent = runtime_load_intent(container);
	runtime_load_goal(runtime);
	runtime_load_run(runtime);
	usage_start(&runtime->meter);
	if (file_read(config, CONTAINERS_FILE_MAX, &runtime->config, NULL, NULL) < 0)
		runtime->config = NULL;
	if (instance_open(container, &runtime->instance) == 0) {
		runtime->phase = PHASE_RUNNING;
		if (runtime->intent->netns)
			instance_keep_network(&runtime->instance, runtime->intent->netns);
		start_watching(runtime);
	} else if (status >= 0 || file_exists(instance)) {
		/* It ended while nobody looked. */
		runtime->instance.started = time(NULL);
		program_ended(runtime, status);
	}
	runtime_publish(runtime);
	kick(runtime);
}

void runtime_init(void)
{
	unsigned i;

	runtimes = (struct map){ 0 };
	all_ended = NULL;
	task = loop_task_new("containers", on_task, NULL);
	patience = loop_timer_new("containers", on_patience, NULL);
	has_seccomp = file_exists("/proc/sys/kernel/seccomp/actions_avail");
	capability_bounds = 0;
	for (i = 0; i < 64; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			capability_bounds |= 1ULL << i;
}

void runtime_done(void)
{
	struct runtime *runtime;
	size_t at = 0;

	while ((runtime = map_next(&runtimes, &at)))
		runtime_free(runtime);
	map_done(&runtimes);
	loop_task_free(TAKE(task));
	loop_timer_free(TAKE(patience));
}
