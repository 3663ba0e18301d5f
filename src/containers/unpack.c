/*
 * Layers of an image → one root file system (image-spec 1.0, "Image Layer Filesystem Changeset").
 *
 * Layers come from strangers. A path never leaves the root: ".." is refused in names and hard links,
 * and every directory is opened by openat2(2) with RESOLVE_IN_ROOT, so that a symbolic link of the
 * image leads where it would lead inside the container. Files are made with O_EXCL below a directory
 * so opened, never through a link. Sizes, number and depth are limited. Device nodes and sockets are
 * passed over: a container's /dev is not the image's.
 *
 * A whiteout hides what lower layers brought, wherever it stands in its layer. What belongs to the
 * layer at hand is known by inode numbers, which no second name or symbolic link can disguise.
 */
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ashlar/str.h"
#include "stream.h"
#include "unpack.h"

#define ENTRY_PATH_MAX	4096
#define ENTRY_NAME_MAX	255
#define ATTRIBUTE_MAX	((size_t)65536)
#define WHITEOUT	".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define WHITEOUT_AUFS	".wh..wh."

/* One entry of a layer. */
struct item {
	struct archive_entry *entry;
	char path[ENTRY_PATH_MAX]; /* cleaned */
	int parent;		   /* O_PATH; borrowed from struct unpack */
	const char *name;	   /* in path; "" for the root itself */
};

void unpack_init(struct unpack *unpack, int root, const struct unpack_limits *limits)
{
	*unpack = (struct unpack){ .root = root, .limits = limits, .parent = -1 };
	unpack->arena = arena_new();
}

static void forget_parent(struct unpack *unpack)
{
	if (unpack->parent >= 0)
		close(TAKE_FD(unpack->parent));
	free(TAKE(unpack->parent_path));
}

void unpack_done(struct unpack *unpack)
{
	forget_parent(unpack);
	map_done(&unpack->seen);
	arena_free(unpack->arena);
}

int unpack_clean_path(char *path, unsigned depth)
{
	char *from = path, *to = path;
	unsigned components = 0;

	while (*from) {
		size_t length = strcspn(from, "/");

		if (length > ENTRY_NAME_MAX || (length == 2 && strncmp(from, "..", 2) == 0))
			return -EINVAL;
		if (length && !(length == 1 && from[0] == '.')) {
			if (++components > depth)
				return -EINVAL;
			if (to != path)
				*to++ = '/';
			memmove(to, from, length);
			to += length;
		}
		from += length;
		from += strspn(from, "/");
	}
	*to = '\0';
	return 0;
}

/* --- what belongs to this layer ----------------------------------------------------------------- */

static void mark_seen(struct unpack *unpack, ino_t inode)
{
	uint64_t *key, number = inode;

	if (map_get(&unpack->seen, &number, sizeof(number)))
		return;
	key = arena_alloc(unpack->arena, sizeof(*key));
	*key = number;
	map_put(&unpack->seen, key, sizeof(*key), key);
}

static bool was_seen(const struct unpack *unpack, ino_t inode)
{
	uint64_t number = inode;

	return map_get(&unpack->seen, &number, sizeof(number));
}

static int mark_fd(struct unpack *unpack, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	mark_seen(unpack, st.st_ino);
	return 0;
}

/* --- removing ------------------------------------------------------------------------------------ */

enum removal {
	REMOVE_ALL,
	REMOVE_LOWER, /* what this layer brought stays */
};

static int remove_at(struct unpack *unpack, int parent, const char *name, enum removal removal);

static int remove_children(
	struct unpack *unpack, int parent, const char *name, enum removal removal)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), ret = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		ret = -errno;
		close(fd);
		return ret;
	}
	while (ret == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			ret = remove_at(unpack, dirfd(dir), entry->d_name, removal);
	closedir(dir);
	return ret;
}

