/*
 * ashlar-volume DEVICE: prints startup-config.cfg of the file system on DEVICE, if that is labelled ASHLAR.
 *
 * Ends with 3 when the volume is not meant for us. Mounts it read-only where nobody else sees it.
 */
#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/mem.h"
#include "ashlar/str.h"

#define LABEL	  "ASHLAR"
#define FILE_NAME "startup-config.cfg"
#define FILE_MAX  (16 * 1024 * 1024)
#define NOT_OURS  3

static int say(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

/* What file system it is, for mount(2); NULL: none that is meant for us. */
static char *file_system(const char *device)
{
	blkid_probe probe = blkid_new_probe_from_filename(device);
	const char *label = NULL, *type = NULL;
	char *copy = NULL;

	if (!probe)
		return NULL;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_TYPE);
	if (blkid_do_safeprobe(probe) == 0 &&
		blkid_probe_lookup_value(probe, "LABEL", &label, NULL) == 0 &&
		blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0 &&
		strcasecmp(label, LABEL) == 0)
		copy = xstrdup(type);
	blkid_free_probe(probe);
	return copy;
}

static int print_file(const char *dir)
{
	_cleanup_close_ int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd =
		openat(dir_fd, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char block[16 * 1024];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return say(FILE_NAME, errno);
	if (!S_ISREG(st.st_mode))
		return say(FILE_NAME, EINVAL);
	if (st.st_size > FILE_MAX)
		return say(FILE_NAME, EFBIG);
	while ((n = read(fd, block, sizeof(block))) > 0) {
		if (file_write_all(STDOUT_FILENO, block, (size_t)n) < 0)
			return say("output", errno);
	}
	return n < 0 ? say(FILE_NAME, errno) : 0;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *type = NULL;
	char dir[] = "/tmp/ashlar-volume-XXXXXX";
	int status;

	if (argc != 2) {
		fputs("usage: ashlar-volume DEVICE\n", stderr);
		return 2;
	}
	type = file_system(argv[1]);
	if (!type)
		return NOT_OURS;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		!mkdtemp(dir))
		return say(argv[1], errno);
	if (mount(argv[1], dir, type, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
		status = say(argv[1], errno);
	} else {
		status = print_file(dir);
		(void)umount2(dir, MNT_DETACH); /* goes with the name space in any case */
	}
	(void)rmdir(dir);
	return status;
}
