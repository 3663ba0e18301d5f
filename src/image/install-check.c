/*
 * The new image proves that it can load this device's configuration, before anything is restarted: its own
 * `ashlard --check` reads a copy of the saved configuration, from the slot as it will be started (verified),
 * where it sees nothing else of this device: name spaces of its own, nobody's identity, no way out.
 *
 * This image's answer is asked for in the same way. What both would leave unapplied is no reason to refuse;
 * what only the new one would, is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/slot.h"
#include "ashlar/str.h"

#include "install.h"
#include "verity.h"

#define PROGRAM	    "/usr/sbin/ashlard"
#define VERITY_NAME "ashlar-check"
#define CONFIG_MAX  ((size_t)16 << 20)
#define ANSWER_MAX  ((size_t)1 << 20)
#define SECONDS	    300
#define LISTED	    "This device would not apply:" /* see check.c */
#define SET_UP	    125				   /* status: the sandbox could not be made */

struct answer {
	char *text;
	int status;
};

/* --- asking --------------------------------------------------------------------------------------- */

static int write_config(const char *path, const char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : file_write_all(fd, text, size);
}

/* In the child: ROOT becomes the root, with an empty /tmp that holds the configuration. */
static int enter(const char *root, const char *text, size_t size)
{
	struct rlimit seconds = { SECONDS, SECONDS }, none = { 0, 0 };

	if (chdir(root) < 0 ||
		mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m") < 0 ||
		mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
		chroot(".") < 0 || chdir("/tmp") < 0)
		return -errno;
	if (write_config("/tmp/config", text, size) < 0 || setrlimit(RLIMIT_CPU, &seconds) < 0 ||
		setrlimit(RLIMIT_CORE, &none) < 0)
		return -EIO;
	return transfer_drop_privileges();
}

static _Noreturn void run_inside(const char *root, const char *text, size_t size)
{
	const char *const argv[] = { PROGRAM, "--config-dir", "/tmp/cfg", "--run-dir", "/tmp/run",
		"--state-dir", "/tmp/state", "--check", "/tmp/config", NULL };
	char *const env[] = { (char *)"PATH=/usr/sbin:/usr/bin", (char *)"LANG=C.UTF-8", NULL };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail for a valid signal */
	if (enter(root, text, size) == 0)
		execve(PROGRAM, (char *const *)argv, env);
	_exit(SET_UP);
}

/* The first process of the name spaces: when it ends, everything in them does. */
static _Noreturn void run_outside(const char *root, const char *text, size_t size, int out)
{
	int status;
	pid_t pid;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0 ||
		unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID) <
			0 ||
		mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		_exit(SET_UP);
	pid = fork();
	if (pid == 0)
		run_inside(root, text, size);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		_exit(SET_UP);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int read_answer(int fd, char **ret_text)
{
	_cleanup_free_ char *text = xmalloc(ANSWER_MAX + 1);
	size_t size = 0;
	ssize_t got;

	while (size < ANSWER_MAX && (got = read(fd, text + size, ANSWER_MAX - size)) != 0) {
		if (got < 0 && errno != EINTR)
			return -errno;
		size += got < 0 ? 0 : (size_t)got;
	}
	text[size] = '\0';
	*ret_text = TAKE(text);
	return 0;
}

