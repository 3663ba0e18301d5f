/*
 * Files that configuration makes on the machine: each is an object, its bytes are what is compared. At the start
 * those that we may have written are looked at; a file that does not begin with GENFILE_MARK is another's, and stays
 * until configuration asks for one in its place. A link (the time zone) is what it points to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/state.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "genfile.h"

#define FILE_MAX ((size_t)256 * 1024)

static const char *const known[] = { GENFILE_LOCALTIME, GENFILE_RESOLV, GENFILE_CHRONY };
static char *root; /* before each path; may be "" */

char *genfile_path(const char *path)
{
	return xasprintf("%s%s", root, path);
}

/* What is there, NULL if nothing; @ret_is_link. */
static char *read_there(const char *path, bool *ret_is_link)
{
	char target[4096];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	char *text = NULL;

	*ret_is_link = length >= 0;
	if (length >= 0)
		return xstrndup(target, (size_t)length);
	return file_read(path, FILE_MAX, &text, &(size_t){ 0 }, NULL) < 0 ? NULL : text;
}

static void observe(const char *key)
{
	_cleanup_free_ char *path = genfile_path(key);
	bool is_link;
	char *text = read_there(path, &is_link);
	struct genfile *seen;

	if (!text) {
		have_remove(&object_kind_genfile, key);
		return;
	}
	seen = object_new(&object_kind_genfile, key);
	seen->text = text;
	seen->is_link = is_link;
	have_put(&seen->object);
}

void genfile_init(const char *root_dir)
{
	root = xstrdup(root_dir);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		observe(known[i]);
}

void genfile_done(void)
{
	free(TAKE(root));
}

/* --- the object --------------------------------------------------------------------------------- */

static void copy(struct object *to, const struct object *from)
{
	((struct genfile *)to)->text = xstrdup(((const struct genfile *)from)->text);
}

static void done(struct object *object)
{
	free(((struct genfile *)object)->text);
}

static bool equal(const struct object *a, const struct object *b)
{
	const struct genfile *one = (const void *)a, *other = (const void *)b;

	return one->is_link == other->is_link && str_equal(one->text, other->text);
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return equal(want, have) ? OBJECT_SAME : OBJECT_CHANGE;
}

static enum object_owner owner(const struct object *have)
{
	const struct genfile *seen = (const void *)have;

	return !seen->is_link && str_starts(seen->text, GENFILE_MARK) ? OBJECT_OURS
								      : OBJECT_FOREIGN;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "file %s", object->key);
}

/* As a whole: whoever looks finds the old or the new one. */
static int make_link(const char *target, const char *path, struct err *err)
{
	_cleanup_free_ char *temporary = xasprintf("%s.new", path);

	if (!file_exists(target))
		return err_set(err, -ENOENT, "", "this device has no %s", target);
	(void)unlink(temporary); /* left by a daemon that was killed */
	if (symlink(target, temporary) < 0 || rename(temporary, path) < 0)
		return err_set(err, -errno, "", "%s: %s", path, strerror(errno));
	return 0;
}

static void run(struct step *step)
{
	const struct genfile *want = (const void *)step->want;
	const char *key = step->op == STEP_REMOVE ? step->have->key : want->object.key;
	_cleanup_free_ char *path = genfile_path(key);

	if (step->op == STEP_REMOVE)
		step->error = unlink(path) < 0 && errno != ENOENT
			? err_set(&step->err, -errno, "", "%s: %s", path, strerror(errno))
			: 0;
	else if (want->is_link)
		step->error = make_link(want->text, path, &step->err);
	else
		step->error = file_replace(path, want->text, strlen(want->text), 0644, &step->err);
	step->is_done = step->error == 0;
	observe(key);
	if (str_equal(key, GENFILE_LOCALTIME))
		clock_zone_look();
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	return apply_each(steps, count, stop_on_error, run);
}

static const struct target target_genfile = { .name = "files", .apply = apply };

const struct object_kind object_kind_genfile = {
	.name = "file",
	.rank = 5,
	.size = sizeof(struct genfile),
	.target = &target_genfile,
	.compare = compare,
	.copy = copy,
	.done = done,
	.equal = equal,
	.owner = owner,
	.describe = describe,
};
