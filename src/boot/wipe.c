/*
 * Back to the factory: what /cfg and /var were is written over, and they are empty file systems from then on. Doing
 * it again does no harm: whoever was cut off in the middle begins anew, as long as the slots say so.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/file.h"

#include "wipe.h"

#define CHUNK                                                                                      \
	((uint64_t)64 * 1024 * 1024) /* at most seconds of the slowest disk: a watchdog waits */

static int find_size(int fd, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	return S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, ret_size) < 0 ? -errno : 0;
}

static int write_zeros(int fd, uint64_t at, uint64_t length)
{
	static const char zeros[1024 * 1024];

	if (lseek(fd, (off_t)at, SEEK_SET) < 0)
		return -errno;
	while (length) {
		size_t size = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);
		int r = file_write_all(fd, zeros, size);

		if (r < 0)
			return r;
		length -= size;
	}
	return 0;
}

int wipe(const char *path, void (*feed)(void))
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	uint64_t size = 0;
	int r = fd < 0 ? -errno : find_size(fd, &size);

	for (uint64_t at = 0; r == 0 && at < size; at += CHUNK) {
		uint64_t range[2] = { at, size - at < CHUNK ? size - at : CHUNK };

		feed();
		/* A flash disk lets go of what it had elsewhere; the zeros are for whoever reads the blocks. */
		(void)ioctl(fd, BLKDISCARD, range);
		if (ioctl(fd, BLKZEROOUT, range) < 0)
			r = write_zeros(fd, range[0], range[1]);
	}
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	feed();
	return r;
}
