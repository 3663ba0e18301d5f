/*
 * ashlar-monitor: the parent of one container. The daemon may end and come back; this process stays,
 * so that the container's output always has a reader and its exit status a witness.
 *
 *	ashlar-monitor start ROOT ID BUNDLE LOG LOG-MAX CGROUP
 *		starts the container by crun and returns when it runs (0) or why it does not (1, with
 *		the reason on stdout); a process that watches it stays behind
 *	ashlar-monitor delete ROOT ID BUNDLE
 *		removes what crun keeps of it, killing what is left
 *
 * In BUNDLE, besides config.json:
 *	lock           held by whoever handles the container: one at a time
 *	instance.json  while it runs: {"pid","pid_start","monitor","monitor_start","started"}; the
 *	               starts, from /proc/PID/stat, tell a process from a later one of the same number
 *	exit.json      after it ran: {"status","ended"}; status as a shell says it
 *
 * If the daemon dies before it is told that the container runs, the container is removed again: the
 * next daemon decides afresh. crun sees a mount namespace in which /sys/fs/cgroup is cgroup v2,
 * whatever the machine has there; CGROUP ("/ashlar") is the parent of the containers' groups, and a
 * group below it takes this process, out of the reach of those who end the daemon's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>

#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/mem.h"
#include "ashlar/str.h"
#include "procstat.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define LOG_STEP     4096
#define LOG_FILES    3 /* LOG, LOG.1, LOG.2 */
#define REASON_MAX   4096
#define DRAIN_MAX    ((size_t)1 << 20)

struct monitor {
	const char *root, *id, *bundle, *log, *cgroup;
	uint64_t log_max;
	int report; /* to the process that the daemon waits for */
	int daemon; /* a pipe that the daemon reads; never written to: its end tells of the daemon's */
	int lock;
	bool has_cgroup;
	int output; /* the container's stdout and stderr */
	pid_t pid;
	int pidfd;
	int log_fd;
	uint64_t log_size;
	bool is_mid_line;
};

static char *bundle_path(const struct monitor *monitor, const char *name)
{
	return file_join(monitor->bundle, name);
}

/* --- talking to the daemon ------------------------------------------------------------------------ */

static _Noreturn void fail(const struct monitor *monitor, const char *format, ...) PRINTF(2, 3);

static _Noreturn void fail(const struct monitor *monitor, const char *format, ...)
{
	char text[REASON_MAX];
	va_list ap;
	int length;

	va_start(ap, format);
	length = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (length >= (int)sizeof(text))
		length = sizeof(text) - 1;
	/* Whoever does not listen any more needs no reason. */
	(void)!write(monitor->report, text, (size_t)length);
	_exit(1);
}

/* Whole files replaced by rename; no fsync: what it tells does not outlive the boot. */
static int save(const struct monitor *monitor, const char *name, const char *text)
{
	_cleanup_free_ char *path = bundle_path(monitor, name);
	_cleanup_free_ char *temporary = xasprintf("%s.new", path);
	_cleanup_close_ int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0 || rename(temporary, path) < 0)
		return -errno;
	return 0;
}

static void discard(const struct monitor *monitor, const char *name)
{
	_cleanup_free_ char *path = bundle_path(monitor, name);

	(void)unlink(path); /* it may be absent */
}

/* --- the log -------------------------------------------------------------------------------------- */

