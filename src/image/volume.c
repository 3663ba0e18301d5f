/* Volumes that bring a configuration: found by the kernel's events, read by a program of their own. */
#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/image.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#define BLOCK_DIR    "/sys/class/block"
#define WAITING_MAX  64
#define EVENT_MAX    8192
#define UEVENT_GROUP 1 /* the kernel's own */
#define DEADLINE_MS  60000
#define OUTPUT_MAX   (16 * 1024 * 1024 + 4096)
#define NOT_OURS     3 /* exit status of ashlar-volume */

static struct {
	int fd;
	struct loop_watch *events;
	struct child *child;
	struct loop_task *task;
	char *waiting[WAITING_MAX];
	size_t count;
	char *current; /* being read, or with the callback */
	char *path;
	volume_fn found;
	void *arg;
	bool has_told; /* that the first ones are done */
} volumes;

static void look(const char *device)
{
	for (size_t i = 0; i < volumes.count; i++) {
		if (str_equal(volumes.waiting[i], device))
			return;
	}
	if (volumes.count < WAITING_MAX)
		volumes.waiting[volumes.count++] = xstrdup(device);
	loop_task_schedule(volumes.task);
}

static void tell(const struct err *err)
{
	volumes.found(volumes.current, err ? NULL : volumes.path, err, volumes.arg);
}

static void read_done(const struct child_result *result, void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	int r;

	volumes.child = NULL;
	if (result->status == NOT_OURS) {
		volume_next();
		return;
	}
	if (result->status)
		r = err_set(&err, -EIO, NULL, "%.*s", (int)strcspn(result->output, "\n"),
			result->output);
	else
		r = file_write_atomic(
			volumes.path, result->output, result->output_size, 0600, &err);
	tell(r < 0 ? &err : NULL);
}

static void read_next(void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	_cleanup_free_ char *program = NULL;
	char device[64];
	struct child_opts opts = {
		.output_max = OUTPUT_MAX,
		.deadline_ms = DEADLINE_MS,
		.done = read_done,
	};

	if (volumes.current)
		return;
	if (!volumes.count) {
		if (!volumes.has_told)
			volumes.found(NULL, NULL, NULL, volumes.arg);
		volumes.has_told = true;
		return;
	}
	volumes.current = volumes.waiting[0];
	memmove(volumes.waiting, volumes.waiting + 1, --volumes.count * sizeof(*volumes.waiting));
	program = child_helper("ashlar-volume");
	snprintf(device, sizeof(device), "/dev/%.50s", volumes.current);
	opts.argv = (const char *const[]){ program, device, NULL };
	if (child_start(&opts, &volumes.child, &err) < 0)
		tell(&err);
}

void volume_next(void)
{
	if (volumes.path)
		(void)unlink(volumes.path);
	free(TAKE(volumes.current));
	if (volumes.task)
		loop_task_schedule(volumes.task);
}

/* --- which there are ------------------------------------------------------------------------------ */

/* "add@/devices/…", then NAME=VALUE, each with a NUL. */
static void on_event(const char *event, size_t size)
{
	const char *device = NULL;
	bool is_block = false, is_there = false;

	for (size_t at = 0; at < size; at += strlen(event + at) + 1) {
		const char *word = event + at;

		if (str_starts(word, "DEVNAME="))
			device = word + strlen("DEVNAME=");
		is_block |= str_equal(word, "SUBSYSTEM=block");
		is_there |= str_equal(word, "ACTION=add") || str_equal(word, "ACTION=change");
	}
	if (device && is_block && is_there)
		look(device);
}

static void on_events(unsigned events, void *arg)
{
	char event[EVENT_MAX + 1];
	struct sockaddr_nl from;
	socklen_t size = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(volumes.fd, event, EVENT_MAX, MSG_DONTWAIT, (struct sockaddr *)&from,
			&size)) > 0) {
		event[n] = '\0';
		if (from.nl_pid == 0) /* only the kernel is believed */
			on_event(event, (size_t)n);
		size = sizeof(from);
	}
}

static void look_at_all(void)
{
	DIR *dir = opendir(BLOCK_DIR);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			look(entry->d_name);
	}
	if (dir)
		closedir(dir);
}

int volume_watch(const char *run_dir, volume_fn found, void *arg, struct err *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP };
	int fd = socket(
		AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int code = -errno;

		if (fd >= 0)
			close(fd);
		return err_set(err, code, NULL, "device events: %s", strerror(-code));
	}
	volumes.fd = fd;
	volumes.found = found;
	volumes.arg = arg;
	volumes.path = file_join(run_dir, "volume.cfg");
	volumes.task = loop_task_new("volume", read_next, NULL);
	volumes.events = loop_watch_new("device-events", fd, LOOP_READ, on_events, NULL);
	volumes.has_told = false;
	look_at_all();
	loop_task_schedule(volumes.task);
	return 0;
}

void volume_unwatch(void)
{
	child_cancel(TAKE(volumes.child));
	if (volumes.events) {
		loop_watch_free(TAKE(volumes.events));
		close(volumes.fd);
	}
	loop_task_free(TAKE(volumes.task));
	while (volumes.count)
		free(volumes.waiting[--volumes.count]);
	volume_next();
	free(TAKE(volumes.path));
}
