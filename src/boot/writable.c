/*
 * What is writable: /cfg and /var on partitions of their own, aux to be read, the rest in memory. The root is
 * the image's by now.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/str.h"

#include "early.h"
#include "wipe.h"

#define SUPERBLOCK_AT 1024
#define GAIN_MIN      ((uint64_t)1024 * 1024)
#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#endif

static bool has_cfg;

bool writable_has_cfg(void)
{
	return has_cfg;
}

/* A file system on a partition that has grown takes all of it; the kernel keeps it whole meanwhile. */
static void grow_file_system(const char *device, const char *target)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int dir = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t super[8];
	uint64_t size, blocks, held;
	unsigned shift;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0 ||
		pread(fd, super, sizeof(super), SUPERBLOCK_AT) != sizeof(super))
		return;
	held = le32toh(super[1]);
	shift = 10 + le32toh(super[6]);
	blocks = size >> shift;
	if (blocks < held + (GAIN_MIN >> shift))
		return;
	if (ioctl(dir, EXT4_IOC_RESIZE_FS, &blocks) < 0)
		early_say("%s does not use all of %s: %s", target, device, strerror(errno));
}

static int check(const char *how, const char *device)
{
	return early_run((const char *const[]){ "/usr/sbin/e2fsck", how, device, NULL });
}

/*
 * Mounts the file system of the partition NAME at its place, mended if need be. What cannot be mounted
 * is told and left away: the device comes up, and without what it would have kept there. True: it is there.
 */
static bool mount_data(const char *name, unsigned long flags, FILE *told)
{
	const char *device = partition_device(name);
	char target[64];
	int checked = 0;

	snprintf(target, sizeof(target), "/%s", name);
	if (!device) {
		fprintf(told, "%s=absent\n", name);
		early_mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m");
		return false;
	}
	if (!(flags & MS_RDONLY))
		checked = check("-p", device);
	/* 1: mended; 2 wants a restart only of a mounted root. A superblock that a power cut tore is what
	   -p leaves alone and a copy of it makes up for. */
	if (checked & ~3)
		checked = check("-fy", device);
	if ((checked & ~3) ||
		mount(device, target, "ext4", flags | MS_NOSUID | MS_NODEV | MS_NOATIME, NULL) <
			0) {
		early_say("%s on %s cannot be used", name, device);
		fprintf(told, "%s=unusable\n", name);
		early_mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m");
		return false;
	}
	fprintf(told, "%s=%s\n", name, device);
	return true;
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
	char block[4096];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);

	if (in < 0 || out < 0)
		early_fail(to);
	while ((n = read(in, block, sizeof(block))) > 0)
		if (write(out, block, n) != n)
			early_fail(to);
	if (n < 0)
		early_fail(from);
	close(in);
	close(out);
}

/* What /etc begins with at each boot. */
static void copy_tree(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	struct dirent *entry;

	if (!dir)
		early_fail(from);
	while ((entry = readdir(dir))) {
		char source[PATH_MAX], target[PATH_MAX];
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
		snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
		if (lstat(source, &st) < 0)
			early_fail(source);
		if (S_ISDIR(st.st_mode)) {
			mkdir(target, 0755);
			copy_tree(source, target);
		} else {
			copy_file(source, target, st.st_mode);
		}
	}
	closedir(dir);
}

static bool wipe_partition(const char *name)
{
	const char *device = partition_device(name);
	const char *const make[] = { "/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-E",
		"nodiscard", "-L", name, device, NULL };
	int r;

	if (!device)
		return true; /* nothing is kept there */
	r = wipe(device, early_feed);
	if (r < 0)
		early_say("%s on %s cannot be wiped: %s", name, device, strerror(-r));
	else if (early_run(make) != 0)
		early_say("%s on %s cannot be made anew", name, device);
	else
		return true;
	return false;
}

bool writable_wipe(void)
{
	bool is_done = wipe_partition("var");

	is_done = wipe_partition("cfg") && is_done;
	sync();
	return is_done;
}

void writable_begin(void)
{
	early_mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	early_mount("tmpfs", "/etc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755");
	copy_tree("/usr/share/ashlar/etc", "/etc");
}

void writable_mount(FILE *told)
{
	has_cfg = mount_data("cfg", 0, told);
	if (mount_data("var", 0, told))
		grow_file_system(partition_device("var"), "/var");
	(void)mount_data("aux", MS_RDONLY, told);
}
