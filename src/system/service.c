/*
 * Services: what runs in the background because configuration says so, started and watched by finit. A wanted one is
 * a stanza in a file of finit's directory; finit is told to look there, by its initctl, once for all that has
 * changed. What it makes of them is asked for afterwards, and whenever the process of one of ours has ended, or
 * it does not run yet; nobody who reads waits for that.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "genfile.h"
#include "service.h"

#define SOCKET	    "/run/finit/socket"
#define STANZAS	    "/etc/finit.d"
#define END	    ".conf"
#define STANZA_MAX  4096
#define OUTPUT_MAX  ((size_t)256 * 1024)
#define DEADLINE_MS 30000
#define RETRY_MS    1000
#define RETRY_MAX   60000

/* The process of a service of ours. */
struct watched {
	struct watched *next;
	int fd;
	struct loop_watch *watch;
};

static struct {
	bool has_finit;
	bool must_reload, must_look;
	struct child *child;
	bool is_reload; /* the child is one */
	struct loop_timer *timer;
	uint64_t retry_ms;
	struct watched *watched;
} services;

static void go_on(void);

static char *stanza_path(const char *name)
{
	_cleanup_free_ char *dir = genfile_path(STANZAS);

	return xasprintf("%s/%s" END, dir, name);
}

/* --- what there is -------------------------------------------------------------------------------- */

/* A service that is new to us, or a copy of what is known of it. */
static struct service *renew(const char *name)
{
	const struct service *seen = have_get(have_all(), &object_kind_service, name);

	return seen ? object_copy(&seen->object) : object_new(&object_kind_service, name);
}

static void set_text(char **text, const char *value)
{
	free(*text);
	*text = xstrdup(value);
}

static void look_at_stanza(const char *name)
{
	_cleanup_free_ char *path = stanza_path(name), *text = NULL;
	struct service *service;

	if (file_read(path, STANZA_MAX, &text, &(size_t){ 0 }, NULL) < 0 ||
		!str_starts(text, GENFILE_MARK))
		return;
	service = renew(name);
	set_text(&service->stanza, text);
	have_put(&service->object);
}

/* Those that an earlier daemon has written. */
static void find_stanzas(void)
{
	_cleanup_free_ char *path = genfile_path(STANZAS);
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);
		_cleanup_free_ char *name = NULL;

		if (length <= strlen(END) || !str_ends(entry->d_name, END))
			continue;
		name = xstrndup(entry->d_name, length - strlen(END));
		look_at_stanza(name);
	}
	if (dir)
		closedir(dir);
}

static void forget_watched(void)
{
	struct watched *watched;

	while ((watched = services.watched)) {
		services.watched = watched->next;
		loop_watch_free(watched->watch);
		close(watched->fd);
		free(watched);
	}
}

static void on_ended(unsigned events, void *arg)
{
	services.must_look = true;
	services.retry_ms = RETRY_MS;
	forget_watched(); /* they are watched again when it is known what there is */
	loop_timer_start(services.timer, RETRY_MS / 10); /* finit has to see it first */
}

static bool watch(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct watched *watched;

	if (fd < 0)
		return false;
	watched = XNEW(struct watched);
	watched->fd = fd;
	watched->watch = loop_watch_new("service", fd, LOOP_READ, on_ended, NULL);
	watched->next = services.watched;
	services.watched = watched;
	return true;
}

static uint64_t number_at(const json_t *entry, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(entry, name));

	return value > 0 ? (uint64_t)value : 0;
}

/* What finit says of one service. False: it is ours and not what it should be, look again. */
static bool take(const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "identity"));
	const char *status = json_string_value(json_object_get(entry, "status"));
	const char *text = json_string_value(json_object_get(entry, "description"));
	struct service *service;
	bool is_ours, is_good;

	if (!name || !*name || !status)
		return true;
	service = renew(name);
	set_text(&service->status, status);
	set_text(&service->description, text ? text : "");
	service->pid = (pid_t)number_at(entry, "pid");
	service->memory_bytes = number_at(entry, "memory");
	service->restarts = (uint32_t)number_at(entry, "restarts");
	service->since_ms = clock_ms() - number_at(entry, "uptime") * 1000;
	is_ours = service->stanza;
	is_good = str_equal(status, "running") && service->pid > 0 &&
		(!is_ours || watch(service->pid));
	have_put(&service->object);
	return is_good || !is_ours;
}

static bool is_told(const json_t *list, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(
		list, i, entry) if (str_equal(json_string_value(json_object_get(entry, "identity")),
					    name)) return true;
	return false;
}

/* What finit does not know (any more): ours is not running, another's is gone. False: ours. */
static bool take_one_missing(const char *name)
{
	struct service *now = renew(name);

	if (!now->stanza) {
		object_free(&now->object);
		have_remove(&object_kind_service, name);
		return true;
	}
	set_text(&now->status, "missing");
	now->pid = 0;
	have_put(&now->object);
	return false;
}

static bool take_missing(const json_t *list)
{
	const struct service *service;
	size_t at = 0, count = 0;
	char **gone = xcalloc(have_count(have_all(), &object_kind_service), sizeof(*gone));
	bool is_good = true;

	while ((service = have_next(have_all(), &object_kind_service, &at)))
		if (!is_told(list, service->object.key))
			gone[count++] = xstrdup(service->object.key);
	for (size_t i = 0; i < count; i++) {
		is_good = take_one_missing(gone[i]) && is_good;
		free(gone[i]);
	}
	free(gone);
	return is_good;
}

