/*
 * Files: whole reads with a limit, writes that survive a power cut, and removal of trees that
 * somebody else may have filled.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ashlar/buf.h"
#include "ashlar/file.h"

#define READ_STEP  ((size_t)4096)
#define DEPTH_MAX  64 /* directories held open at once by file_remove_tree() */
#define PASSES_MAX 16 /* over one directory that others fill while it is emptied */

static int fail(struct err *err, int code, const char *what, const char *path)
{
	return err_set(err, code, NULL, "cannot %s %s: %s", what, path, strerror(-code));
}

int file_write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t done = write(fd, at, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		at += done;
		size -= (size_t)done;
	}
	return 0;
}

int file_fsync_dir(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* EINVAL: a file system that has nothing to write for a directory. */
	if (fsync(fd) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}

/* Fills and closes the temporary file. */
static int write_temporary(int fd, const void *data, size_t size, mode_t mode, bool synced)
{
	int ret = fchmod(fd, mode) < 0 ? -errno : 0;

	if (ret == 0)
		ret = file_write_all(fd, data, size);
	if (ret == 0 && synced && fsync(fd) < 0)
		ret = -errno;
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	return ret;
}

static int replace(
	const char *path, const void *data, size_t size, mode_t mode, bool synced, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	_cleanup_free_ char *dir = slash ? xstrndup(path, (size_t)(name - path)) : xstrdup("./");
	_cleanup_free_ char *temporary = xasprintf("%s.%s.XXXXXX", dir, name);
	int fd = mkostemp(temporary, O_CLOEXEC), ret;

	if (fd < 0)
		return fail(err, -errno, "write", path);
	ret = write_temporary(fd, data, size, mode, synced);
	if (ret == 0 && rename(temporary, path) < 0)
		ret = -errno;
	if (ret < 0) {
		(void)unlink(temporary); /* the first error is the one to report */
		return fail(err, ret, "write", path);
	}
	ret = synced ? file_fsync_dir(dir) : 0;
	return ret < 0 ? fail(err, ret, "write", path) : 0;
}

int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode, struct err *err)
{
	return replace(path, data, size, mode, true, err);
}

int file_replace(const char *path, const void *data, size_t size, mode_t mode, struct err *err)
{
	return replace(path, data, size, mode, false, err);
}

/* Reads to the end; -EFBIG beyond @max. @expected saves growing. */
static int read_to_end(int fd, size_t expected, size_t max, struct buf *buf)
{
	for (;;) {
		size_t step = buf->length < expected ? expected - buf->length : READ_STEP;
		ssize_t got = read(fd, buf_reserve(buf, step), step);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		buf_extend(buf, (size_t)got);
		if (buf->length > max)
			return -EFBIG;
	}
}

