/*
 * Child processes. Each one leads a process group of its own (so that a kill reaches what it
 * started), has default signals, an empty mask and no descriptors but 0 to 2. Input lies in a
 * memfd: nothing has to be fed while it runs. Its end is seen through a pidfd; what is in the pipe
 * then is the last of its output, whoever else still holds the other end.
 *
 * States: running → (deadline: killed) → ended → done() → freed; or cancelled: killed at once, the
 * struct stays in a list until the kernel lets the process be reaped, which no one is told of.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/list.h"
#include "ashlar/loop.h"

#define READ_STEP	((size_t)16384)
#define STATUS_SETUP	126
#define STATUS_EXEC	127
#define STATUS_UNKNOWN	255 /* somebody else reaped it */
#define ENVIRONMENT_MAX 4

struct child {
	pid_t pid;
	int pidfd;
	int output_fd;			 /* -1: not kept, or at its end */
	struct loop_watch *exit_watch;	 /* of pidfd */
	struct loop_watch *output_watch; /* may be NULL */
	struct loop_timer *deadline;	 /* may be NULL */
	struct buf output;
	size_t output_max; /* of one whose output is taken as it comes */
	void (*on_output)(struct buf *output, void *arg);
	bool timed_out, truncated;
	bool is_in_done; /* freed by the caller of done() */
	bool is_cancelled;
	void (*done)(const struct child_result *result, void *arg);
	void *arg;
	struct list node; /* in cancelled */
};

/* What a child gets as its descriptors 0 and 1; both are above 2. */
struct stdio {
	int input, output;
};

/* Killed and not yet reaped. */
static struct list cancelled = LIST_INIT(cancelled);

static void stop_output(struct child *child)
{
	loop_watch_free(TAKE(child->output_watch));
	if (child->output_fd >= 0)
		close(TAKE_FD(child->output_fd));
}

static void child_free(struct child *child)
{
	list_remove(&child->node);
	stop_output(child);
	loop_timer_free(child->deadline);
	loop_watch_free(child->exit_watch);
	if (child->pidfd >= 0)
		close(child->pidfd);
	buf_done(&child->output);
	free(child);
}