/* Recursion ends at the depth that paths are limited to. */
static int remove_at(struct unpack *unpack, int parent, const char *name, enum removal removal)
{
	struct stat st;
	int ret;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (removal == REMOVE_LOWER && was_seen(unpack, st.st_ino))
		return S_ISDIR(st.st_mode) ? remove_children(unpack, parent, name, removal) : 0;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(parent, name, 0) < 0 ? -errno : 0;
	ret = remove_children(unpack, parent, name, REMOVE_ALL);
	if (ret < 0)
		return ret;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* --- directories ---------------------------------------------------------------------------------- */

static int open_in_root(const struct unpack *unpack, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, unpack->root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Opens @path, whose parent is @parent, made if it is missing. */
static int open_component(struct unpack *unpack, int parent, const char *path)
{
	const char *slash = strrchr(path, '/');
	int fd = open_in_root(unpack, path, O_PATH | O_DIRECTORY);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(parent, slash ? slash + 1 : path, 0755) < 0)
		return -errno;
	return open_in_root(unpack, path, O_PATH | O_DIRECTORY);
}

/*
 * The directory of @path ("" is the root), made if it is missing, all of it marked as gone through.
 * Kept open: archives list directory by directory.
 */
static int open_dir(struct unpack *unpack, const char *path, int *ret_fd)
{
	_cleanup_close_ int fd = open_in_root(unpack, "/", O_PATH | O_DIRECTORY);
	_cleanup_free_ char *part = xstrdup(path);
	char *end = part;
	int next, ret;

	if (unpack->parent >= 0 && strcmp(unpack->parent_path, path) == 0) {
		*ret_fd = unpack->parent;
		return 0;
	}
	if (fd < 0)
		return fd;
	while (*end) {
		char *slash = strchr(end + 1, '/');

		if (slash)
			*slash = '\0';
		next = open_component(unpack, fd, part);
		if (next < 0)
			return next;
		close(fd);
		fd = next;
		ret = mark_fd(unpack, fd);
		if (ret < 0)
			return ret;
		if (!slash)
			break;
		*slash = '/';
		end = slash;
	}
	forget_parent(unpack);
	unpack->parent_path = xstrdup(path);
	unpack->parent = TAKE_FD(fd);
	*ret_fd = unpack->parent;
	return 0;
}

/* --- entries -------------------------------------------------------------------------------------- */

static int set_xattrs(int fd, struct archive_entry *entry)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || size > ATTRIBUTE_MAX ||
			(strcmp(name, "security.capability") != 0 && !str_starts(name, "user.")))
			continue;
		if (fsetxattr(fd, name, value, size, 0) < 0 && errno != EOPNOTSUPP)
			return -errno;
	}
	return 0;
}

static int owner_of(struct archive_entry *entry, uid_t *ret_uid, gid_t *ret_gid)
{
	int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return -EOVERFLOW;
	*ret_uid = (uid_t)uid;
	*ret_gid = (gid_t)gid;
	return 0;
}

static struct timespec time_of(struct archive_entry *entry)
{
	return (struct timespec){
		.tv_sec = archive_entry_mtime(entry),
		.tv_nsec = archive_entry_mtime_nsec(entry) % 1000000000L,
	};
}

/* Owner first: changing it clears set-id bits and capabilities. */
static int set_attributes(int fd, struct archive_entry *entry)
{
	struct timespec times[2] = { time_of(entry), time_of(entry) };
	uid_t uid;
	gid_t gid;
	int ret;

	ret = owner_of(entry, &uid, &gid);
	if (ret < 0)
		return ret;
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, archive_entry_perm(entry) & 07777) < 0)
		return -errno;
	ret = set_xattrs(fd, entry);
	if (ret < 0)
		return ret;
	return futimens(fd, times) < 0 ? -errno : 0;
}

