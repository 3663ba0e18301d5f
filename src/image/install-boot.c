/*
 * What starts a slot, in the boot partition: boot.efi for UEFI firmware, and what is in it, taken apart, for
 * GRUB. The file system is FAT, where a power cut can leave anything behind of what was being written, but
 * nothing else: it is mended first, files get new clusters and their names last, and until the slot's header
 * says otherwise nobody starts them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/boot-order.h"
#include "ashlar/file.h"
#include "ashlar/slot.h"
#include "ashlar/str.h"

#include "install.h"
#include "uki.h"

#define BOOT	    "boot" /* the partition */
#define CHECKER	    "/usr/sbin/fsck.fat"
#define CMDLINE_MAX ((size_t)4096)

static const char *const parts[] = { "linux", "initrd", "cmdline.cfg" };

/* The partition as a directory: mounted where nobody else sees it, or, in tests, one already. */
struct boot_dir {
	char *path;
	bool is_mounted;
};

static void close_boot(struct boot_dir *dir)
{
	if (dir->is_mounted) {
		(void)umount2(dir->path, 0);
		(void)rmdir(dir->path);
	}
	free(TAKE(dir->path));
}

/* Only while nobody has it mounted. */
static void mend(const char *device)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);
	pid_t pid;

	if (fd < 0 || !file_exists(CHECKER))
		return;
	close(TAKE_FD(fd));
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		execl(CHECKER, CHECKER, "-a", "-w", device, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		(void)waitpid(
			pid, NULL, 0); /* what it cannot mend, mount(2) or the writing tells */
}

static int open_boot(
	const struct install_job *job, bool is_read_only, struct boot_dir *ret_dir, struct err *err)
{
	_cleanup_free_ char *device = slot_path(job->slot_dir, BOOT);
	char path[] = "/tmp/ashlar-boot-XXXXXX";
	struct stat st;

	if (stat(device, &st) < 0)
		return err_set(
			err, -errno, NULL, "there is no boot partition: %s", strerror(errno));
	*ret_dir = (struct boot_dir){ .is_mounted = !S_ISDIR(st.st_mode) };
	if (!ret_dir->is_mounted) {
		ret_dir->path = TAKE(device);
		return 0;
	}
	if (!is_read_only)
		mend(device);
	if (!mkdtemp(path))
		return err_set(err, -errno, NULL, "%s: %s", path, strerror(errno));
	if (mount(device, path, "vfat",
		    MS_NOSUID | MS_NODEV | MS_NOEXEC | (is_read_only ? MS_RDONLY : 0),
		    "umask=0077") < 0) {
		int code = -errno;

		(void)rmdir(path);
		return err_set(err, code, NULL, "the boot partition cannot be mounted: %s",
			strerror(-code));
	}
	ret_dir->path = xstrdup(path);
	return 0;
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

/* "DIR/EFI/ashlar/SLOT.efi" */
static char *efi_path(const struct boot_dir *dir, const char *slot)
{
	return xasprintf("%s/EFI/ashlar/%s.efi", dir->path, slot);
}

int install_boot_room(const struct install_job *job, uint64_t *ret_room, struct err *err)
{
	_cleanup_free_ char *efi = NULL;
	struct boot_dir dir;
	struct statvfs space;
	int r = open_boot(job, true, &dir, err);

	if (r < 0)
		return r;
	efi = efi_path(&dir, job->slot);
	if (statvfs(dir.path, &space) < 0)
		r = err_set(err, -errno, NULL, "the boot partition: %s", strerror(errno));
	else
		*ret_room = (uint64_t)space.f_bavail * space.f_frsize + size_of(efi);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *path =
			xasprintf("%s/slots/%s/%s", dir.path, job->slot, parts[i]);

		*ret_room += size_of(path);
	}
	close_boot(&dir);
	return r;
}

/* A cut left them behind: file_write_atomic() names what is not whole yet ".NAME.XXXXXX". */
static void remove_torn(const char *dir)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;

	while (stream && (entry = readdir(stream))) {
		_cleanup_free_ char *path = file_join(dir, entry->d_name);

		if (entry->d_name[0] == '.' && entry->d_type == DT_REG)
			(void)unlink(path); /* the room that is wanted tells */
	}
	if (stream)
		closedir(stream);
}

