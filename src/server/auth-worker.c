/*
 * The password worker. Forked before the daemon holds anything, it stays small for ever: each check
 * runs in a child of its own, so that whatever a stored hash asks for (yescrypt's memory, a million
 * rounds) is bounded by that child's limits and killed at the deadline, and is gone afterwards.
 *
 * It has no rights, no descriptors but the socket, and ends when the daemon's end closes.
 */
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ashlar/str.h"

#include "auth-worker.h"

#define SOCKET_FD   3
#define NOBODY	    65534
#define MEMORY_MAX  ((rlim_t)1 << 30)
#define STATUS_SAME 42 /* not 0: only a finished comparison says so */

static bool matches(const struct auth_query *query)
{
	static struct crypt_data data;
	const char *result = crypt_r(query->password, query->hash, &data);
	size_t size = strlen(query->hash);

	if (!result || result[0] == '*' || strlen(result) != size)
		return false;
	return str_secret_equal(result, query->hash, size) && !query->is_dummy;
}

static void set_limits(void)
{
	const struct rlimit cpu = { AUTH_WORKER_DEADLINE_MS / 1000,
		AUTH_WORKER_DEADLINE_MS / 1000 };
	const struct rlimit core = { 0, 0 };
#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes */
	const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX };

	(void)setrlimit(RLIMIT_AS, &memory);
#endif
	(void)setrlimit(RLIMIT_CPU, &cpu);
	(void)setrlimit(RLIMIT_CORE, &core);
}

/* Waits for the child until the deadline, then kills it. */
static bool reap(pid_t pid)
{
	struct pollfd ready = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int status = 0;

	if (ready.fd < 0 || poll(&ready, 1, AUTH_WORKER_DEADLINE_MS) != 1)
		(void)kill(pid, SIGKILL);
	if (ready.fd >= 0)
		close(ready.fd);
	if (waitpid(pid, &status, 0) != pid)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SAME;
}

static bool check(const struct auth_query *query)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		set_limits();
		_exit(matches(query) ? STATUS_SAME : 0);
	}
	return pid > 0 && reap(pid);
}

static void serve(int fd)
{
	struct auth_query query;

	for (;;) {
		struct auth_answer answer = { 0 };
		ssize_t got = recv(fd, &query, sizeof(query), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got != sizeof(query))
			return;
		query.hash[sizeof(query.hash) - 1] = '\0';
		query.password[sizeof(query.password) - 1] = '\0';
		answer.id = query.id;
		answer.matches = check(&query);
		explicit_bzero(&query, sizeof(query));
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			return;
	}
}

static bool drop_rights(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return false;
	if (geteuid() != 0)
		return true;
	/* EINVAL: a user namespace that has no such user; then there is no other to become. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return false;
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0)
		return errno == EINVAL;
	return setresuid(NOBODY, NOBODY, NOBODY) == 0 || errno == EINVAL;
}

static _Noreturn void run(int fd)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	sigset_t none;
	int null;
	size_t i;

	/* The daemon decides when it ends, also when a terminal interrupts the whole group. */
	for (i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_NAME, "ashlard-auth");
	if (fd != SOCKET_FD && dup2(fd, SOCKET_FD) < 0)
		_exit(1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		close_range(SOCKET_FD + 1, ~0U, 0) < 0 || chdir("/") < 0 || !drop_rights())
		_exit(1);
	/* Set last: changing the user clears it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	serve(SOCKET_FD);
	_exit(0);
}

int auth_worker_start(int *ret_fd, pid_t *ret_pid, struct err *err)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, NULL, "no sockets for the password worker: %s",
			strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		run(ends[1]);
	}
	close(ends[1]);
	if (pid < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		int code = -errno;

		close(ends[0]);
		return err_set(
			err, code, NULL, "cannot start the password worker: %s", strerror(-code));
	}
	*ret_fd = ends[0];
	*ret_pid = pid;
	return 0;
}