static int make_directory(struct unpack *unpack, const struct item *item)
{
	const char *name = item->name[0] ? item->name : ".";
	_cleanup_close_ int fd = -1;
	struct stat st;
	int ret;

	if (fstatat(item->parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode)) {
		ret = remove_at(unpack, item->parent, name, REMOVE_ALL);
		if (ret < 0)
			return ret;
	}
	if (mkdirat(item->parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(item->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = set_attributes(fd, item->entry);
	return ret < 0 ? ret : mark_fd(unpack, fd);
}

/* Blocks of data to where they belong: files with holes keep them. */
static int write_content(struct archive *archive, int fd, uint64_t size)
{
	const void *bytes;
	la_int64_t offset;
	size_t count;
	int ret;

	for (;;) {
		ret = archive_read_data_block(archive, &bytes, &count, &offset);
		if (ret == ARCHIVE_EOF)
			return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
		if (ret != ARCHIVE_OK && ret != ARCHIVE_WARN)
			return -EBADMSG;
		if (offset < 0 || (uint64_t)offset > size || count > size - (uint64_t)offset)
			return -EBADMSG;
		while (count) {
			ssize_t done = pwrite(fd, bytes, count, offset);

			if (done < 0 && errno == EINTR)
				continue;
			if (done < 0)
				return -errno;
			bytes = (const char *)bytes + done;
			count -= (size_t)done;
			offset += done;
		}
	}
}

static int make_file(struct unpack *unpack, struct archive *archive, const struct item *item)
{
	int64_t size = archive_entry_size(item->entry);
	_cleanup_close_ int fd = -1;
	int ret;

	if (size < 0 || (uint64_t)size > unpack->limits->bytes - unpack->bytes)
		return -EFBIG;
	unpack->bytes += (uint64_t)size;
	fd = openat(item->parent, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	if (fd < 0)
		return -errno;
	ret = write_content(archive, fd, (uint64_t)size);
	if (ret == 0)
		ret = set_attributes(fd, item->entry);
	return ret < 0 ? ret : mark_fd(unpack, fd);
}

/* Symbolic links and FIFOs have no descriptor to work on. */
static int finish_at(struct unpack *unpack, const struct item *item)
{
	struct timespec times[2] = { time_of(item->entry), time_of(item->entry) };
	struct stat st;
	uid_t uid;
	gid_t gid;
	int ret;

	ret = owner_of(item->entry, &uid, &gid);
	if (ret < 0)
		return ret;
	if (fchownat(item->parent, item->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		utimensat(item->parent, item->name, times, AT_SYMLINK_NOFOLLOW) < 0 ||
		fstatat(item->parent, item->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	mark_seen(unpack, st.st_ino);
	return 0;
}

static int make_symlink(struct unpack *unpack, const struct item *item)
{
	const char *target = archive_entry_symlink(item->entry);

	if (!target || !target[0] || strlen(target) >= ENTRY_PATH_MAX)
		return -EINVAL;
	if (symlinkat(target, item->parent, item->name) < 0)
		return -errno;
	return finish_at(unpack, item);
}

static int make_fifo(struct unpack *unpack, const struct item *item)
{
	if (mkfifoat(item->parent, item->name, archive_entry_perm(item->entry) & 0777) < 0)
		return -errno;
	return finish_at(unpack, item);
}

/* To a file that this or a lower layer brought; symbolic links on the way stay inside the root. */
static int make_hardlink(struct unpack *unpack, const struct item *item, const char *target)
{
	_cleanup_free_ char *path = xstrdup(target);
	_cleanup_close_ int parent = -1;
	struct stat st;
	char *name;
	int ret;

	ret = unpack_clean_path(path, unpack->limits->depth);
	if (ret < 0 || !path[0])
		return -EINVAL;
	name = strrchr(path, '/');
	if (name)
		*name++ = '\0';
	parent = open_in_root(unpack, name ? path : "/", O_PATH | O_DIRECTORY);
	if (parent < 0)
		return parent;
	if (!name)
		name = path;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EINVAL;
	if (linkat(parent, name, item->parent, item->name, 0) < 0)
		return -errno;
	mark_seen(unpack, st.st_ino);
	return 0;
}

/* A hard link to itself must not remove what it names. */
static bool is_same_path(const struct unpack *unpack, const char *path, const char *other)
{
	_cleanup_free_ char *cleaned = xstrdup(other);

	return unpack_clean_path(cleaned, unpack->limits->depth) == 0 && strcmp(cleaned, path) == 0;
}

static int make_entry(struct unpack *unpack, struct archive *archive, const struct item *item)
{
	const char *hardlink = archive_entry_hardlink(item->entry);
	mode_t type = archive_entry_filetype(item->entry);
	int ret;

	if (!hardlink && type == AE_IFDIR)
		return make_directory(unpack, item);
	if (!item->name[0])
		return -EINVAL;
	if (!hardlink && type != AE_IFREG && type != AE_IFLNK && type != AE_IFIFO) {
		unpack->skipped++;
		return 0;
	}
	if (hardlink && is_same_path(unpack, item->path, hardlink))
		return 0;
	ret = remove_at(unpack, item->parent, item->name, REMOVE_ALL);
	if (ret < 0)
		return ret;
	if (hardlink)
		return make_hardlink(unpack, item, hardlink);
	if (type == AE_IFLNK)
		return make_symlink(unpack, item);
	if (type == AE_IFIFO)
		return make_fifo(unpack, item);
	return make_file(unpack, archive, item);
}

static int apply_whiteout(struct unpack *unpack, const struct item *item)
{
	const char *hidden = item->name + strlen(WHITEOUT);

	/* The directory open for this may be among what goes. */
	forget_parent(unpack);
	if (strcmp(item->name, WHITEOUT_OPAQUE) == 0)
		return remove_children(unpack, item->parent, ".", REMOVE_LOWER);
	if (str_starts(item->name, WHITEOUT_AUFS))
		return 0; /* bookkeeping of a file system that nobody mounts here */
	if (!hidden[0] || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return -EINVAL;
	return remove_at(unpack, item->parent, hidden, REMOVE_LOWER);
}

static int apply_entry(struct unpack *unpack, struct archive *archive, struct item *item)
{
	char *slash;
	int ret;

	ret = unpack_clean_path(item->path, unpack->limits->depth);
	if (ret < 0)
		return ret;
	slash = strrchr(item->path, '/');
	if (slash)
		*slash = '\0';
	ret = open_dir(unpack, slash ? item->path : "", &item->parent);
	if (slash)
		*slash = '/';
	if (ret < 0)
		return ret;
	item->name = slash ? slash + 1 : item->path;
	if (!str_starts(item->name, WHITEOUT))
		return make_entry(unpack, archive, item);
	item->parent = dup(item->parent);
	if (item->parent < 0)
		return -errno;
	ret = apply_whiteout(unpack, item);
	close(item->parent);
	return ret;
}

static const char *refusal(int code)
{
	switch (code) {
	case -EINVAL:
		return "the path leaves the image, is too deep or too long, or what it links to is "
		       "not allowed";
	case -EFBIG:
		return "the image is larger than allowed";
	case -EBADMSG:
		return "the archive is damaged";
	case -EOVERFLOW:
		return "its owner is out of range";
	default:
		return strerror(-code);
	}
}

static int apply_entries(struct unpack *unpack, struct archive *archive, struct err *err)
{
	_cleanup_free_ struct item *item = XNEW(struct item);
	const char *path;
	int ret;

	for (;;) {
		ret = archive_read_next_header(archive, &item->entry);
		if (ret == ARCHIVE_EOF)
			return 0;
		if (ret != ARCHIVE_OK && ret != ARCHIVE_WARN)
			return stream_err(err, archive, "a layer of the image");
		if (++unpack->entries > unpack->limits->entries)
			return err_set(err, -EFBIG, NULL, "the image has too many files");
		path = archive_entry_pathname(item->entry);
		if (!path || str_copy(item->path, sizeof(item->path), path) < 0)
			return err_set(err, -EBADMSG, NULL,
				"a layer of the image has a name that cannot be read");
		ret = apply_entry(unpack, archive, item);
		if (ret < 0)
			return err_set(err, ret, NULL, "cannot unpack \"%s\" of the image: %s",
				path, refusal(ret));
	}
}

int unpack_layer(struct unpack *unpack, int fd, const struct oci_descriptor *layer, struct err *err)
{
	_cleanup_(stream_freep) struct stream *stream = NULL;
	_cleanup_(archive_freep) struct archive *archive = NULL;
	struct err damaged = { 0 };
	int ret, checked;

	forget_parent(unpack);
	map_done(&unpack->seen);
	unpack->seen = (struct map){ 0 };
	ret = stream_new(fd, "sha256", layer->size, &stream, err);
	if (ret < 0)
		return ret;
	ret = stream_open_tar(stream, &archive, err);
	if (ret == 0)
		ret = apply_entries(unpack, archive, err);
	/* A blob other than the described one: that says more than what is wrong in it. */
	checked = stream_finish(stream, layer->digest, "a layer of the image", &damaged);
	if (checked < 0)
		return err_move(err, &damaged);
	return ret;
}