/* What the slot had: it is not to be started any more, and its room is wanted. */
static int remove_old(const struct boot_dir *dir, const char *slot, struct err *err)
{
	_cleanup_free_ char *efi = efi_path(dir, slot);
	_cleanup_free_ char *slots = xasprintf("%s/slots/%s", dir->path, slot);
	_cleanup_close_ int fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = file_remove_tree(slots, err);

	if (r == 0 && unlink(efi) < 0 && errno != ENOENT)
		r = err_set(err, -errno, NULL, "%s: %s", efi, strerror(errno));
	if (r == 0 && (fd < 0 || syncfs(fd) < 0))
		r = err_set(err, -errno, NULL, "the boot partition: %s", strerror(errno));
	return r;
}

/* GRUB sources it. A quote would end the string: the manifest's maker is trusted, mistakes are not. */
static int write_cmdline(const char *path, const uint8_t *text, size_t size, struct err *err)
{
	_cleanup_free_ char *line = NULL;

	size = strnlen((const char *)text, size);
	if (size > CMDLINE_MAX || memchr(text, '\'', size) || memchr(text, '\n', size))
		return err_set(err, -EBADMSG, NULL,
			"boot.efi has a command line that GRUB cannot be given");
	line = xasprintf("set cmdline='%.*s'\n", (int)size, (const char *)text);
	return file_write_atomic(path, line, strlen(line), 0600, err);
}

static int write_part(const struct boot_dir *dir, const char *slot, const char *part,
	const uint8_t *data, size_t size, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/slots/%s/%s", dir->path, slot, part);
	_cleanup_free_ char *section = xasprintf(".%.*s", (int)strcspn(part, "."), part);
	const uint8_t *bytes;
	size_t count;

	if (uki_section(data, size, section, &bytes, &count) < 0)
		return err_set(err, -EBADMSG, NULL, "boot.efi has no part \"%s\"", section);
	return str_equal(section, ".cmdline") ? write_cmdline(path, bytes, count, err)
					      : file_write_atomic(path, bytes, count, 0600, err);
}

int install_boot(const struct install_job *job, const uint8_t *data, size_t size, struct err *err)
{
	_cleanup_free_ char *efi = NULL, *slots = NULL, *efis = NULL;
	struct boot_dir dir;
	int r = open_boot(job, false, &dir, err);

	if (r < 0)
		return r;
	efi = efi_path(&dir, job->slot);
	efis = xasprintf("%s/EFI/ashlar", dir.path);
	slots = xasprintf("%s/slots/%s", dir.path, job->slot);
	remove_torn(efis);
	r = remove_old(&dir, job->slot, err);
	if (r == 0)
		r = file_make_dirs(efis, 0700, err);
	if (r == 0)
		r = file_make_dirs(slots, 0700, err);
	if (r == 0)
		r = file_write_atomic(efi, data, size, 0600, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
		r = write_part(&dir, job->slot, parts[i], data, size, err);
	if (r == 0) {
		_cleanup_close_ int fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 || syncfs(fd) < 0)
			r = err_set(err, -errno, NULL, "the boot partition: %s", strerror(errno));
	}
	close_boot(&dir);
	return r;
}

int install_boot_try(const struct install_job *job, struct err *err)
{
	const struct boot_places usual = BOOT_PLACES;
	_cleanup_free_ char *disk = file_join(job->slot_dir, "disk");
	const struct boot_loader *loader = boot_order_loader(usual.efivars);
	struct boot_places places = { usual.efivars, NULL, disk };
	struct boot_dir dir = { NULL, false };
	struct boot_order order;
	int r = loader->needs_boot ? open_boot(job, false, &dir, err) : 0;

	if (r < 0)
		return r;
	places.boot = dir.path;
	r = loader->read(&places, &order, err);
	if (r == 0) {
		order.next = job->slot;
		r = loader->write(&places, &order, err);
	}
	close_boot(&dir);
	return r < 0 ? err_wrap(err, "slot %s cannot be tried", job->slot) : 0;
}
