/*
 * A running container as processes. Numbers of processes come back; what is on disk is believed only
 * if the process of that number began when the file says.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/log.h"
#include "instance.h"
#include "private.h"
#include "procstat.h"

/* -1: it does not live. */
static int open_process(
	const json_t *json, const char *pid_name, const char *start_name, pid_t *ret_pid)
{
	json_int_t pid = json_integer_value(json_object_get(json, pid_name));
	json_int_t start = json_integer_value(json_object_get(json, start_name));
	int fd;

	if (pid <= 0 || pid > INT_MAX || start <= 0)
		return -1;
	fd = pidfd_open((pid_t)pid, 0);
	if (fd < 0)
		return -1;
	/* Asked after opening: if it fits, the descriptor is of that process. */
	if (procstat_start((pid_t)pid) != (uint64_t)start) {
		close(fd);
		return -1;
	}
	*ret_pid = (pid_t)pid;
	return fd;
}

int instance_open(const char *container, struct instance *ret_instance)
{
	_cleanup_free_ char *path = containers_bundle(container, "instance.json");
	json_t *json = containers_load(path);
	struct instance instance = { .pidfd = -1, .monitor_fd = -1 };
	pid_t monitor;

	instance.started = json_integer_value(json_object_get(json, "started"));
	instance.pidfd = open_process(json, "pid", "pid_start", &instance.pid);
	instance.monitor_fd = open_process(json, "monitor", "monitor_start", &monitor);
	json_decref(json);
	if (instance.pidfd < 0 && instance.monitor_fd < 0)
		return -ESRCH;
	*ret_instance = instance;
	return 0;
}

void instance_close(struct instance *instance)
{
	if (instance->pidfd >= 0)
		close(instance->pidfd);
	if (instance->monitor_fd >= 0)
		close(instance->monitor_fd);
	*instance = (struct instance){ .pidfd = -1, .monitor_fd = -1 };
}

bool instance_is_alive(const struct instance *instance)
{
	struct pollfd ended = { .fd = instance->pidfd, .events = POLLIN };

	return instance->pidfd >= 0 && poll(&ended, 1, 0) == 0;
}

void instance_signal(const struct instance *instance, int signo)
{
	if (instance->pidfd >= 0)
		(void)pidfd_send_signal(instance->pidfd, signo, NULL, 0); /* ESRCH: it is over */
}

void instance_keep_network(const struct instance *instance, const char *path)
{
	_cleanup_free_ char *network = xasprintf("/proc/%d/ns/net", (int)instance->pid);
	_cleanup_close_ int file = -1;
	struct stat own, there;

	if (!instance_is_alive(instance) || stat(network, &own) < 0)
		return;
	if (stat(path, &there) == 0 && there.st_dev == own.st_dev)
		return;
	file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0400);
	if (file < 0 || mount(network, path, NULL, MS_BIND, NULL) < 0)
		log_debug("instance", "cannot bind %s: %s", path, strerror(errno));
}

int instance_exit_status(const char *container)
{
	_cleanup_free_ char *path = containers_bundle(container, "exit.json");
	json_t *json = containers_load(path);
	const json_t *status = json_object_get(json, "status");
	json_int_t value = json_integer_value(status);
	int ret = json_is_integer(status) && value >= 0 && value <= 255 ? (int)value : -ENOENT;

	json_decref(json);
	return ret;
}
