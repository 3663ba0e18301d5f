/*
 * ashlar-unpack: the program that reads images, so that the daemon never does.
 *
 *	ashlar-unpack unpack archive|layout SOURCE TAG ALGORITHM CHECKSUM IMAGES
 *		makes IMAGES/<digest>/ with rootfs and image.json, unless it is there, and prints
 *		the digest and the id; "-" stands for no TAG, ALGORITHM or CHECKSUM
 *	ashlar-unpack remove PATH …
 *		removes whole trees
 *
 * Two processes: the outer one has privileges and reads nothing but the inner one's last word; the
 * inner one reads the stranger's bytes, sees only its working directory (sandbox.c) and asks, once it
 * knows the digest, whether to go on. The result appears under its name by one rename, synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/str.h"
#include "fetch.h"
#include "sandbox.h"
#include "unpack.h"
#include "unpacked.h"

#define IMAGE_BYTES_MAX	  ((uint64_t)8 << 30)
#define IMAGE_ENTRIES_MAX ((uint64_t)500000)
#define IMAGE_DEPTH_MAX	  128
#define SPACE_RESERVE	  ((uint64_t)32 << 20) /* left free on the file system */
#define LAYOUT		  "layout"

struct job {
	bool is_archive;
	const char *source, *tag, *algorithm, *checksum, *images; /* NULL: none */
	char *work;						  /* IMAGES/.tmp-XXXXXX */
	int source_fd;						  /* archive */
	int ask[2], say[2]; /* pipes: the digest from the inner process, the answer to it */
	uint64_t bytes_max;
};

static const char *argument(const char *text)
{
	return strcmp(text, "-") == 0 ? NULL : text;
}

/* --- the inner process ------------------------------------------------------------------------------ */

/* 1: go on, 0: the image is there already. */
static int ask_outer(const struct job *job, const char *digest)
{
	char answer;

	if (write(job->ask[1], digest, OCI_DIGEST_MAX) != OCI_DIGEST_MAX ||
		read(job->say[0], &answer, 1) != 1)
		return -EPIPE;
	return answer == 'y';
}

