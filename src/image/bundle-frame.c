/* Frames between the processes of an installation. Both ends are the same program, on one machine. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/str.h"

#include "bundle-frame.h"

int frame_write(int fd, const char *name, uint64_t size)
{
	struct frame frame = { .size = size };
	int r = str_copy(frame.name, sizeof(frame.name), name);

	return r < 0 ? r : file_write_all(fd, &frame, sizeof(frame));
}

int frame_write_bytes(int fd, const char *name, const void *bytes, size_t size)
{
	int r = frame_write(fd, name, size);

	return r < 0 ? r : file_write_all(fd, bytes, size);
}

int frame_read_bytes(int fd, void *bytes, size_t size)
{
	char *at = bytes;

	while (size) {
		ssize_t got = read(fd, at, size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EPIPE;
		at += got;
		size -= (size_t)got;
	}
	return 0;
}

int frame_read(int fd, struct frame *ret_frame)
{
	struct frame frame;
	ssize_t got;
	int r;

	do
		got = read(fd, &frame, sizeof(frame));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : 0;
	r = frame_read_bytes(fd, (char *)&frame + got, sizeof(frame) - (size_t)got);
	if (r < 0)
		return r;
	frame.name[sizeof(frame.name) - 1] = '\0';
	*ret_frame = frame;
	return 1;
}

int frame_read_text(int fd, const struct frame *frame, size_t max, char **ret_text)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (frame->size > max)
		return -EFBIG;
	text = xcalloc(frame->size + 1, 1);
	r = frame_read_bytes(fd, text, frame->size);
	if (r == 0)
		*ret_text = TAKE(text);
	return r;
}

int frame_read_error(int fd, const struct frame *frame, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int code = 0;

	if (frame->size <= sizeof(code) ||
		frame_read_text(fd, frame, sizeof(code) + FRAME_TEXT_MAX, &text) < 0)
		return err_set(err, -EIO, NULL, "what went wrong was not told");
	memcpy(&code, text, sizeof(code));
	if (code >= 0)
		code = -EIO;
	return err_set(err, code, NULL, "%s", text + sizeof(code));
}

void frame_write_error(int fd, const struct err *err)
{
	const char *text = err_text(err);
	size_t size = strnlen(text, FRAME_TEXT_MAX);
	int code = err->code;

	/* Whoever does not read it any more has its own reason. */
	if (frame_write(fd, FRAME_ERROR, sizeof(code) + size) == 0 &&
		file_write_all(fd, &code, sizeof(code)) == 0)
		(void)!file_write_all(fd, text, size);
}
