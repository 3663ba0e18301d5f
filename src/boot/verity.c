/* The root file system: dm-verity without a program to set it up. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ashlar/str.h"

#include "early.h"

#define DATA_BLOCK 4096
#define READ_SIZE  (1024 * 1024)

void verity_read(struct verity *ret_verity)
{
	char text[256];

	if (!early_cmdline("ashlar.root", text, sizeof(text)) ||
		sscanf(text, "%" SCNu64 ",%64[0-9a-f],%64[0-9a-f]", &ret_verity->blocks,
			ret_verity->hash, ret_verity->salt) != 3 ||
		str_unhex(ret_verity->root_hash, SLOT_SHA256_BYTES, ret_verity->hash, 0) < 0) {
		errno = EINVAL;
		early_fail("ashlar.root= of the kernel's command line");
	}
}

static int dm_call(int control, unsigned long request, struct dm_ioctl *call, size_t size)
{
	call->version[0] = DM_VERSION_MAJOR;
	call->data_size = size;
	call->data_start = sizeof(*call);
	snprintf(call->name, sizeof(call->name), "root");
	return ioctl(control, request, call);
}

/* Makes the verified device read what DEVICE holds; what does not match its hash is an error, or a panic. */
static int load(int control, const struct verity *verity, const char *device, bool is_final)
{
	struct {
		struct dm_ioctl call;
		struct dm_target_spec target;
		char parameters[1024];
	} table = { .call = { .flags = DM_READONLY_FLAG, .target_count = 1 } };
	struct dm_ioctl resume = { .flags = DM_READONLY_FLAG };

	table.target.length = verity->blocks * (DATA_BLOCK / 512);
	snprintf(table.target.target_type, sizeof(table.target.target_type), "verity");
	snprintf(table.parameters, sizeof(table.parameters),
		"1 %s %s %u %u %" PRIu64 " %" PRIu64 " sha256 %s %s%s", device, device, DATA_BLOCK,
		DATA_BLOCK, verity->blocks, verity->blocks, verity->hash, verity->salt,
		is_final ? " 1 panic_on_corruption" : "");
	if (dm_call(control, DM_TABLE_LOAD, &table.call, sizeof(table)) < 0)
		return -errno;
	return dm_call(control, DM_DEV_SUSPEND, &resume, sizeof(resume)) < 0 ? -errno : 0;
}

/* Past the page cache, whose memory the system will need for other things. */
static int read_all(const char *device)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	_cleanup_free_ void *block = aligned_alloc(DATA_BLOCK, READ_SIZE);
	ssize_t n = fd < 0 || !block ? -1 : 1;

	while (n > 0)
		n = read(fd, block, READ_SIZE);
	return n < 0 ? -errno : 0;
}

int verity_mount(const struct verity *verity, const char *device, bool is_whole)
{
	struct dm_ioctl call = { .flags = DM_READONLY_FLAG };
	_cleanup_close_ int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	char path[64];
	int r;

	if (control < 0 || dm_call(control, DM_DEV_CREATE, &call, sizeof(call)) < 0)
		early_fail("dm-verity");
	snprintf(path, sizeof(path), "/dev/dm-%u", minor(call.dev));
	mkdir(EARLY_ROOT, 0755);
	r = load(control, verity, device, false);
	if (r == 0 && is_whole)
		r = read_all(path);
	if (r == 0 && mount(path, EARLY_ROOT, "squashfs", MS_RDONLY | MS_NODEV, NULL) < 0)
		r = -errno;
	return r == 0 ? load(control, verity, device, true) : r;
}