static int unpack_layers(const struct job *job, int layout, int root,
	const struct oci_manifest *manifest, struct err *err)
{
	const struct unpack_limits limits = {
		.bytes = job->bytes_max,
		.entries = IMAGE_ENTRIES_MAX,
		.depth = IMAGE_DEPTH_MAX,
	};
	_cleanup_(unpack_done) struct unpack unpack;
	size_t i;
	int ret;

	unpack_init(&unpack, root, &limits);
	for (i = 0; i < manifest->layer_count; i++) {
		_cleanup_close_ int fd = -1;

		ret = fetch_open_blob(layout, &manifest->layers[i], &fd, err);
		if (ret == 0)
			ret = unpack_layer(&unpack, fd, &manifest->layers[i], err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int write_document(struct unpacked *unpacked, int root, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int ret;

	ret = unpacked_find_user(unpacked, root, err);
	if (ret < 0)
		return ret;
	text = unpacked_print(unpacked);
	if (!text)
		return err_set(err, -EBADMSG, NULL, "the image's configuration is not UTF-8");
	return file_write_atomic("/" UNPACKED_FILE, text, strlen(text), 0600, err);
}

static int open_dir(const char *path, int *ret_fd, struct err *err)
{
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return err_set(err, -errno, NULL, "cannot open %s: %s", path, strerror(errno));
	return 0;
}

/* Inside: "/" is the working directory. */
static int unpack_inside(const struct job *job, struct err *err)
{
	const struct fetch_limits limits = { job->bytes_max, IMAGE_ENTRIES_MAX };
	_cleanup_(oci_manifest_done) struct oci_manifest manifest = { 0 };
	_cleanup_(unpacked_done) struct unpacked unpacked = { 0 };
	_cleanup_close_ int layout = -1, root = -1;
	int ret;

	ret = open_dir("/" LAYOUT, &layout, err);
	if (ret == 0)
		ret = open_dir("/" UNPACKED_ROOTFS, &root, err);
	if (ret == 0 && job->is_archive)
		ret = fetch_archive(
			job->source_fd, job->algorithm, job->checksum, layout, &limits, err);
	if (ret == 0)
		ret = fetch_image(
			layout, job->tag, unpacked.digest, &manifest, &unpacked.config, err);
	if (ret < 0)
		return ret;
	memcpy(unpacked.id, manifest.config.digest, sizeof(unpacked.id));
	ret = ask_outer(job, unpacked.digest);
	if (ret <= 0)
		return ret;
	ret = unpack_layers(job, layout, root, &manifest, err);
	return ret < 0 ? ret : write_document(&unpacked, root, err);
}

static _Noreturn void inner_process(const struct job *job)
{
	struct err err = { 0 };
	int ret;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail for a valid signal */
	close(job->ask[0]);
	close(job->say[1]);
	umask(0);
	ret = sandbox_enter(job->work, &err);
	if (ret == 0)
		ret = unpack_inside(job, &err);
	if (ret < 0)
		(void)!write(STDERR_FILENO, err_text(&err), strlen(err_text(&err)));
	_exit(ret < 0);
}

/* --- the outer process ------------------------------------------------------------------------------ */

static int mount_layout(const struct job *job, const char *at, struct err *err)
{
	unsigned long flags = MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount(job->source, at, NULL, MS_BIND, NULL) < 0 ||
		mount(NULL, at, NULL, MS_REMOUNT | flags, NULL) < 0)
		return err_set(
			err, -errno, NULL, "cannot read %s: %s", job->source, strerror(errno));
	return 0;
}

static int open_archive(struct job *job, struct err *err)
{
	struct stat st;

	job->source_fd = open(job->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (job->source_fd < 0 || fstat(job->source_fd, &st) < 0)
		return err_set(
			err, -errno, NULL, "cannot read %s: %s", job->source, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, NULL, "%s is not a file", job->source);
	return 0;
}

static int make_work(struct job *job, struct err *err)
{
	_cleanup_free_ char *layout = NULL, *root = NULL;
	struct statvfs space;

	job->work = file_join(job->images, ".tmp-XXXXXX");
	if (!mkdtemp(job->work) || statvfs(job->work, &space) < 0)
		return err_set(
			err, -errno, NULL, "cannot write to %s: %s", job->images, strerror(errno));
	job->bytes_max = (uint64_t)space.f_bavail * space.f_frsize;
	job->bytes_max = job->bytes_max > SPACE_RESERVE ? job->bytes_max - SPACE_RESERVE : 0;
	if (job->bytes_max > IMAGE_BYTES_MAX)
		job->bytes_max = IMAGE_BYTES_MAX;
	layout = file_join(job->work, LAYOUT);
	root = file_join(job->work, UNPACKED_ROOTFS);
	if (mkdir(layout, 0700) < 0 || mkdir(root, 0755) < 0 || chmod(root, 0755) < 0)
		return err_set(
			err, -errno, NULL, "cannot write to %s: %s", job->images, strerror(errno));
	return job->is_archive ? open_archive(job, err) : mount_layout(job, layout, err);
}

static bool is_digest(const char digest[OCI_DIGEST_MAX])
{
	uint8_t bytes[32];

	return digest[OCI_DIGEST_MAX - 1] == '\0' && strlen(digest) == OCI_DIGEST_MAX - 1 &&
		str_unhex(bytes, sizeof(bytes), digest, 0) == 0;
}

/* The inner process names the image; true: it is there. */
static bool answer_inner(const struct job *job, char digest[OCI_DIGEST_MAX])
{
	_cleanup_free_ char *path = NULL;
	bool is_there;

	if (read(job->ask[0], digest, OCI_DIGEST_MAX) != OCI_DIGEST_MAX || !is_digest(digest)) {
		digest[0] = '\0';
		return false;
	}
	path = file_join(job->images, digest);
	is_there = file_exists(path);
	(void)!write(job->say[1], is_there ? "n" : "y", 1); /* it died: its status tells */
	return is_there;
}

/* 0 or the negative errno of a failure that the inner process has told of already. */
static int run_inner(struct job *job, char digest[OCI_DIGEST_MAX], bool *ret_is_there)
{
	int status;
	pid_t pid;

	if (pipe2(job->ask, O_CLOEXEC) < 0 || pipe2(job->say, O_CLOEXEC) < 0)
		return -errno;
	pid = sandbox_fork();
	if (pid == 0)
		inner_process(job);
	if (pid < 0)
		return -errno;
	close(job->ask[1]);
	close(job->say[0]);
	*ret_is_there = answer_inner(job, digest);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 && digest[0] ? 0 : -EBADMSG;
}

/* Gives the finished tree its name. */
static int publish(const struct job *job, const char *digest, struct err *err)
{
	_cleanup_free_ char *layout = file_join(job->work, LAYOUT);
	_cleanup_free_ char *path = file_join(job->images, digest);
	_cleanup_close_ int fd = open(job->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (!job->is_archive && umount2(layout, MNT_DETACH) < 0)
		return err_set(err, -errno, NULL, "cannot unmount %s: %s", layout, strerror(errno));
	ret = file_remove_tree(layout, err);
	if (ret < 0)
		return ret;
	if (fd < 0 || syncfs(fd) < 0 || rename(job->work, path) < 0)
		return err_set(err, -errno, NULL, "cannot write %s: %s", path, strerror(errno));
	ret = file_fsync_dir(job->images);
	return ret < 0 ? err_set(err, ret, NULL, "cannot write %s: %s", path, strerror(-ret)) : 0;
}

static int print_result(const struct job *job, const char *digest, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/%s", job->images, digest, UNPACKED_FILE);
	_cleanup_(unpacked_done) struct unpacked unpacked = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	int ret;

	ret = file_read(path, UNPACKED_SIZE_MAX, &text, &size, err);
	if (ret == 0)
		ret = unpacked_parse(text, size, &unpacked, err);
	if (ret < 0)
		return ret;
	printf("%s %s\n", digest, unpacked.id);
	return 0;
}

static int run_job(struct job *job, struct err *err)
{
	char digest[OCI_DIGEST_MAX] = "";
	bool is_there = false;
	int ret;

	ret = sandbox_prepare(err);
	if (ret == 0)
		ret = make_work(job, err);
	if (ret < 0)
		return ret;
	ret = run_inner(job, digest, &is_there);
	if (ret < 0)
		return ret;
	if (!is_there)
		ret = publish(job, digest, err);
	return ret < 0 ? ret : print_result(job, digest, err);
}

static int do_unpack(char **argv, struct err *err)
{
	struct job job = {
		.is_archive = strcmp(argv[0], "archive") == 0,
		.source = argv[1],
		.tag = argument(argv[2]),
		.algorithm = argument(argv[3]),
		.checksum = argument(argv[4]),
		.images = argv[5],
		.source_fd = -1,
	};
	struct err later = { 0 };
	int ret;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* the daemon's death cancels its jobs */
	(void)signal(SIGPIPE, SIG_IGN);
	ret = run_job(&job, err);
	/* Published, it is there no longer; a layout mounted in it stays untouched: it is another
	 * file system's, and read-only. */
	if (job.work && file_exists(job.work)) {
		_cleanup_free_ char *layout = file_join(job.work, LAYOUT);

		(void)umount2(layout, MNT_DETACH); /* EINVAL: nothing is mounted */
		if (file_remove_tree(job.work, &later) < 0)
			fprintf(stderr, "%s\n", err_text(&later));
		err_done(&later);
	}
	if (job.source_fd >= 0)
		close(job.source_fd);
	free(job.work);
	return ret;
}

static int do_remove(char **paths, struct err *err)
{
	int ret = 0;

	for (; ret == 0 && *paths; paths++)
		ret = file_remove_tree(*paths, err);
	return ret;
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	int ret;

	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* names in archives; without it only ASCII ones */
	if (argc == 8 && strcmp(argv[1], "unpack") == 0) {
		ret = do_unpack(argv + 2, &err);
	} else if (argc > 2 && strcmp(argv[1], "remove") == 0) {
		ret = do_remove(argv + 2, &err);
	} else {
		fprintf(stderr, "usage: ashlar-unpack unpack|remove …\n");
		return 2;
	}
	if (ret < 0 && err.message)
		fprintf(stderr, "%s\n", err_text(&err));
	err_done(&err);
	return ret < 0;
}
