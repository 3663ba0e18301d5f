/*
 * The machine's name, as an object of which there is always one. The name it had when the daemon started
 * is what removing the wanted one gives back. Others may change it without a word: it is read again when
 * somebody asks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/state.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "genfile.h"
#include "service.h"

static struct {
	bool owns_machine;
	char first[HOSTNAME_MAX]; /* the name at start */
} host;

static int observe(struct err *err)
{
	const struct hostname *seen = have_get(have_all(), &object_kind_hostname, HOSTNAME_KEY);
	struct hostname *now;
	char name[HOSTNAME_MAX];

	if (gethostname(name, sizeof(name)) < 0)
		return err_set(err, -errno, NULL, "the machine does not tell its name: %s",
			strerror(errno));
	name[sizeof(name) - 1] = '\0';
	if (seen && str_equal(seen->name, name))
		return 0;
	now = object_new(&object_kind_hostname, HOSTNAME_KEY);
	memcpy(now->name, name, sizeof(name));
	have_put(&now->object);
	return 0;
}

static int refresh(const char *key, struct err *err)
{
	return observe(err);
}

int system_init(bool owns_machine, const char *root, struct err *err)
{
	const struct hostname *seen;
	int r = observe(err);

	if (r < 0)
		return r;
	seen = have_get(have_all(), &object_kind_hostname, HOSTNAME_KEY);
	memcpy(host.first, seen->name, sizeof(host.first));
	host.owns_machine = owns_machine;
	if (owns_machine)
		have_put(object_new(&object_kind_machine, MACHINE_KEY));
	genfile_init(root);
	if (owns_machine)
		service_init();
	return 0;
}

void system_done(void)
{
	service_done();
	genfile_done();
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct hostname *wanted = (const void *)want, *seen = (const void *)have;

	return str_equal(wanted->name, seen->name) ? OBJECT_SAME : OBJECT_CHANGE;
}

static enum object_diff compare_machine(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "host name %s", ((const struct hostname *)(const void *)object)->name);
}

static void run(struct step *step)
{
	const char *name = step->op == STEP_REMOVE
		? host.first
		: ((const struct hostname *)(const void *)step->want)->name;

	/* Of a machine that is not its own it never changed anything: there is nothing to give back. */
	if (host.owns_machine && sethostname(name, strlen(name)) < 0)
		step->error = err_set(&step->err, -errno, "", "cannot be named \"%s\": %s", name,
			strerror(errno));
	else
		step->is_done = true;
	(void)observe(NULL); /* what cannot be read stays as it was seen last */
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	return apply_each(steps, count, stop_on_error, run);
}

static const struct target target_host = { .name = "host", .apply = apply };

const struct object_kind object_kind_hostname = {
	.name = "hostname",
	.rank = 5,
	.size = sizeof(struct hostname),
	.target = &target_host,
	.compare = compare,
	.describe = describe,
	.refresh = refresh,
};

/* Nobody plans or applies it. */
const struct object_kind object_kind_machine = {
	.name = "machine",
	.size = sizeof(struct object),
	.target = &target_host,
	.compare = compare_machine,
	.absent = "is not this daemon's to change: it was started without --system",
};
