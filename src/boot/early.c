/*
 * ashlar-early: the first program of the appliance, alone in the initial RAM file system of a boot image.
 *
 * Arms the watchdog, finds the slot whose contents the boot image was made for (by the root hash on
 * the kernel's command line), mounts that as the root, verified block by block, checks and mounts what
 * is writable, and becomes init. What it did stands in /run/ashlar/boot; whatever goes wrong is a panic,
 * which restarts the device and leaves its text to be told later.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <linux/netlink.h>
#include <linux/watchdog.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCHDOG_SECONDS 60
#define DISK_SECONDS	 30 /* how long a disk may take to appear */
#define DATA_BLOCK	 4096
#define NEW_ROOT	 "/root"
#define ARRAY_SIZE(a)	 (sizeof(a) / sizeof((a)[0]))

static const char *const slots[] = { "a", "b", "recovery" };

/* What the signed command line says: "ashlar.root=BLOCKS,HASH,SALT". */
struct verity {
	uint64_t blocks;
	char hash[65], salt[65];
};

static int kmsg = -1;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	dprintf(kmsg >= 0 ? kmsg : STDERR_FILENO, "<4>ashlar-early: %.*s\n", length, line);
}

/* PID 1 that ends is a panic: the text is in what pstore keeps of it, and panic= restarts the device. */
static void fail(const char *what) __attribute__((noreturn));

static void fail(const char *what)
{
	say("%s: %s", what, strerror(errno));
	_exit(1);
}

static void mount_on(const char *source, const char *target, const char *type, unsigned long flags,
	const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options) < 0)
		fail(target);
}

