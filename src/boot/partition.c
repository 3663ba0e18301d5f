/* The partitions of our disk: found as the kernel tells of them, by their names in the partition table. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/blkpg.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/str.h"

#include "../image/gpt.h"
#include "early.h"

#define BLOCK_DIR      "/sys/class/block"
#define PREFIX	       "PARTNAME=ashlar-"
#define PARTITIONS_MAX 64
#define DISK_SECONDS   30 /* how long a disk may take to appear */

struct partition {
	char name[16];	 /* "cfg" */
	char device[40]; /* "/dev/vda7" */
	char disk[40];	 /* "/dev/vda" */
};

static struct partition partitions[PARTITIONS_MAX];
static size_t partition_count;
static char our_disk[40];

/* The disk that holds the partition: the directory above its own. */
static bool find_parent(const char *device, char *disk, size_t room)
{
	char link[PATH_MAX], path[PATH_MAX], *end;
	ssize_t length;

	snprintf(link, sizeof(link), BLOCK_DIR "/%s", device);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	end = strrchr(path, '/');
	if (!end)
		return false;
	*end = '\0';
	end = strrchr(path, '/');
	if (!end || strlen(end) + sizeof("/dev") > room)
		return false;
	snprintf(disk, room, "/dev%.30s", end);
	return true;
}

static void add_partition(const char *device)
{
	struct partition *partition = &partitions[partition_count];
	char path[PATH_MAX], line[256];
	FILE *uevent;

	snprintf(path, sizeof(path), BLOCK_DIR "/%s/uevent", device);
	uevent = fopen(path, "re");
	while (uevent && fgets(line, sizeof(line), uevent)) {
		line[strcspn(line, "\n")] = '\0';
		if (!str_starts(line, PREFIX) ||
			str_copy(partition->name, sizeof(partition->name), line + strlen(PREFIX)) <
				0 ||
			!find_parent(device, partition->disk, sizeof(partition->disk)))
			continue;
		snprintf(partition->device, sizeof(partition->device), "/dev/%.30s", device);
		partition_count++;
		break;
	}
	if (uevent)
		fclose(uevent);
}

static void list_partitions(void)
{
	DIR *dir = opendir(BLOCK_DIR);
	struct dirent *entry;

	if (!dir)
		early_fail(BLOCK_DIR);
	partition_count = 0;
	while (partition_count < PARTITIONS_MAX && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add_partition(entry->d_name);
	closedir(dir);
}

/* Whether there is a disk with that slot. What the slot says of itself decides between several. */
static bool choose_disk(const char *slot, const uint8_t root_hash[SLOT_SHA256_BYTES])
{
	struct slot_header header;

	list_partitions();
	*our_disk = '\0';
	for (size_t i = 0; i < partition_count; i++) {
		bool is_it;

		if (!str_equal(partitions[i].name, slot))
			continue;
		is_it = slot_read(partitions[i].device, &header, NULL) == 0 &&
			!memcmp(header.root_hash, root_hash, SLOT_SHA256_BYTES);
		if (is_it || !*our_disk)
			memcpy(our_disk, partitions[i].disk, sizeof(our_disk));
		if (is_it)
			break;
	}
	return *our_disk;
}

/* Disks are found while we run: each sends an event. */
void partition_find_disk(const char *slot, const uint8_t root_hash[SLOT_SHA256_BYTES])
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char event[4096];
	int disk;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		early_fail("uevent");
	while (!choose_disk(slot, root_hash)) {
		if (poll(&poll_fd, 1, DISK_SECONDS * 1000) == 0) {
			errno = ENODEV;
			early_fail(slot);
		}
		(void)!read(fd, event, sizeof(event));
	}
	/* The kernel opens it for nobody else while it looks for partitions: then all are there. */
	disk = open(our_disk, O_RDONLY | O_CLOEXEC);
	if (disk >= 0)
		close(disk);
	list_partitions();
}

const char *partition_device(const char *name)
{
	if (str_equal(name, "disk"))
		return our_disk;
	for (size_t i = 0; i < partition_count; i++)
		if (str_equal(partitions[i].name, name) && str_equal(partitions[i].disk, our_disk))
			return partitions[i].device;
	return NULL;
}

void partition_grow(void)
{
	struct gpt_partition grown;
	_cleanup_err_ struct err err = { 0 };
	int r = gpt_grow(our_disk, &grown, &err);
	struct blkpg_partition change;
	struct blkpg_ioctl_arg argument = {
		.op = BLKPG_RESIZE_PARTITION, .datalen = sizeof(change), .data = &change
	};
	_cleanup_close_ int fd = -1;

	if (r < 0)
		early_say("%s", err_text(&err));
	if (r <= 0)
		return;
	change = (struct blkpg_partition){
		.pno = (int)grown.number,
		.start = (long long)(grown.start * grown.block),
		.length = (long long)(grown.size * grown.block),
	};
	fd = open(our_disk, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKPG, &argument) < 0)
		early_say("%s: %s", our_disk, strerror(errno)); /* the next start will see it */
	else
		early_say("partition %u takes all of %s", grown.number, our_disk);
}

void partition_make_links(void)
{
	mkdir(SLOT_DIR, 0755);
	for (size_t i = 0; i < partition_count; i++) {
		_cleanup_free_ char *link = slot_path(SLOT_DIR, partitions[i].name);

		if (str_equal(partitions[i].disk, our_disk) &&
			symlink(partitions[i].device, link) < 0)
			early_fail(link);
	}
	if (symlink(our_disk, SLOT_DIR "/disk") < 0)
		early_fail(SLOT_DIR);
}
