/*
 * Volumes: directories of containers, as objects. Making one is a matter of microseconds. Removing one
 * loses data, so it waits: for a few seconds, in which an undone transaction brings it back, and until
 * the container's program has stopped.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/state.h"
#include "private.h"
#include "runtime.h"
#include "trash.h"
#include "volume.h"

/* One on its way out. */
struct doomed {
	char *container, *name; /* key is both */
	struct loop_timer *timer;
	char key[VOLUME_KEY_MAX];
};

static struct map doomed;

void volume_key(char *key, const char *container, const char *name)
{
	(void)snprintf(key, VOLUME_KEY_MAX, "%s/%s", container, name);
}

char *volume_dir(const char *container)
{
	return file_join(containers_paths.volumes, container);
}

static char *volume_path(const char *container, const char *name)
{
	return xasprintf("%s/%s/%s", containers_paths.volumes, container, name);
}

static char *marker_path(const char *container, const char *name)
{
	_cleanup_free_ char *file = xasprintf(VOLUME_MARKER "%s", name);

	return containers_bundle(container, file);
}

static void doomed_free(struct doomed *one)
{
	map_del_str(&doomed, one->key);
	loop_timer_free(one->timer);
	free(one->container);
	free(one->name);
	free(one);
}

/* Cuts a key in two; false when it is none. */
static bool split_key(const char *key, char **ret_container, char **ret_name)
{
	const char *slash = strchr(key, '/');

	if (!slash)
		return false;
	*ret_container = xstrndup(key, (size_t)(slash - key));
	*ret_name = xstrdup(slash + 1);
	return true;
}

static void remove_now(void *arg)
{
	struct doomed *one = arg;
	_cleanup_free_ char *path = volume_path(one->container, one->name);
	_cleanup_free_ char *dir = volume_dir(one->container);
	_cleanup_free_ char *marker = marker_path(one->container, one->name);
	_cleanup_err_ struct err err = { 0 };

	if (!containers_paths.is_settled || runtime_is_ending(one->container)) {
		loop_timer_start(one->timer, CONTAINERS_RETRY_MIN_MS);
		return;
	}
	if (trash_put(path, &err) < 0) {
		log_debug("volume", "%s", err_text(&err));
		loop_timer_start(one->timer, CONTAINERS_RETRY_MAX_MS);
		return;
	}
	(void)rmdir(dir); /* ENOTEMPTY: it has others */
	(void)unlink(marker);
	containers_drop_bundle(one->container);
	doomed_free(one);
}

static int volume_add(const char *container, const char *name, const char *key, struct err *err)
{
	_cleanup_free_ char *path = volume_path(container, name);
	_cleanup_free_ char *marker = marker_path(container, name);
	struct doomed *back = map_get_str(&doomed, key);
	int ret;

	if (back)
		doomed_free(back);
	ret = containers_make_bundle(container, err);
	if (ret == 0)
		ret = containers_save(marker, "", err);
	if (ret == 0)
		ret = file_make_dirs(path, 0755, err);
	if (ret == 0)
		have_put(object_new(&object_kind_volume, key));
	return ret;
}

static void doom(const char *container, const char *name)
{
	struct doomed *one = XNEW(struct doomed);

	one->container = xstrdup(container);
	one->name = xstrdup(name);
	volume_key(one->key, container, name);
	one->timer = loop_timer_new("volume-remove", remove_now, one);
	loop_timer_start(one->timer, CONTAINERS_GRACE_MS);
	map_put_str(&doomed, one->key, one);
}

static int volume_remove(const char *container, const char *name, const char *key, struct err *err)
{
	_cleanup_free_ char *marker = marker_path(container, name);
	int ret = containers_save(marker, CONTAINERS_DOOMED, err);

	if (ret < 0)
		return ret;
	if (!map_get_str(&doomed, key))
		doom(container, name);
	have_remove(&object_kind_volume, key);
	return 0;
}

int volume_apply(struct step *step)
{
	const struct object *object = step->op == STEP_REMOVE ? step->have : step->want;
	_cleanup_free_ char *container = NULL, *name = NULL;

	if (!split_key(object->key, &container, &name))
		return err_set(&step->err, -EINVAL, NULL, "%s is no volume", object->key);
	if (step->op != STEP_REMOVE)
		return volume_add(container, name, object->key, &step->err);
	return volume_remove(container, name, object->key, &step->err);
}

void volume_adopt(const char *container, const char *name)
{
	_cleanup_free_ char *marker = marker_path(container, name);
	_cleanup_free_ char *text = NULL;
	char key[VOLUME_KEY_MAX];

	volume_key(key, container, name);
	if (file_read(marker, sizeof(CONTAINERS_DOOMED), &text, NULL, NULL) == 0 &&
		strcmp(text, CONTAINERS_DOOMED) == 0)
		doom(container, name);
	else
		have_put(object_new(&object_kind_volume, key));
}

void volume_disown(const char *key)
{
	_cleanup_free_ char *container = NULL, *name = NULL, *marker = NULL;

	if (!split_key(key, &container, &name))
		return;
	marker = marker_path(container, name);
	(void)unlink(marker);
	containers_drop_bundle(container);
	have_remove(&object_kind_volume, key);
}

void volume_own(const char *container, const char *name, uid_t uid, gid_t gid)
{
	_cleanup_free_ char *path = volume_path(container, name);
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0 || st.st_gid != 0)
		return;
	if ((uid || gid) && lchown(path, uid, gid) < 0)
		log_debug("volume", "cannot give %s to user %u: %s", path, uid, strerror(errno));
}

void volume_init(void)
{
	doomed = (struct map){ 0 };
}

void volume_done(void)
{
	struct doomed *one;
	size_t at = 0;

	/* Their markers stay: the next daemon finds them unwanted. */
	while ((one = map_next(&doomed, &at)))
		doomed_free(one);
	map_done(&doomed);
}

/* --- the kind ------------------------------------------------------------------------------------- */

static enum object_diff volume_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void volume_describe(const struct object *object, char *text, size_t size)
{
	(void)snprintf(text, size, "volume %s", object->key);
}

const struct object_kind object_kind_volume = {
	.name = "volume",
	.rank = CONTAINERS_RANK,
	.size = sizeof(struct volume),
	.target = &containers_target,
	.compare = volume_compare,
	.describe = volume_describe,
};
