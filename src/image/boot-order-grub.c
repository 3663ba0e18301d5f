/*
 * GRUB's environment block: a file of 1024 bytes on the boot partition that GRUB itself rewrites where it lies
 * on disk, knowing nothing of file systems. So do we: never another file in its place, never another size. What
 * we say takes less than one sector; the rest of the block is always the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/boot-order.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#define FILE_NAME "grub/grubenv"
#define HEAD	  "# GRUB Environment Block\n"

/* The names in @text, one at a time. */
static void parse_order(struct boot_order *order, char *text)
{
	char *name;

	while ((name = strsep(&text, " ")))
		boot_order_add(order, name);
}

static void parse_line(struct boot_order *order, char *line)
{
	struct boot_order next = { 0 };

	if (str_starts(line, "order=")) {
		parse_order(order, line + strlen("order="));
	} else if (str_starts(line, "next=")) {
		parse_order(&next, line + strlen("next="));
		order->next = next.slots[0];
	}
}

int boot_order_parse_env(const char *block, size_t size, struct boot_order *ret_order)
{
	_cleanup_free_ char *text = xstrndup(block, size);
	struct boot_order order = { 0 };
	char *rest = text, *line;

	if (size != GRUB_ENV_BYTES || !str_starts(text, HEAD))
		return -EBADMSG;
	while ((line = strsep(&rest, "\n")))
		if (*line != '#')
			parse_line(&order, line);
	*ret_order = order;
	return 0;
}

void boot_order_print_env(const struct boot_order *order, char *block)
{
	char text[256];
	int length = snprintf(text, sizeof(text), HEAD "order=");

	for (size_t i = 0; order->slots[i]; i++)
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%s%s",
			i ? " " : "", order->slots[i]);
	length += snprintf(text + length, sizeof(text) - (size_t)length, "\nnext=%s\n",
		order->next ? order->next : "");
	memset(block, '#', GRUB_ENV_BYTES);
	memcpy(block, text, (size_t)length);
}

/* A block that is none is one that says nothing: GRUB starts recovery then. */
static int read_env(const struct boot_places *places, struct boot_order *ret_order, struct err *err)
{
	_cleanup_free_ char *path = file_join(places->boot, FILE_NAME);
	_cleanup_free_ char *block = NULL;
	size_t size;
	int r = file_read(path, GRUB_ENV_BYTES, &block, &size, err);

	if (r == -ENOENT || r == -EFBIG ||
		(r == 0 && boot_order_parse_env(block, size, ret_order) < 0)) {
		if (r < 0 && err)
			err_done(err);
		*ret_order = (struct boot_order){ 0 };
		return 0;
	}
	return r;
}

static int write_env(
	const struct boot_places *places, const struct boot_order *order, struct err *err)
{
	_cleanup_free_ char *path = file_join(places->boot, FILE_NAME);
	_cleanup_close_ int fd = -1;
	struct boot_order now;
	char block[GRUB_ENV_BYTES];
	int r = read_env(places, &now, err);

	if (r < 0 || boot_order_equal(&now, order))
		return r;
	boot_order_print_env(order, block);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || pwrite(fd, block, sizeof(block), 0) != sizeof(block) ||
		ftruncate(fd, sizeof(block)) < 0 || fsync(fd) < 0)
		return err_set(err, errno ? -errno : -EIO, NULL, "cannot write %s: %s", path,
			strerror(errno));
	return 0;
}

const struct boot_loader boot_order_grub = {
	.name = "grub",
	.needs_boot = true,
	.read = read_env,
	.write = write_env,
};