int file_read(const char *path, size_t max, char **ret_data, size_t *ret_size, struct err *err)
{
	/* O_NONBLOCK: a FIFO in place of the file must not stop us. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(buf_done) struct buf buf = { 0 };
	struct stat st;
	int ret;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(err, -errno, "read", path);
	if (!S_ISREG(st.st_mode))
		return fail(err, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, "read", path);
	if ((uintmax_t)st.st_size > max)
		return fail(err, -EFBIG, "read", path);
	ret = read_to_end(fd, (size_t)st.st_size, max, &buf);
	if (ret < 0)
		return fail(err, ret, "read", path);
	if (ret_size)
		*ret_size = buf.length;
	*ret_data = buf_take(&buf);
	return 0;
}

int file_read_virtual(const char *path, size_t max, char **ret_data, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(buf_done) struct buf buf = { 0 };
	int ret;

	if (fd < 0)
		return fail(err, -errno, "read", path);
	ret = read_to_end(fd, 0, max, &buf);
	if (ret < 0)
		return fail(err, ret, "read", path);
	*ret_data = buf_take(&buf);
	return 0;
}

int file_write_virtual(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);
	ssize_t done;

	if (fd < 0)
		return -errno;
	do
		done = write(fd, text, size);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	return (size_t)done == size ? 0 : -EIO;
}

static int make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0 ? -errno : 0; /* whatever the umask is */
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_make_dirs(const char *path, mode_t mode, struct err *err)
{
	_cleanup_free_ char *part = xstrdup(path);
	char *at = part;
	int ret = 0;

	while (ret == 0 && at) {
		at = strchr(at + strspn(at, "/"), '/');
		if (at)
			*at = '\0';
		ret = make_dir(part, mode);
		if (at) {
			*at = '/';
			if (!at[strspn(at, "/")])
				break;
		}
	}
	return ret < 0 ? fail(err, ret, "make directory", path) : 0;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

char *file_join(const char *dir, const char *name)
{
	size_t length = strlen(dir);

	return xasprintf("%s%s%s", dir, length && dir[length - 1] == '/' ? "" : "/", name);
}

struct removal {
	int top;	 /* descriptor of the tree's root directory */
	unsigned moved;	 /* directories moved up so far, for their new names */
	struct err *err; /* may be NULL */
};

static int remove_entries(struct removal *removal, int fd, unsigned depth);

/* openat2: a mount point or symbolic link put there meanwhile is refused by the kernel. */
static int open_dir_beneath(int parent, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Too deep to hold all descriptors: it becomes a child of the root, which is read again. */
static int move_up(struct removal *removal, int parent, const char *name)
{
	char target[32];
	int ret;

	do {
		(void)snprintf(target, sizeof(target), ".removed.%u", removal->moved++);
		ret = renameat(parent, name, removal->top, target) < 0 ? -errno : 0;
	} while (ret == -EEXIST || ret == -ENOTEMPTY || ret == -ENOTDIR);
	return ret;
}

static int remove_entry(struct removal *removal, int parent, const char *name, unsigned depth)
{
	int fd, ret;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return fail(removal->err, -errno, "remove", name);
	if (depth >= DEPTH_MAX) {
		ret = move_up(removal, parent, name);
		return ret < 0 ? fail(removal->err, ret, "remove", name) : 0;
	}
	fd = open_dir_beneath(parent, name);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fail(removal->err, fd, "remove", name);
	ret = remove_entries(removal, fd, depth + 1);
	if (ret == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		ret = fail(removal->err, -errno, "remove", name);
	return ret;
}

/* One reading of the directory; 1: something was there. */
static int remove_pass(struct removal *removal, DIR *dir, unsigned depth)
{
	struct dirent *entry;
	int found = 0, ret;

	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return errno ? fail(removal->err, -errno, "read", "directory") : found;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		found = 1;
		ret = remove_entry(removal, dirfd(dir), entry->d_name, depth);
		if (ret < 0)
			return ret;
	}
}

/* Takes @fd. Reads until a pass finds nothing: entries may come while it is emptied. */
static int remove_entries(struct removal *removal, int fd, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	unsigned passes, moved;
	int ret = 1;

	if (!dir) {
		ret = fail(removal->err, -errno, "read", "directory");
		close(fd);
		return ret;
	}
	for (passes = 0; ret == 1 && passes < PASSES_MAX; passes++) {
		moved = removal->moved;
		rewinddir(dir);
		ret = remove_pass(removal, dir, depth);
		if (removal->moved != moved)
			passes = 0; /* progress: the tree was deeper than DEPTH_MAX */
	}
	closedir(dir);
	return ret < 0 ? ret : 0;
}

int file_remove_tree(const char *path, struct err *err)
{
	struct removal removal = { .err = err };
	int ret;

	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return fail(err, -errno, "remove", path);
	removal.top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (removal.top < 0)
		return fail(err, -errno, "remove", path);
	ret = remove_entries(&removal, removal.top, 0);
	if (ret < 0)
		return err_wrap(err, "%s", path), ret;
	if (rmdir(path) < 0 && errno != ENOENT)
		return fail(err, -errno, "remove", path);
	return 0;
}
