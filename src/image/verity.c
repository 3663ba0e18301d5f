/* dm-verity by ioctl: one table of one target. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "verity.h"

#define CONTROL	   "/dev/mapper/control"
#define DATA_BLOCK 4096

static int dm_call(
	int control, const char *name, unsigned long request, struct dm_ioctl *call, size_t size)
{
	call->version[0] = DM_VERSION_MAJOR;
	call->data_size = (uint32_t)size;
	call->data_start = sizeof(*call);
	(void)snprintf(call->name, sizeof(call->name), "%s", name);
	return ioctl(control, request, call) < 0 ? -errno : 0;
}

static int load(int control, const char *name, const char *partition, const struct verity *verity)
{
	struct {
		struct dm_ioctl call;
		struct dm_target_spec target;
		char parameters[1024];
	} table = { .call = { .flags = DM_READONLY_FLAG, .target_count = 1 } };
	struct dm_ioctl resume = { .flags = DM_READONLY_FLAG };
	int r;

	table.target.length = verity->blocks * (DATA_BLOCK / 512);
	(void)snprintf(table.target.target_type, sizeof(table.target.target_type), "verity");
	(void)snprintf(table.parameters, sizeof(table.parameters),
		"1 %s %s %u %u %" PRIu64 " %" PRIu64 " sha256 %s %s", partition, partition,
		DATA_BLOCK, DATA_BLOCK, verity->blocks, verity->blocks, verity->hash, verity->salt);
	r = dm_call(control, name, DM_TABLE_LOAD, &table.call, sizeof(table));
	return r < 0 ? r : dm_call(control, name, DM_DEV_SUSPEND, &resume, sizeof(resume));
}

int verity_open(const char *name, const char *partition, const struct verity *verity,
	char *ret_path, size_t room)
{
	_cleanup_close_ int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	struct dm_ioctl call = { .flags = DM_READONLY_FLAG };
	int r = control < 0 ? -errno : dm_call(control, name, DM_DEV_CREATE, &call, sizeof(call));

	if (r < 0)
		return r;
	(void)snprintf(ret_path, room, "/dev/dm-%u", minor(call.dev));
	r = load(control, name, partition, verity);
	if (r < 0)
		verity_close(name);
	return r;
}

void verity_close(const char *name)
{
	_cleanup_close_ int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	struct dm_ioctl call = { .flags = 0 };

	if (control >= 0)
		(void)dm_call(control, name, DM_DEV_REMOVE, &call, sizeof(call));
}
