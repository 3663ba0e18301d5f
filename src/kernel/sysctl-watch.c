/*
 * Who else turns knobs. Of most of them the kernel tells nobody when they are written through /proc/sys/net; but
 * that a file is written it does tell (fanotify). One mark on the file system of /proc is enough for all
 * interfaces there are and will be; what is written is only taken for a hint: the link is read again. What we
 * write goes through a mount of our own, which is left out.
 *
 * Where that is not to be had (no CONFIG_FANOTIFY, no privilege, somebody with a /proc of his own) a knob is looked
 * at whenever the kernel tells something about its link, and when all is read again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <unistd.h>

#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

#define EVENTS_PER_TURN 32
#define PROC		"/proc"

static struct {
	int fd, proc; /* -1: not open */
	struct loop_watch *watch;
} self = { .fd = -1, .proc = -1 };

/* The interface whose knob the file is, "all" or "default"; false: it is none. */
static bool interface_of(int fd, char *name, size_t size)
{
	static const char *const dirs[] = { "/sys/net/ipv4/conf/", "/sys/net/ipv6/conf/" };
	char link[32], path[256];
	ssize_t length;

	snprintf(link, sizeof(link), PROC "/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return false;
	path[length] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		/* In front of it is where others have mounted theirs. */
		const char *at = strstr(path, dirs[i]);
		size_t name_length;

		if (!at)
			continue;
		at += strlen(dirs[i]);
		name_length = strcspn(at, "/");
		if (name_length >= size)
			return false;
		snprintf(name, size, "%.*s", (int)name_length, at);
		return true;
	}
	return false;
}

/* What is to be looked at after a turn's events, each once: all links are read when one knob is of all. */
struct written {
	bool is_all;
	size_t count;
	char names[EVENTS_PER_TURN][KERNEL_NAME_MAX];
};

static void add_written(struct written *written, const char *name)
{
	if (str_equal(name, "all"))
		written->is_all = true;
	if (written->is_all || str_equal(name, "default") || written->count == EVENTS_PER_TURN)
		return;
	for (size_t i = 0; i < written->count; i++) {
		if (str_equal(written->names[i], name))
			return;
	}
	snprintf(written->names[written->count++], KERNEL_NAME_MAX, "%s", name);
}

/* Which namespace it is in cannot be told: at worst a link is read in vain. */
static void look_at(const struct written *written)
{
	_cleanup_err_ struct err all = { 0 };

	if (written->is_all) {
		if (sysctl_all_written(&all) < 0)
			log_debug("sysctl", "%s", err_text(&all));
		return;
	}
	for (size_t i = 0; i < written->count; i++) {
		_cleanup_err_ struct err err = { 0 };

		if (link_read_named(nl_of(""), written->names[i], &err) < 0)
			log_debug("sysctl", "%s", err_text(&err));
	}
}

static void on_readable(unsigned events, void *arg)
{
	struct fanotify_event_metadata buffer[EVENTS_PER_TURN];
	const struct fanotify_event_metadata *event = buffer;
	ssize_t left = read(self.fd, buffer, sizeof(buffer));
	struct written written = { 0 };
	char name[KERNEL_NAME_MAX];

	for (; left > 0 && FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) {
		if (event->fd < 0)
			continue;
		if (interface_of(event->fd, name, sizeof(name)))
			add_written(&written, name);
		close(event->fd);
	}
	look_at(&written);
}

/* What is written through a mount of our own is not told. */
static int open_proc(int fan)
{
	int proc = open_tree(AT_FDCWD, PROC, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (proc >= 0 &&
		fanotify_mark(fan,
			FAN_MARK_ADD | FAN_MARK_MOUNT | FAN_MARK_IGNORED_MASK |
				FAN_MARK_IGNORED_SURV_MODIFY,
			FAN_MODIFY, proc, NULL) < 0) {
		close(proc);
		return -1;
	}
	return proc;
}

void sysctl_watch_start(void)
{
	self.fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE,
		O_RDONLY | O_CLOEXEC);
	if (self.fd < 0 ||
		fanotify_mark(self.fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, AT_FDCWD,
			PROC) < 0) {
		log_debug("sysctl", "what others write is not told: %s", strerror(errno));
		sysctl_watch_stop();
		return;
	}
	self.proc = open_proc(self.fd);
	self.watch = loop_watch_new("sysctl-events", self.fd, LOOP_READ, on_readable, NULL);
}

void sysctl_watch_stop(void)
{
	loop_watch_free(TAKE(self.watch));
	if (self.fd >= 0)
		close(TAKE_FD(self.fd));
	if (self.proc >= 0)
		close(TAKE_FD(self.proc));
}

char *sysctl_path(const char *below)
{
	return self.proc >= 0 ? xasprintf(PROC "/self/fd/%d/sys/net/%s", self.proc, below)
			      : xasprintf(PROC "/sys/net/%s", below);
}