static void log_open_file(struct monitor *monitor)
{
	struct stat st;

	monitor->log_fd = open(monitor->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	monitor->log_size =
		monitor->log_fd >= 0 && fstat(monitor->log_fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void log_rotate(struct monitor *monitor)
{
	int i;

	close(TAKE_FD(monitor->log_fd));
	for (i = LOG_FILES - 1; i > 0; i--) {
		_cleanup_free_ char *to = xasprintf("%s.%d", monitor->log, i);
		_cleanup_free_ char *from =
			i > 1 ? xasprintf("%s.%d", monitor->log, i - 1) : xstrdup(monitor->log);

		(void)rename(from, to); /* absent at first */
	}
	log_open_file(monitor);
}

/* What cannot be written is lost: a full disk must not stop the container. */
static void log_put(struct monitor *monitor, const char *bytes, size_t size)
{
	if (monitor->log_fd < 0 || file_write_all(monitor->log_fd, bytes, size) < 0)
		return;
	monitor->log_size += size;
}

/* Each line gets its time; a file ends with a line's end unless the line is longer than the file. */
static void log_bytes(struct monitor *monitor, const char *bytes, size_t size)
{
	char stamp[CLOCK_TEXT_MAX + 1];

	while (size) {
		const char *end = memchr(bytes, '\n', size);
		size_t length = end ? (size_t)(end - bytes) + 1 : size;

		if (monitor->log_fd >= 0 &&
			monitor->log_size + length + sizeof(stamp) > monitor->log_max &&
			monitor->log_size)
			log_rotate(monitor);
		if (!monitor->is_mid_line) {
			clock_text(stamp, time(NULL));
			strcat(stamp, " ");
			log_put(monitor, stamp, strlen(stamp));
		}
		log_put(monitor, bytes, length);
		monitor->is_mid_line = !end;
		bytes += length;
		size -= length;
	}
}

/* One read: what read(2) returns, -EAGAIN when there is nothing now. */
static ssize_t log_read(struct monitor *monitor)
{
	char bytes[LOG_STEP];
	ssize_t got;

	do
		got = read(monitor->output, bytes, sizeof(bytes));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	log_bytes(monitor, bytes, (size_t)got);
	return got;
}

/* --- crun ----------------------------------------------------------------------------------------- */

/* Runs it to its end with @output as stdout and stderr; its exit status, -1 when it could not. */
static int run_crun(const struct monitor *monitor, int output, const char *const *arguments)
{
	const char *argv[20] = { "crun", "--root", monitor->root, "--cgroup-manager",
		monitor->has_cgroup ? "cgroupfs" : "disabled" };
	size_t count = 5;
	int status;
	pid_t pid;

	while (*arguments && count < ARRAY_SIZE(argv) - 1)
		argv[count++] = *arguments++;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		if (output < 0)
			output = null;
		if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
			dup2(output, STDERR_FILENO) < 0 || close_range(3, ~0U, 0) < 0)
			_exit(126);
		(void)signal(SIGPIPE, SIG_DFL); /* ignored dispositions would reach the container */
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Kills and forgets; what does not exist is fine. */
static void delete_container(const struct monitor *monitor)
{
	const char *const arguments[] = { "delete", "--force", monitor->id, NULL };
	_cleanup_free_ char *state = file_join(monitor->root, monitor->id);

	if (file_exists(state))
		(void)run_crun(monitor, -1, arguments);
	discard(monitor, "instance.json");
}

/* --- surroundings --------------------------------------------------------------------------------- */

static int take_lock(struct monitor *monitor)
{
	_cleanup_free_ char *path = bundle_path(monitor, "lock");

	monitor->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (monitor->lock < 0)
		return -errno;
	while (flock(monitor->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static bool is_cgroup2(void)
{
	struct statfs fs;

	return statfs(CGROUP_MOUNT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* crun takes cgroups as it finds them, and refuses a mixture of both versions. */
static void enter_namespace(struct monitor *monitor)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return;
	monitor->has_cgroup =
		is_cgroup2() || mount("cgroup2", CGROUP_MOUNT, "cgroup2", 0, NULL) == 0;
}

static void leave_cgroup(const struct monitor *monitor)
{
	_cleanup_free_ char *parent = xasprintf(CGROUP_MOUNT "%s", monitor->cgroup);
	_cleanup_free_ char *group = file_join(parent, "monitors");
	_cleanup_free_ char *procs = file_join(group, "cgroup.procs");

	if (!monitor->has_cgroup)
		return;
	(void)mkdir(parent, 0755);
	(void)mkdir(group, 0755);
	(void)!file_write_virtual(procs, "0"); /* staying where it is does no harm here */
}

/* --- start ---------------------------------------------------------------------------------------- */

static void read_reason(const char *path, char reason[REASON_MAX])
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	(void)snprintf(reason, REASON_MAX, "crun could not start it");
	if (file_read_virtual(path, (size_t)1 << 20, &text, NULL) < 0 || !text[0])
		return;
	length = strcspn(text, "\n");
	(void)snprintf(reason, REASON_MAX, "%.*s", (int)length, text);
}

static pid_t read_pid(const char *path)
{
	_cleanup_free_ char *text = NULL;
	uint64_t pid;

	if (file_read_virtual(path, 64, &text, NULL) < 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	return str_u64(text, 1, INT_MAX, &pid) == 0 ? (pid_t)pid : -1;
}

static void run_container(struct monitor *monitor)
{
	_cleanup_free_ char *pid_file = bundle_path(monitor, "pid");
	_cleanup_free_ char *crun_log = bundle_path(monitor, "crun.log");
	const char *const arguments[] = { "--log", crun_log, "run", "--detach", "--pid-file",
		pid_file, "--bundle", monitor->bundle, monitor->id, NULL };
	char reason[REASON_MAX];
	int ends[2], status;

	discard(monitor, "pid");
	discard(monitor, "crun.log");
	discard(monitor, "exit.json");
	if (pipe2(ends, O_CLOEXEC) < 0)
		fail(monitor, "no pipe: %s", strerror(errno));
	status = run_crun(monitor, ends[1], arguments);
	close(ends[1]);
	monitor->output = ends[0];
	if (status == 127)
		fail(monitor, "the program crun is not installed");
	if (status == 0)
		monitor->pid = read_pid(pid_file);
	if (status != 0 || monitor->pid < 0) {
		read_reason(crun_log, reason);
		delete_container(monitor);
		fail(monitor, "%s", reason);
	}
	(void)fcntl(monitor->output, F_SETFL, O_NONBLOCK);
}

/* Whether the daemon still waits to be told. */
static bool has_listener(const struct monitor *monitor)
{
	struct pollfd listeners[2] = { { .fd = monitor->report }, { .fd = monitor->daemon } };

	(void)poll(listeners, 2, 0);
	return !(listeners[0].revents & POLLERR) && !(listeners[1].revents & POLLERR);
}

static void tell_started(struct monitor *monitor)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		"{\"pid\": %d, \"pid_start\": %ju, \"monitor\": %d, \"monitor_start\": %ju, "
		"\"started\": %jd}\n",
		(int)monitor->pid, (uintmax_t)procstat_start(monitor->pid), (int)getpid(),
		(uintmax_t)procstat_start(getpid()), (intmax_t)time(NULL));
	/* Looked at again when it is saved: a daemon that died later has a successor that sees it. */
	if (!has_listener(monitor) || save(monitor, "instance.json", text) < 0 ||
		!has_listener(monitor) || write(monitor->report, "", 1) != 1) {
		delete_container(monitor);
		fail(monitor, "the daemon is gone, or %s cannot be written", monitor->bundle);
	}
	close(TAKE_FD(monitor->daemon));
	close(TAKE_FD(monitor->report));
}

/* Reaps whoever was left to this process; the container's status, or -1 while it runs. */
static int reap(const struct monitor *monitor)
{
	int status, found = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == monitor->pid)
			found = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return found;
}

static int watch_container(struct monitor *monitor)
{
	struct pollfd polls[2] = {
		{ .fd = monitor->output, .events = POLLIN },
		{ .fd = monitor->pidfd, .events = POLLIN },
	};
	size_t drained;
	int status;

	for (;;) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return 255;
		if (polls[0].revents) {
			ssize_t got = log_read(monitor);

			if (got <= 0 && got != -EAGAIN)
				polls[0].fd = -1; /* all its ends are closed */
		}
		if (!polls[1].revents)
			continue;
		status = reap(monitor);
		if (status < 0)
			continue;
		for (drained = 0; drained < DRAIN_MAX && log_read(monitor) > 0; drained += LOG_STEP)
			;
		return status;
	}
}

/* In the process that stays. */
static _Noreturn void stay(struct monitor *monitor)
{
	char text[128];
	int ret, status;

	(void)setsid(); /* a new process is no group's leader: this cannot fail */
	(void)prctl(PR_SET_NAME, "ashlar-monitor");
	(void)signal(SIGPIPE, SIG_IGN);
	umask(022);
	ret = take_lock(monitor);
	if (ret < 0)
		fail(monitor, "cannot lock %s: %s", monitor->bundle, strerror(-ret));
	if (!has_listener(monitor))
		_exit(1); /* given up while it waited for the lock */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		fail(monitor, "cannot watch over the container: %s", strerror(errno));
	enter_namespace(monitor);
	leave_cgroup(monitor);
	delete_container(monitor);
	run_container(monitor);
	monitor->pidfd = pidfd_open(monitor->pid, 0);
	if (monitor->pidfd < 0) {
		delete_container(monitor);
		fail(monitor, "cannot watch the container: %s", strerror(errno));
	}
	log_open_file(monitor);
	tell_started(monitor);
	status = watch_container(monitor);
	(void)snprintf(text, sizeof(text), "{\"status\": %d, \"ended\": %jd}\n", status,
		(intmax_t)time(NULL));
	(void)!save(monitor, "exit.json", text); /* without it the status is not known */
	delete_container(monitor);
	_exit(0);
}

/* In the process that the daemon waits for. */
static int start(struct monitor *monitor)
{
	char text[REASON_MAX];
	size_t size = 0;
	int ends[2];
	ssize_t got;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return 1;
	pid = fork();
	if (pid < 0)
		return 1;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		close(ends[0]);
		monitor->report = ends[1];
		monitor->daemon = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		if (monitor->daemon < 0 || dup2(null, STDIN_FILENO) < 0 ||
			dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
			_exit(1);
		stay(monitor);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(ends[1]);
	while (size < sizeof(text) - 1 &&
		(got = read(ends[0], text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)got;
	text[size] = '\0';
	if (size == 1 && !text[0])
		return 0;
	puts(size ? text : "its monitor ended unexpectedly");
	return 1;
}

static int delete (struct monitor *monitor)
{
	int ret = take_lock(monitor);

	if (ret < 0) {
		printf("cannot lock %s: %s\n", monitor->bundle, strerror(-ret));
		return 1;
	}
	enter_namespace(monitor);
	delete_container(monitor);
	return 0;
}

int main(int argc, char **argv)
{
	struct monitor monitor = {
		.report = -1, .daemon = -1, .lock = -1, .output = -1, .pidfd = -1, .log_fd = -1
	};

	if (argc < 5)
		return 2;
	monitor.root = argv[2];
	monitor.id = argv[3];
	monitor.bundle = argv[4];
	if (argc == 8 && strcmp(argv[1], "start") == 0) {
		monitor.log = argv[5];
		monitor.cgroup = argv[7];
		if (str_u64(argv[6], 4096, UINT32_MAX, &monitor.log_max) == 0)
			return start(&monitor);
	} else if (argc == 5 && strcmp(argv[1], "delete") == 0) {
		return delete (&monitor);
	}
	fprintf(stderr, "usage: ashlar-monitor start|delete …\n");
	return 2;
}
