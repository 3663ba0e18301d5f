/*
 * The kernel's last words of the time before, which firmware or memory have kept: read, and removed there, so that
 * there is room for others. They come in parts of a kilobyte or so, each with a line such as "Panic#2 Part3"; the
 * last part is the one that was said first.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/str.h"

#include "early.h"

#define PSTORE	  "/sys/fs/pstore"
#define PARTS_MAX 64
#define PART_MAX  65536
#define TEXT_MAX  4096

struct part {
	unsigned count, number;
	char *text; /* malloc'd, with its first line */
	const char *said;
};

static int compare_parts(const void *a, const void *b)
{
	const struct part *one = a, *other = b;

	if (one->count != other->count)
		return one->count < other->count ? -1 : 1;
	return (one->number < other->number) - (one->number > other->number);
}

/* -ENOMSG: not of a panic. */
static int read_part(const char *path, struct part *part)
{
	char reason[16];
	int r = file_read_virtual(path, PART_MAX, &part->text, NULL);
	const char *line_end = r < 0 ? NULL : strchr(part->text, '\n');

	if (!line_end ||
		sscanf(part->text, "%15[A-Za-z]#%u Part%u", reason, &part->count, &part->number) !=
			3 ||
		!str_equal(reason, "Panic"))
		return -ENOMSG;
	part->said = line_end + 1;
	return 0;
}

/* Its last TEXT_MAX bytes, as any text. */
static char *join(struct part *parts, size_t count)
{
	char *all = xstrdup(""), *text;
	size_t length;

	qsort(parts, count, sizeof(*parts), compare_parts);
	for (size_t i = 0; i < count; i++) {
		char *more = xasprintf("%s%s", all, parts[i].said);

		free(all);
		all = more;
		free(parts[i].text);
	}
	length = strlen(all);
	text = xstrdup(length > TEXT_MAX ? all + length - TEXT_MAX : all);
	free(all);
	for (char *at = text; *at; at++)
		if (*at != '\n' && (*at < ' ' || *at > '~'))
			*at = '?';
	return text;
}

char *panic_take(void)
{
	struct part parts[PARTS_MAX];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	if (mount("pstore", PSTORE, "pstore", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return NULL; /* the kernel has none */
	dir = opendir(PSTORE);
	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *path = file_join(PSTORE, entry->d_name);
		struct part part = { 0 };

		if (entry->d_type != DT_REG)
			continue;
		if (count < PARTS_MAX && read_part(path, &part) == 0)
			parts[count++] = part;
		else
			free(part.text);
		(void)unlink(path); /* at worst it is told again */
	}
	if (dir)
		closedir(dir);
	return count ? join(parts, count) : NULL;
}
