/* Files: whole reads with a limit, writes that survive a power cut. */
#ifndef ASHLAR_FILE_H
#define ASHLAR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "ashlar/err.h"
#include "ashlar/mem.h"

/*
 * Replaces @path as a whole: temporary file in the same folder, fsync, rename, fsync of the folder.
 * At any instant the name holds the old or the new bytes. Errors name the file.
 */
int file_write_atomic(
	const char *path, const void *data, size_t size, mode_t mode, struct err *err) WARN_UNUSED;
/* The same without waiting for a disk: for what matters only until the power goes (/run). */
int file_replace(
	const char *path, const void *data, size_t size, mode_t mode, struct err *err) WARN_UNUSED;
/*
 * Reads all of a regular file of at most @max bytes; *ret_data is NUL-terminated beyond its size and
 * is the caller's to free. -ENOENT, -EFBIG, …
 */
int file_read(const char *path, size_t max, char **ret_data, size_t *ret_size,
	struct err *err) WARN_UNUSED;
/* Like file_read() for /proc and /sys (size unknown in advance). */
int file_read_virtual(const char *path, size_t max, char **ret_data, struct err *err) WARN_UNUSED;
/* Writes @text to an existing file in one write(2) without creating it (/proc, /sys). */
int file_write_virtual(const char *path, const char *text) WARN_UNUSED;
/* mkdir -p with @mode for what is made; an existing directory is fine. */
int file_make_dirs(const char *path, mode_t mode, struct err *err) WARN_UNUSED;
int file_fsync_dir(const char *path) WARN_UNUSED;
bool file_exists(const char *path);
/* "dir/name", malloc'd. */
char *file_join(const char *dir, const char *name);
/* write(2) until all is written; EINTR repeated. */
int file_write_all(int fd, const void *data, size_t size) WARN_UNUSED;
/* Removes a file or a whole tree (never following symbolic links, never leaving the file system of
 * @path). An absent one is fine. Not for the loop when the tree may be large: see child.h. */
int file_remove_tree(const char *path, struct err *err) WARN_UNUSED;

#endif