/* One read of at most @size bytes: > 0, 0 at the end, -EAGAIN. */
static ssize_t read_output(struct child *child, size_t size)
{
	char bytes[READ_STEP];
	size_t room = child->on_output ? SIZE_MAX : child->output.max - child->output.length;
	ssize_t got;

	do
		got = read(child->output_fd, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : 0;
	if ((size_t)got > room)
		child->truncated = true;
	/* Cannot exceed the ceiling: cut to what is left below it. */
	(void)!buf_append(&child->output, bytes, (size_t)got < room ? (size_t)got : room);
	return got;
}

static void on_output(unsigned events, void *arg)
{
	struct child *child = arg;
	ssize_t got;

	if (child->on_output && child->output.length >= child->output_max) {
		/* Unless some of it is taken now, and child_go_on() called. */
		loop_watch_set(child->output_watch, 0);
	} else {
		got = read_output(child, READ_STEP);
		if (got == 0 || (got < 0 && got != -EAGAIN))
			stop_output(child);
	}
	if (child->on_output && child->output.length)
		child->on_output(&child->output, child->arg); /* may cancel it */
}

void child_go_on(struct child *child)
{
	if (child->output_watch)
		loop_watch_set(child->output_watch, LOOP_READ);
}

/* What was in the pipe when the child ended; others may hold it and go on writing. */
static void drain_output(struct child *child)
{
	int left = 0;

	if (child->output_fd < 0 || ioctl(child->output_fd, FIONREAD, &left) < 0)
		return;
	while (left > 0) {
		ssize_t got = read_output(child, (size_t)left);

		if (got <= 0)
			break;
		left -= (int)got;
	}
}

static int exit_status(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

static void on_exit_seen(unsigned events, void *arg)
{
	struct child *child = arg;
	struct child_result result;
	int wait_status = 0;
	pid_t reaped = waitpid(child->pid, &wait_status, WNOHANG);

	if (reaped == 0 || (reaped < 0 && errno == EINTR))
		return;
	if (child->is_cancelled) {
		child_free(child);
		return;
	}
	drain_output(child);
	result = (struct child_result){
		.status = reaped < 0 ? STATUS_UNKNOWN : exit_status(wait_status),
		.output = buf_bytes(&child->output),
		.output_size = child->output.length,
		.timed_out = child->timed_out,
		.truncated = child->truncated,
	};
	child->is_in_done = true;
	if (child->done)
		child->done(&result, child->arg);
	child_free(child);
}

/* Only before it is reaped: until then nothing else can have its number. */
static void kill_group(const struct child *child)
{
	(void)kill(-child->pid, SIGKILL); /* ESRCH: all gone already */
}

static void on_deadline(void *arg)
{
	struct child *child = arg;

	child->timed_out = true;
	kill_group(child);
}

/* Above the standard descriptors, so that putting it there cannot overwrite the other one. */
static int lift(int fd)
{
	int lifted;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	return lifted;
}

static int open_input(const struct child_opts *opts)
{
	_cleanup_close_ int fd = -1;

	if (!opts->input)
		return lift(open("/dev/null", O_RDONLY | O_CLOEXEC));
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	if (file_write_all(fd, opts->input, opts->input_size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return lift(TAKE_FD(fd));
}

/* The child's end; *ret_fd is ours, or stays -1. */
static int open_output(const struct child_opts *opts, int *ret_fd)
{
	int ends[2];

	if (opts->log_path)
		return lift(open(opts->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
	if (!opts->output_max)
		return lift(open("/dev/null", O_WRONLY | O_CLOEXEC));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ret_fd = lift(ends[0]);
	if (*ret_fd >= 0 && fcntl(*ret_fd, F_SETFL, O_NONBLOCK) < 0)
		close(TAKE_FD(*ret_fd));
	if (*ret_fd < 0) {
		close(ends[1]);
		return -1;
	}
	return lift(ends[1]);
}

/* The daemon's variables that children get; the strings are the daemon's. */
static void reduced_environment(const char *environment[ENVIRONMENT_MAX])
{
	static const char *const names[] = { "PATH", "HOME", "LANG" };
	size_t count = 0, i;
	char **entry;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		size_t length = strlen(names[i]);

		for (entry = environ; entry && *entry; entry++) {
			if (strncmp(*entry, names[i], length) == 0 && (*entry)[length] == '=') {
				environment[count++] = *entry;
				break;
			}
		}
	}
	environment[count] = NULL;
}

/* posix_spawn(3) shares our memory until exec: its cost does not grow with the daemon. */
static int start_spawn(const struct child_opts *opts, const struct stdio *stdio,
	char *const *environment, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int ret;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&actions);
	ret = posix_spawn_file_actions_adddup2(&actions, stdio->input, STDIN_FILENO);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&actions, stdio->output, STDOUT_FILENO);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&actions, stdio->output, STDERR_FILENO);
	if (ret == 0)
		ret = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	if (ret == 0)
		ret = posix_spawn_file_actions_addchdir_np(&actions, opts->cwd ? opts->cwd : "/");
	if (ret == 0)
		ret = posix_spawnp(ret_pid, opts->argv[0], &actions, &attributes,
			(char *const *)opts->argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -ret;
}

/* In the forked child, signals blocked. Async-signal-safe until run(). */
static _Noreturn void forked(
	const struct child_opts *opts, const struct stdio *stdio, char *const *environment)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int signo, status;

	(void)setpgid(0, 0); /* cannot fail for a new process; the parent does it, too */
	for (signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &action, NULL); /* some cannot be set: they need not */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(stdio->input, STDIN_FILENO) < 0 || dup2(stdio->output, STDOUT_FILENO) < 0 ||
		dup2(stdio->output, STDERR_FILENO) < 0 ||
		close_range(STDERR_FILENO + 1, ~0U, 0) < 0 ||
		chdir(opts->cwd ? opts->cwd : "/") < 0)
		_exit(STATUS_SETUP);
	if (opts->setup && opts->setup(opts->setup_arg) < 0)
		_exit(STATUS_SETUP);
	if (opts->run) {
		status = opts->run(opts->run_arg);
		_exit(status < 0 ? 1 : status);
	}
	execvpe(opts->argv[0], (char *const *)opts->argv, environment);
	_exit(STATUS_EXEC);
}

static int start_fork(const struct child_opts *opts, const struct stdio *stdio,
	char *const *environment, pid_t *ret_pid)
{
	sigset_t all, before;
	pid_t pid;
	int ret = 0;

	/* Our handlers must not run in the child. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		forked(opts, stdio, environment);
	if (pid < 0)
		ret = -errno;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (ret < 0)
		return ret;
	(void)setpgid(pid, pid); /* EACCES: it has done so itself and is past exec */
	*ret_pid = pid;
	return 0;
}

static const char *name_of(const struct child_opts *opts)
{
	return opts->argv && opts->argv[0] ? opts->argv[0] : "a process";
}

static int start_process(const struct child_opts *opts, struct child *child, struct err *err)
{
	_cleanup_close_ int input = -1, output = -1;
	const char *reduced[ENVIRONMENT_MAX];
	const char *const *environment = opts->env;
	struct stdio stdio;
	int ret;

	input = open_input(opts);
	if (input < 0)
		return err_set(err, -errno, NULL, "cannot start %s: no input: %s", name_of(opts),
			strerror(errno));
	output = open_output(opts, &child->output_fd);
	if (output < 0)
		return err_set(err, -errno, NULL, "cannot start %s: cannot open %s: %s",
			name_of(opts), opts->log_path ? opts->log_path : "its output",
			strerror(errno));
	if (!environment) {
		reduced_environment(reduced);
		environment = reduced;
	}
	stdio = (struct stdio){ .input = input, .output = output };
	if (opts->setup || opts->run)
		ret = start_fork(opts, &stdio, (char *const *)environment, &child->pid);
	else
		ret = start_spawn(opts, &stdio, (char *const *)environment, &child->pid);
	if (ret < 0)
		return err_set(
			err, ret, NULL, "cannot start %s: %s", name_of(opts), strerror(-ret));
	return 0;
}

int child_start(const struct child_opts *opts, struct child **ret_child, struct err *err)
{
	struct child *child = XNEW(struct child);
	int ret;

	assert(opts->run || (opts->argv && opts->argv[0]));
	child->pidfd = child->output_fd = -1;
	child->done = opts->done;
	child->arg = opts->arg;
	child->on_output = opts->output;
	child->output_max = opts->output_max;
	buf_init(&child->output, opts->output ? 0 : opts->output_max);
	ret = start_process(opts, child, err);
	if (ret < 0) {
		child_free(child);
		return ret;
	}
	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd < 0) {
		ret = err_set(
			err, -errno, NULL, "cannot watch %s: %s", name_of(opts), strerror(errno));
		kill_group(child);
		(void)waitpid(
			child->pid, NULL, 0); /* nothing else could tell when; it was killed */
		child_free(child);
		return ret;
	}
	child->exit_watch =
		loop_watch_new("child-exit", child->pidfd, LOOP_READ, on_exit_seen, child);
	if (child->output_fd >= 0)
		child->output_watch = loop_watch_new(
			"child-output", child->output_fd, LOOP_READ, on_output, child);
	if (opts->deadline_ms) {
		child->deadline = loop_timer_new("child-deadline", on_deadline, child);
		loop_timer_start(child->deadline, opts->deadline_ms);
	}
	*ret_child = child;
	return 0;
}

pid_t child_pid(const struct child *child)
{
	return child->pid;
}

void child_cancel(struct child *child)
{
	if (!child || child->is_in_done || child->is_cancelled)
		return;
	kill_group(child);
	stop_output(child);
	loop_timer_free(TAKE(child->deadline));
	buf_done(&child->output);
	if (waitpid(child->pid, NULL, WNOHANG) != 0) {
		child_free(child);
		return;
	}
	child->is_cancelled = true;
	list_append(&cancelled, &child->node);
}

/* --- programs of our own ------------------------------------------------------------------------ */

char *child_helper(const char *name)
{
	static const char *const below[] = { "", "/containers", "/image", "/server" };
	char self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[length > 0 ? length : 0] = '\0';
	if (length > 0)
		*strrchr(self, '/') = '\0';
	for (size_t i = 0; length > 0 && i < ARRAY_SIZE(below); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s/%s", self, below[i], name);

		if (access(path, X_OK) == 0)
			return TAKE(path);
	}
	return file_join(ASHLAR_LIBEXECDIR, name);
}
