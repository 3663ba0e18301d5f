/*
 * The machine's name, as an object of which there is always one. The name it had when the daemon started
 * is what removing the wanted one gives back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/state.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

static struct {
	bool owns_machine;
	char first[HOSTNAME_MAX]; /* the name at start */
} host;

static void observe(void)
{
	struct hostname *now = object_new(&object_kind_hostname, HOSTNAME_KEY);

	if (gethostname(now->name, sizeof(now->name)) < 0)
		now->name[0] = '\0';
	now->name[sizeof(now->name) - 1] = '\0';
	have_put(&now->object);
}

int system_init(bool owns_machine, struct err *err)
{
	host.owns_machine = owns_machine;
	if (gethostname(host.first, sizeof(host.first)) < 0)
		return err_set(err, -errno, NULL, "the machine does not tell its name: %s",
			strerror(errno));
	host.first[sizeof(host.first) - 1] = '\0';
	observe();
	return 0;
}

bool system_owns_machine(void)
{
	return host.owns_machine;
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct hostname *wanted = (const void *)want, *seen = (const void *)have;

	return str_equal(wanted->name, seen->name) ? OBJECT_SAME : OBJECT_CHANGE;
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

	if (!host.owns_machine)
		step->error = err_set(&step->err, -EPERM, "", "this machine is not ours to name");
	else if (sethostname(name, strlen(name)) < 0)
		step->error = err_set(&step->err, -errno, "", "cannot be named \"%s\": %s", name,
			strerror(errno));
	else
		step->is_done = true;
	observe();
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	for (size_t i = 0; i < count; i++) {
		run(steps[i]);
		if (steps[i]->error < 0 && stop_on_error)
			return i + 1;
	}
	return count;
}

static const struct target target_host = { .name = "host", .apply = apply };

const struct object_kind object_kind_hostname = {
	.name = "hostname",
	.rank = 5,
	.size = sizeof(struct hostname),
	.target = &target_host,
	.compare = compare,
	.describe = describe,
};