static int ask(
	const char *root, const char *text, size_t size, struct answer *ret_answer, struct err *err)
{
	int ends[2], status, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, NULL, "%s", strerror(errno));
	pid = fork();
	if (pid == 0)
		run_outside(root, text, size, ends[1]);
	close(ends[1]);
	r = pid < 0 ? -errno : read_answer(ends[0], &ret_answer->text);
	close(ends[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		ret_answer->status = WEXITSTATUS(status);
	else
		ret_answer->status = SET_UP;
	if (r == 0 && ret_answer->status == SET_UP)
		r = -EIO;
	return r < 0
		? err_set(err, r, NULL, "the new image's check cannot be run: %s", strerror(-r))
		: 0;
}

/* --- mounting ------------------------------------------------------------------------------------- */

/* Asks the image that is mounted at, or (a directory) bound to, a place that only this process sees. */
static int ask_mounted(const char *source, const char *type, unsigned long flags, const char *text,
	size_t size, struct answer *ret_answer, struct err *err)
{
	char path[] = "/tmp/ashlar-check-XXXXXX";
	int r;

	if (!mkdtemp(path))
		return err_set(err, -errno, NULL, "%s: %s", path, strerror(errno));
	if (mount(source, path, type, flags, NULL) < 0)
		r = err_set(
			err, -errno, NULL, "the new image cannot be mounted: %s", strerror(errno));
	else
		r = ask(path, text, size, ret_answer, err);
	(void)umount2(path, MNT_DETACH); /* EINVAL: it is not mounted */
	(void)rmdir(path);
	return r;
}

static int ask_new(const char *device, const struct manifest *manifest, const char *text,
	size_t size, struct answer *ret_answer, struct err *err)
{
	char hash[2 * MANIFEST_DIGEST + 1], salt[2 * MANIFEST_DIGEST + 1], path[64];
	const struct verity verity = { manifest->blocks, hash, salt };
	int r;

	str_hex(hash, manifest->root_hash, MANIFEST_DIGEST);
	str_hex(salt, manifest->salt, MANIFEST_DIGEST);
	verity_close(VERITY_NAME); /* of an installation that was killed */
	r = verity_open(VERITY_NAME, device, &verity, path, sizeof(path));
	if (r < 0)
		return err_set(err, r, NULL, "the new image cannot be verified: %s", strerror(-r));
	r = ask_mounted(
		path, "squashfs", MS_RDONLY | MS_NODEV | MS_NOSUID, text, size, ret_answer, err);
	verity_close(VERITY_NAME);
	return r;
}

/* --- comparing ------------------------------------------------------------------------------------ */

/* "PATH: reason" with quoted values in PATH: where the path ends; 0: it is none. */
static size_t path_length(const char *line)
{
	char quote = '\0';

	if (*line != '/')
		return 0;
	for (size_t i = 0; line[i] && line[i] != '\n'; i++) {
		if (quote)
			quote = line[i] == quote ? '\0' : quote;
		else if (line[i] == '\'' || line[i] == '"')
			quote = line[i];
		else if (line[i] == ':' && line[i + 1] == ' ')
			return i;
	}
	return 0;
}

static bool lists(const char *answer, const char *path, size_t length)
{
	const char *line = strstr(answer, LISTED);

	while (line && (line = strchr(line, '\n'))) {
		line += 1 + strspn(line + 1, " ");
		if (path_length(line) == length && strncmp(line, path, length) == 0)
			return true;
	}
	return false;
}

static int refuse(struct err *err, enum err_tag tag, const char *line, size_t length)
{
	_cleanup_free_ char *path = length ? xstrndup(line, length) : NULL;
	const char *reason = length ? line + length + 2 : line;

	return err_tagged(err, tag, path, "the new image does not take this configuration: %.*s",
		(int)strcspn(reason, "\n"), reason);
}

/* What the new one would leave out and this one does not. */
static int compare(const struct answer *ours, const struct answer *theirs, struct err *err)
{
	const char *line = theirs->text;

	if (theirs->status != 0) {
		if (ours->status != 0) /* neither takes it: nothing is lost by the new one */
			return 0;
		if (str_starts(line, "ashlard: "))
			line += strlen("ashlard: ");
		return refuse(err, ERR_TAG_INVALID_VALUE, line, path_length(line));
	}
	line = strstr(line, LISTED);
	while (line && (line = strchr(line, '\n'))) {
		size_t length;

		line += 1 + strspn(line + 1, " ");
		length = path_length(line);
		if (length && !lists(ours->text, line, length))
			return refuse(err, ERR_TAG_DATA_MISSING, line, length);
	}
	return 0;
}

int install_check(const struct install_job *job, const char *device,
	const struct manifest *manifest, struct err *err)
{
	struct answer ours = { NULL, 0 }, theirs = { NULL, 0 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (!job->config || !file_exists(job->config))
		return 0;
	r = file_read(job->config, CONFIG_MAX, &text, &size, err);
	if (r == 0)
		r = ask_new(device, manifest, text, size, &theirs, err);
	if (r == 0)
		r = ask_mounted("/", NULL, MS_BIND, text, size, &ours, err);
	if (r == 0)
		r = compare(&ours, &theirs, err);
	free(ours.text);
	free(theirs.text);
	return r;
}