static void mount_kernel_views(void)
{
	mount_on("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	mount_on("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_on("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* Closed without the magic letter it goes on: whoever feeds it opens it again. */
static void arm_watchdog(void)
{
	int seconds = WATCHDOG_SECONDS;
	int fd = open("/dev/watchdog", O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		say("no watchdog");
		return;
	}
	if (ioctl(fd, WDIOC_SETTIMEOUT, &seconds) < 0)
		say("watchdog: %s", strerror(errno));
	close(fd);
}

/* Copies the value of WORD on the kernel's command line; false: it is not there. */
static bool cmdline_word(const char *word, char *value, size_t room)
{
	static char line[4096];
	size_t length = strlen(word);
	char *rest = line, *token;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (n < 0)
		fail("/proc/cmdline");
	close(fd);
	line[n] = '\0';
	while ((token = strsep(&rest, " \n")))
		if (!strncmp(token, word, length) && token[length] == '=') {
			snprintf(value, room, "%s", token + length + 1);
			return true;
		}
	return false;
}

static void read_verity(struct verity *verity)
{
	char text[256];

	if (!cmdline_word("ashlar.root", text, sizeof(text)) ||
		sscanf(text, "%" SCNu64 ",%64[0-9a-f],%64[0-9a-f]", &verity->blocks, verity->hash,
			verity->salt) != 3) {
		errno = EINVAL;
		fail("ashlar.root= of the kernel's command line");
	}
}

/* The device whose partition has this name, as "/dev/NAME"; false: there is none (yet). */
static bool find_partition(const char *name, char *path, size_t room)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *entry;
	bool is_found = false;

	if (!dir)
		fail("/sys/class/block");
	while (!is_found && (entry = readdir(dir))) {
		char file[PATH_MAX], line[256];
		FILE *uevent;

		snprintf(file, sizeof(file), "/sys/class/block/%s/uevent", entry->d_name);
		uevent = fopen(file, "re");
		while (uevent && fgets(line, sizeof(line), uevent)) {
			line[strcspn(line, "\n")] = '\0';
			if (!strncmp(line, "PARTNAME=ashlar-", 16) && !strcmp(line + 16, name)) {
				snprintf(path, room, "/dev/%.50s", entry->d_name);
				is_found = true;
			}
		}
		if (uevent)
			fclose(uevent);
	}
	closedir(dir);
	return is_found;
}

/* Disks are found while we run: each sends an event. */
static void wait_for_partition(const char *name, char *path, size_t room)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char event[4096];

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("uevent");
	while (!find_partition(name, path, room)) {
		if (poll(&poll_fd, 1, DISK_SECONDS * 1000) == 0) {
			errno = ENODEV;
			fail(name);
		}
		(void)!read(fd, event, sizeof(event));
	}
	close(fd);
}

/*
 * The slot by what the firmware has started: systemd's stub leaves the path of the boot image, such as
 * "\\EFI\\ashlar\\a.efi" in UTF-16, after the variable's four bytes of attributes.
 */
static bool efi_slot(char *slot, size_t room)
{
	static const char variable[] =
		"/sys/firmware/efi/efivars/StubImageIdentifier-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
	char wide[512], path[256] = "";
	ssize_t n;
	int fd;

	if (access("/sys/firmware/efi/efivars", F_OK) < 0 ||
		mount("efivarfs", "/sys/firmware/efi/efivars", "efivarfs",
			MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return false;
	fd = open(variable, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, wide, sizeof(wide));
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 4; i + 1 < n; i += 2)
		path[(i - 4) / 2] = wide[i];
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		char end[32];
		size_t length = snprintf(end, sizeof(end), "\\%s.efi", slots[i]);

		if (strlen(path) > length && !strcasecmp(path + strlen(path) - length, end)) {
			snprintf(slot, room, "%s", slots[i]);
			return true;
		}
	}
	return false;
}

/* --- dm-verity ---------------------------------------------------------------------------------- */

static int dm_call(int control, unsigned long request, struct dm_ioctl *call, size_t size)
{
	call->version[0] = DM_VERSION_MAJOR;
	call->data_size = size;
	call->data_start = sizeof(*call);
	snprintf(call->name, sizeof(call->name), "root");
	return ioctl(control, request, call);
}

/* Makes the verified device read what DEVICE holds; what does not match its hash is an error, or a panic. */
static int verity_load(int control, const struct verity *verity, const char *device, bool is_final)
{
	struct {
		struct dm_ioctl call;
		struct dm_target_spec target;
		char parameters[1024];
	} load = { .call = { .flags = DM_READONLY_FLAG, .target_count = 1 } };
	struct dm_ioctl resume = { .flags = DM_READONLY_FLAG };

	load.target.length = verity->blocks * (DATA_BLOCK / 512);
	snprintf(load.target.target_type, sizeof(load.target.target_type), "verity");
	snprintf(load.parameters, sizeof(load.parameters),
		"1 %s %s %u %u %" PRIu64 " %" PRIu64 " sha256 %s %s%s", device, device, DATA_BLOCK,
		DATA_BLOCK, verity->blocks, verity->blocks, verity->hash, verity->salt,
		is_final ? " 1 panic_on_corruption" : "");
	if (dm_call(control, DM_TABLE_LOAD, &load.call, sizeof(load)) < 0)
		return -errno;
	return dm_call(control, DM_DEV_SUSPEND, &resume, sizeof(resume)) < 0 ? -errno : 0;
}

/* Mounts what slot NAME holds, if that is what the boot image was made for. */
static int mount_slot(int control, const struct verity *verity, const char *name)
{
	struct dm_ioctl call = { .flags = DM_READONLY_FLAG };
	char device[64], path[64];
	int r;

	if (!find_partition(name, device, sizeof(device)))
		return -ENODEV;
	if (dm_call(control, DM_DEV_CREATE, &call, sizeof(call)) < 0)
		fail("dm-verity");
	snprintf(path, sizeof(path), "/dev/dm-%u", minor(call.dev));
	r = verity_load(control, verity, device, false);
	if (!r && mount(path, NEW_ROOT, "squashfs", MS_RDONLY | MS_NODEV, NULL) < 0)
		r = -errno;
	if (!r)
		return verity_load(control, verity, device, true);
	say("slot %s: %s", name, strerror(-r));
	call = (struct dm_ioctl){ 0 };
	dm_call(control, DM_DEV_REMOVE, &call, sizeof(call));
	return r;
}

/* The slot that the boot loader names first, then the others. */
static const char *mount_root(const struct verity *verity)
{
	int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	char hint[16] = "", device[64];

	if (control < 0)
		fail("/dev/mapper/control");
	wait_for_partition("recovery", device, sizeof(device));
	mkdir(NEW_ROOT, 0755);
	(void)(cmdline_word("ashlar.slot", hint, sizeof(hint)) || efi_slot(hint, sizeof(hint)));
	for (size_t i = 0; i < 2 * ARRAY_SIZE(slots); i++) {
		const char *name = slots[i % ARRAY_SIZE(slots)];

		if ((i < ARRAY_SIZE(slots)) == !strcmp(name, hint) &&
			!mount_slot(control, verity, name)) {
			close(control);
			return name;
		}
	}
	errno = ENOMEDIUM;
	fail("no slot holds what this boot image was made for");
}

/* What was mounted at NEW_ROOT is the root from here on. */
static void enter_root(void)
{
	static const char *const views[] = { "/dev", "/proc", "/sys" };
	char target[64];

	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		snprintf(target, sizeof(target), NEW_ROOT "%s", views[i]);
		if (mount(views[i], target, NULL, MS_MOVE, NULL) < 0)
			fail(target);
	}
	unlink("/init"); /* its memory */
	if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		fail(NEW_ROOT);
}

