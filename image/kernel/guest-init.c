/*
 * guest-init: PID 1 of a User Mode Linux guest that runs one command.
 *
 * The kernel starts us on a scratch directory of the host as its root (hostfs, read-write). It has
 *
 *   guest     what to mount: "tree DIR", "ro DIR" and "rw DIR", one per line, all of the host
 *   command   the program to run
 *   status    written here at the end: the command's exit status, 128 + signal when killed
 *
 * The tree becomes the guest's root under a tmpfs, so that every guest starts from the same files
 * and may write anywhere; "ro" and "rw" directories appear at their own paths, the scratch
 * directory at /run/guest. The command's output goes to the first serial line, which is a
 * descriptor of the host. When the command ends, whatever it left running is killed and the guest
 * is switched off.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MOUNTS_MAX 16
#define TERMINAL   "/dev/ttyS0"

struct plan {
	char tree[PATH_MAX];
	unsigned n_mounts;
	struct {
		char path[PATH_MAX];
		unsigned long flags;
	} mounts[MOUNTS_MAX];
};

static struct plan plan;

/* Without a status file the caller knows that the guest, not the command, has failed. */
static void fail(const char *what)
{
	fprintf(stderr, "guest-init: %s: %s\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void mount_on(const char *type, const char *target, const char *options)
{
	if (mount(type, target, type, 0, options) < 0)
		fail(target);
}

static void make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		fail(path);
}

/* Makes PATH, which begins with '/', below the current directory. */
static void make_dirs(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), ".%s", path);
	for (char *end = strchr(part + 2, '/'); end; end = strchr(end + 1, '/')) {
		*end = '\0';
		make_dir(part, 0755);
		*end = '/';
	}
	make_dir(part, 0755);
}

static void read_plan(void)
{
	FILE *file = fopen("/guest", "re");
	char word[8], path[PATH_MAX];

	if (!file)
		fail("/guest");
	while (fscanf(file, "%7s %4095[^\n]", word, path) == 2) {
		if (!strcmp(word, "tree")) {
			strcpy(plan.tree, path);
			continue;
		}
		if (plan.n_mounts == MOUNTS_MAX) {
			errno = E2BIG;
			fail("/guest");
		}
		strcpy(plan.mounts[plan.n_mounts].path, path);
		plan.mounts[plan.n_mounts++].flags = strcmp(word, "rw") ? MS_RDONLY : 0;
	}
	fclose(file);
}

static void mount_kernel_views(void)
{
	mount_on("proc", "proc", NULL);
	mount_on("sysfs", "sys", NULL);
	mount_on("cgroup2", "sys/fs/cgroup", NULL);
	mount_on("debugfs", "sys/kernel/debug", NULL);
	mount_on("devtmpfs", "dev", NULL);
	make_dir("dev/pts", 0755);
	make_dir("dev/shm", 01777);
	mount_on("devpts", "dev/pts", "gid=5,mode=620,ptmxmode=666");
	mount_on("tmpfs", "dev/shm", "mode=1777");
	mount_on("tmpfs", "run", "mode=755");
	mount_on("tmpfs", "tmp", "mode=1777");
	if (symlink("/proc/self/fd", "dev/fd") < 0 && errno != EEXIST)
		fail("/dev/fd");
}

/*
 * The kernel wants directories to mount on before there is any file system of our own, and the host
 * made "new" in the scratch directory for that: a tmpfs there takes the overlay's parts.
 */
static void build_root(void)
{
	mount_on("tmpfs", "/new", "mode=755");
	make_dir("/new/tree", 0755);
	make_dir("/new/upper", 0755);
	make_dir("/new/work", 0755);
	make_dir("/new/root", 0755);
	if (mount("none", "/new/tree", "hostfs", MS_RDONLY, plan.tree) < 0)
		fail(plan.tree);
	mount_on(
		"overlay", "/new/root", "lowerdir=/new/tree,upperdir=/new/upper,workdir=/new/work");
	if (chdir("/new/root") < 0)
		fail("/new/root");
	mount_kernel_views();
	for (unsigned i = 0; i < plan.n_mounts; i++) {
		const char *path = plan.mounts[i].path;
		char target[PATH_MAX + 1];

		make_dirs(path);
		snprintf(target, sizeof(target), ".%s", path);
		if (mount("none", target, "hostfs", plan.mounts[i].flags, path) < 0)
			fail(path);
	}
	make_dir("run/lock", 01777);
	make_dir("run/guest", 0755);
	if (mount("/", "run/guest", NULL, MS_BIND, NULL) < 0)
		fail("/run/guest");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		fail("new root");
}

static void bring_up_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		fail("lo");
	close(fd);
}

/* The line stays open here too, so that what is written at the very end can be waited for. */
static int open_terminal(void)
{
	struct termios mode;
	int fd = open(TERMINAL, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &mode) < 0)
		fail(TERMINAL);
	mode.c_oflag &= ~(tcflag_t)OPOST;
	if (tcsetattr(fd, TCSANOW, &mode) < 0)
		fail(TERMINAL);
	return fd;
}

static void run_command(void)
{
	static char *const argv[] = { "/run/guest/command", NULL };
	static char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"LC_ALL=C.UTF-8",
		"TERM=dumb",
		"NO_COLOR=1",
		NULL,
	};
	int fd;

	setsid();
	fd = open(TERMINAL, O_RDWR); /* our controlling terminal from here on */
	if (fd < 0)
		_exit(126);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	execve(argv[0], argv, environment);
	perror(argv[0]);
	_exit(127);
}

/* Waits for CHILD, reaping on the way whatever was orphaned to us. */
static int wait_for(pid_t child)
{
	int status = 0;

	for (;;) {
		pid_t pid = waitpid(-1, &status, 0);

		if (pid == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (pid < 0 && errno != EINTR)
			fail("waitpid");
	}
}

static void report(int status)
{
	FILE *file = fopen("/run/guest/status", "we");

	if (!file || fprintf(file, "%d\n", status) < 0 || fclose(file))
		fail("/run/guest/status");
}

int main(void)
{
	int terminal, status;
	pid_t child;

	read_plan();
	build_root();
	bring_up_loopback();
	terminal = open_terminal();
	if (sethostname("guest", strlen("guest")) < 0)
		fail("host name");
	child = fork();
	if (child < 0)
		fail("fork");
	if (!child)
		run_command();
	status = wait_for(child);
	kill(-1, SIGKILL);
	tcdrain(terminal);
	report(status);
	reboot(RB_POWER_OFF);
	return 1;
}