static void looked(const char *text, size_t size)
{
	json_t *list = json_loadb(text, size, 0, NULL), *entry;
	bool is_good = json_is_array(list);
	size_t i;

	forget_watched();
	json_array_foreach(list, i, entry) is_good = take(entry) && is_good;
	if (json_is_array(list))
		is_good = take_missing(list) && is_good;
	json_decref(list);
	if (is_good) {
		services.retry_ms = RETRY_MS;
		return;
	}
	services.must_look = true;
	loop_timer_start(services.timer, services.retry_ms);
	services.retry_ms = services.retry_ms * 2 < RETRY_MAX ? services.retry_ms * 2 : RETRY_MAX;
}

const char *service_status(const struct service *service)
{
	static const char *const words[] = { "halted", "missing", "crashed", "stopped", "busy",
		"restart", "conflict", "unknown", "done", "failed", "active", "stopping",
		"teardown", "setup", "cleanup", "paused", "waiting", "starting", "running",
		"dead" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_equal(service->status, words[i]))
			return words[i];
	return "unknown";
}

/* --- finit ---------------------------------------------------------------------------------------- */

static void child_done(const struct child_result *result, void *arg)
{
	bool is_reload = services.is_reload;

	services.child = NULL;
	if (result->status)
		log_error("service", "initctl %s: status %d: %s", is_reload ? "reload" : "-j",
			result->status, result->output);
	if (is_reload)
		services.must_look = true;
	else
		looked(result->output, result->output_size);
	go_on();
}

static void start(bool is_reload)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.argv = is_reload ? (const char *const[]){ "initctl", "-b", "reload", NULL }
				  : (const char *const[]){ "initctl", "-j", NULL },
		.output_max = OUTPUT_MAX,
		.deadline_ms = DEADLINE_MS,
		.done = child_done,
	};

	services.is_reload = is_reload;
	if (child_start(&opts, &services.child, &err) < 0)
		log_error("service", "%s", err_text(&err));
}

/* One thing at a time: what has changed goes first. */
static void go_on(void)
{
	if (services.child || apply_is_running())
		return;
	if (services.must_reload) {
		services.must_reload = false;
		start(true);
	} else if (services.must_look && !loop_timer_active(services.timer)) {
		services.must_look = false;
		start(false);
	}
}

static void on_timer(void *arg)
{
	if (apply_is_running())
		loop_timer_start(services.timer, RETRY_MS / 10); /* it may yet be undone */
	else
		go_on();
}

/* Its socket may come later than we, and its directory be another's; tests have a socket only. */
static bool is_finit_here(void)
{
	_cleanup_free_ char *path = genfile_path(SOCKET);
	char program[64];
	ssize_t length = readlink("/proc/1/exe", program, sizeof(program) - 1);

	program[length > 0 ? length : 0] = '\0';
	return file_exists(path) || (str_equal(path, SOCKET) && str_ends(program, "/finit"));
}

void service_init(void)
{
	services.timer = loop_timer_new("services", on_timer, NULL);
	services.retry_ms = RETRY_MS;
	find_stanzas();
	services.has_finit = is_finit_here();
	if (!services.has_finit)
		return;
	have_put(object_new(&object_kind_finit, FINIT_KEY));
	services.must_look = true;
	go_on();
}

void service_done(void)
{
	child_cancel(TAKE(services.child));
	forget_watched();
	loop_timer_free(TAKE(services.timer));
	memset(&services, 0, sizeof(services));
}

/* --- the object ----------------------------------------------------------------------------------- */

static void copy(struct object *to, const struct object *from)
{
	struct service *copied = (void *)to;
	const struct service *given = (const void *)from;

	copied->stanza = xstrdup(given->stanza);
	copied->status = xstrdup(given->status);
	copied->description = xstrdup(given->description);
}

static void done(struct object *object)
{
	struct service *service = (void *)object;

	free(service->stanza);
	free(service->status);
	free(service->description);
}

static bool equal(const struct object *a, const struct object *b)
{
	return str_equal(((const struct service *)a)->stanza, ((const struct service *)b)->stanza);
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return equal(want, have) ? OBJECT_SAME : OBJECT_CHANGE;
}

static enum object_owner owner(const struct object *have)
{
	return ((const struct service *)have)->stanza ? OBJECT_OURS : OBJECT_FOREIGN;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "service %s", object->key);
}

static void remove_stanza(struct step *step)
{
	_cleanup_free_ char *path = stanza_path(step->have->key);

	step->error = unlink(path) < 0 && errno != ENOENT
		? err_set(&step->err, -errno, "", "%s: %s", path, strerror(errno))
		: 0;
	if (step->error == 0)
		have_remove(&object_kind_service, step->have->key);
}

static void write_stanza(struct step *step)
{
	const struct service *want = (const void *)step->want;
	_cleanup_free_ char *path = stanza_path(want->object.key);

	step->error = file_replace(path, want->stanza, strlen(want->stanza), 0644, &step->err);
	if (step->error == 0)
		look_at_stanza(want->object.key);
}

static void run(struct step *step)
{
	if (step->op == STEP_REMOVE)
		remove_stanza(step);
	else
		write_stanza(step);
	step->is_done = step->error == 0;
	services.must_reload = true;
	services.retry_ms = RETRY_MS;
	loop_timer_start(services.timer, 0); /* when all that this transaction does has been done */
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	return apply_each(steps, count, stop_on_error, run);
}

static const struct target target_service = { .name = "services", .apply = apply };

const struct object_kind object_kind_service = {
	.name = "service",
	.rank = 6,
	.size = sizeof(struct service),
	.target = &target_service,
	.compare = compare,
	.copy = copy,
	.done = done,
	.equal = equal,
	.owner = owner,
	.describe = describe,
};

static enum object_diff compare_finit(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

/* Nobody plans or applies it. */
const struct object_kind object_kind_finit = {
	.name = "init",
	.size = sizeof(struct object),
	.target = &target_service,
	.compare = compare_finit,
	.absent = "is not the init of this machine, so that no service can be run",
};