/* --- what is writable ----------------------------------------------------------------------------- */

/* Its exit status; -1: it has none. */
static int run(const char *program, const char *argument, const char *device)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl(program, program, argument, device, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/*
 * Mounts the file system of the partition NAME at its place, mended if need be. What cannot be mounted
 * is told and left away: the device comes up, and without what it would have kept there.
 */
static void mount_data(const char *name, unsigned long flags, FILE *told)
{
	char device[64], target[64];
	int checked = 0;

	snprintf(target, sizeof(target), "/%s", name);
	if (!find_partition(name, device, sizeof(device))) {
		fprintf(told, "%s=absent\n", name);
		mount_on("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m");
		return;
	}
	if (!(flags & MS_RDONLY))
		checked = run("/usr/sbin/e2fsck", "-p", device);
	/* 1: mended; 2 wants a restart only of a mounted root. A superblock that a power cut tore is what
	   -p leaves alone and a copy of it makes up for. */
	if (checked & ~3)
		checked = run("/usr/sbin/e2fsck", "-fy", device);
	if ((checked & ~3) ||
		mount(device, target, "ext4", flags | MS_NOSUID | MS_NODEV | MS_NOATIME, NULL) <
			0) {
		say("%s on %s cannot be used", name, device);
		fprintf(told, "%s=unusable\n", name);
		mount_on("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m");
		return;
	}
	fprintf(told, "%s=%s\n", name, device);
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
	char block[4096];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);

	if (in < 0 || out < 0)
		fail(to);
	while ((n = read(in, block, sizeof(block))) > 0)
		if (write(out, block, n) != n)
			fail(to);
	if (n < 0)
		fail(from);
	close(in);
	close(out);
}

/* What /etc begins with at each boot. */
static void copy_tree(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	struct dirent *entry;

	if (!dir)
		fail(from);
	while ((entry = readdir(dir))) {
		char source[PATH_MAX], target[PATH_MAX];
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
		snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
		if (lstat(source, &st) < 0)
			fail(source);
		if (S_ISDIR(st.st_mode)) {
			mkdir(target, 0755);
			copy_tree(source, target);
		} else {
			copy_file(source, target, st.st_mode);
		}
	}
	closedir(dir);
}

static void mount_writable(const char *slot)
{
	FILE *told;

	mount_on("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
	mount_on("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_on("tmpfs", "/etc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755");
	copy_tree("/usr/share/ashlar/etc", "/etc");
	mkdir("/run/ashlar", 0755);
	told = fopen("/run/ashlar/boot", "we");
	if (!told)
		fail("/run/ashlar/boot");
	fprintf(told, "slot=%s\n", slot);
	mount_data("cfg", 0, told);
	mount_data("var", 0, told);
	mount_data("aux", MS_RDONLY, told);
	if (fclose(told) != 0)
		fail("/run/ashlar/boot");
}

int main(void)
{
	struct verity verity;
	const char *slot;

	mount_kernel_views();
	arm_watchdog();
	read_verity(&verity);
	slot = mount_root(&verity);
	enter_root();
	mount_writable(slot);
	say("slot %s", slot);
	execl("/sbin/init", "/sbin/init", (char *)NULL);
	fail("/sbin/init");
}
