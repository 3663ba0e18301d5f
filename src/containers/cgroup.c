/*
 * Control groups, version 2. Opened by fsmount(2): a mount of our own that is in no directory tree, so
 * it does not matter whether the machine mounts version 2, 1, both or none. Controllers that version 1
 * has taken are missing there; then limits are not enforced, and the container's status says so. It is
 * opened when the first container asks: the kernel takes several milliseconds for it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "ashlar/log.h"
#include "ashlar/str.h"
#include "cgroup.h"

#define FILE_MAX 8192

static bool is_opened;
static int root = -1;
static char *parent;
static char *controllers; /* " cpu memory "; NULL: none */

/* The root's descriptor; < 0: there is none. */
static int open_root(void)
{
	_cleanup_close_ int fs = -1, file = -1;
	char text[FILE_MAX];
	ssize_t got;

	if (is_opened)
		return root;
	is_opened = true;
	fs = fsopen("cgroup2", FSOPEN_CLOEXEC);
	if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (root < 0) {
		log_debug("cgroup", "there is no cgroup version 2 here: limits are not enforced");
		return root;
	}
	file = openat(root, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	got = file < 0 ? 0 : read(file, text, FILE_MAX - 1);
	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	controllers = xasprintf(" %s ", text);
	return root;
}

/* What a container's file says; "" when it is absent. */
static const char *read_file(const char *container, const char *file, char text[FILE_MAX])
{
	_cleanup_free_ char *path = xasprintf(".%s/%s/%s", parent, container, file);
	_cleanup_close_ int fd = open_root() < 0 ? -1 : openat(root, path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, text, FILE_MAX - 1);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

void cgroup_init(const char *parent_path)
{
	parent = xstrdup(parent_path);
}

void cgroup_done(void)
{
	if (root >= 0)
		close(TAKE_FD(root));
	is_opened = false;
	free(TAKE(parent));
	free(TAKE(controllers));
}

const char *cgroup_parent_path(void)
{
	return parent;
}

bool cgroup_has(const char *controller)
{
	_cleanup_free_ char *word = xasprintf(" %s ", controller);

	return open_root() >= 0 && strstr(controllers, word);
}

char *cgroup_path(const char *container)
{
	return open_root() < 0 ? NULL : xasprintf("%s/%s", parent, container);
}

/* The number after "key " at the start of a line; 0 when absent. */
static uint64_t flat_value(const char *text, const char *key)
{
	size_t length = strlen(key);

	while (text && *text) {
		if (strncmp(text, key, length) == 0 && text[length] == ' ')
			return strtoull(text + length, NULL, 10);
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return 0;
}

/* Sum over all devices of "key=N". */
static uint64_t nested_sum(const char *text, const char *key)
{
	uint64_t sum = 0;

	while ((text = strstr(text, key))) {
		text += strlen(key);
		if (*text == '=')
			sum += strtoull(text + 1, NULL, 10);
	}
	return sum;
}

void cgroup_usage(const char *container, struct container_usage *usage, uint64_t *ret_cpu_us)
{
	char text[FILE_MAX];

	if (read_file(container, "memory.current", text)[0]) {
		usage->memory_bytes = strtoull(text, NULL, 10);
		usage->set |= 1U << CONTAINER_USAGE_MEMORY;
	}
	if (read_file(container, "pids.current", text)[0]) {
		usage->pids = strtoull(text, NULL, 10);
		usage->set |= 1U << CONTAINER_USAGE_PIDS;
	}
	if (cgroup_has("io")) {
		read_file(container, "io.stat", text);
		usage->read_bytes = nested_sum(text, "rbytes");
		usage->write_bytes = nested_sum(text, "wbytes");
		usage->set |= 1U << CONTAINER_USAGE_IO;
	}
	/* Version 2 counts time without the cpu controller, too. */
	*ret_cpu_us = flat_value(read_file(container, "cpu.stat", text), "usage_usec");
}

void cgroup_drop_parent(void)
{
	_cleanup_free_ char *monitors = xasprintf(".%s/monitors", parent);
	_cleanup_free_ char *path = xasprintf(".%s", parent);

	if (open_root() < 0)
		return;
	/* EBUSY: somebody is in there. */
	(void)unlinkat(root, monitors, AT_REMOVEDIR);
	(void)unlinkat(root, path, AT_REMOVEDIR);
}
