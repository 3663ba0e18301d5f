/*
 * The layer as a whole: its directories, its helper programs, what is found at start, and the target
 * that steps of a plan are given to.
 *
 * A bundle (RUN-DIR/containers/NAME) holds, besides what crun and ashlar-monitor need, a marker for
 * each object that exists: container.json, image.json, volume-NAME. They go last when an object goes,
 * and say so when that has begun, so that a daemon that died in between goes on with it. After a boot
 * there are none: images and volumes are on disk and wait for whoever wants them; a configuration that
 * did not load loses nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/map.h"
#include "ashlar/state.h"
#include "ashlar/str.h"
#include "cgroup.h"
#include "image.h"
#include "private.h"
#include "runtime.h"
#include "trash.h"
#include "volume.h"

struct containers_paths containers_paths;

/* --- small files ---------------------------------------------------------------------------------- */

char *containers_bundle(const char *container, const char *file)
{
	return file ? xasprintf("%s/%s/%s", containers_paths.bundles, container, file)
		    : file_join(containers_paths.bundles, container);
}

int containers_make_bundle(const char *container, struct err *err)
{
	_cleanup_free_ char *path = containers_bundle(container, NULL);

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, NULL, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

void containers_drop_bundle(const char *container)
{
	_cleanup_free_ char *path = containers_bundle(container, NULL);

	(void)rmdir(path); /* ENOTEMPTY: somebody still needs it */
}

int containers_save(const char *path, const char *text, struct err *err)
{
	_cleanup_free_ char *temporary = xasprintf("%s.new", path);
	_cleanup_close_ int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0 || rename(temporary, path) < 0)
		return err_set(err, -errno, NULL, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

json_t *containers_load(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	json_t *json;

	if (file_read(path, CONTAINERS_FILE_MAX, &text, &size, NULL) < 0)
		return NULL;
	json = json_loadb(text, size, 0, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

uint64_t containers_retry_ms(unsigned failures)
{
	uint64_t wait = CONTAINERS_RETRY_MIN_MS;

	while (failures-- && wait < CONTAINERS_RETRY_MAX_MS)
		wait *= 2;
	return wait < CONTAINERS_RETRY_MAX_MS ? wait : CONTAINERS_RETRY_MAX_MS;
}

/* --- life ----------------------------------------------------------------------------------------- */

/* Others must not reach an image's set-id programs, nor a volume's files. */
static int make_dirs(struct err *err)
{
	const struct containers_paths *paths = &containers_paths;
	const char *const dirs[] = { paths->bundles, paths->crun, paths->images, paths->refs,
		paths->volumes, paths->trash, paths->archives, paths->logs };
	int ret = 0;
	size_t i;

	for (i = 0; ret == 0 && i < ARRAY_SIZE(dirs); i++)
		ret = file_make_dirs(dirs[i], 0700, err);
	return ret;
}

/* What a bundle says exists. */
static void find_bundle(const char *container)
{
	_cleanup_free_ char *path = containers_bundle(container, NULL);
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (str_starts(entry->d_name, VOLUME_MARKER))
			volume_adopt(container, entry->d_name + strlen(VOLUME_MARKER));
		else if (strcmp(entry->d_name, IMAGE_MARKER) == 0)
			image_adopt(container);
		else if (strcmp(entry->d_name, RUNTIME_MARKER) == 0)
			runtime_adopt(container);
	}
	closedir(dir);
}

static void find_bundles(void)
{
	struct dirent *entry;
	DIR *dir = opendir(containers_paths.bundles);

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			find_bundle(entry->d_name);
	closedir(dir);
}

int containers_init(const struct containers_config *config, struct err *err)
{
	struct containers_paths *paths = &containers_paths;
	int ret;

	paths->record = config->record;
	if (config->record)
		return 0;
	paths->bundles = file_join(config->run_dir, "containers");
	paths->crun = file_join(config->run_dir, "crun");
	paths->images = file_join(config->state_dir, "containers/images");
	paths->refs = config->refs_dir ? xstrdup(config->refs_dir)
				       : file_join(config->state_dir, "containers/refs");
	paths->claims = xstrdup(config->claims);
	paths->volumes = file_join(config->state_dir, "containers/volumes");
	paths->trash = file_join(config->state_dir, "containers/trash");
	paths->archives = file_join(config->state_dir, "containers/oci");
	paths->logs = file_join(config->state_dir, "log/containers");
	paths->monitor = child_helper("ashlar-monitor");
	paths->unpack = child_helper("ashlar-unpack");
	ret = make_dirs(err);
	if (ret < 0)
		return ret;
	cgroup_init(config->cgroup_parent);
	trash_init();
	volume_init();
	image_init();
	runtime_init();
	find_bundles();
	return 0;
}

/* Calls back with the key of each observed object that nobody wants. */
static void each_unwanted(const struct object_kind *kind, void (*callback)(const char *key))
{
	char **keys = xcalloc(have_count(have_all(), kind), sizeof(*keys));
	const struct object *object;
	size_t count = 0, at = 0;

	while ((object = have_next(have_all(), kind, &at)))
		if (!state_wanted(kind, object->key))
			keys[count++] = xstrdup(object->key);
	while (count) {
		callback(keys[--count]);
		free(keys[count]);
	}
	free(keys);
}

void containers_settled(void)
{
	if (containers_paths.record || containers_paths.is_settled)
		return;
	containers_paths.is_settled = true;
	each_unwanted(&object_kind_container, runtime_disown);
	each_unwanted(&object_kind_image, image_disown);
	each_unwanted(&object_kind_volume, volume_disown);
	runtime_kick_all();
}

void containers_end(void (*ended)(void))
{
	if (!containers_paths.record)
		runtime_end_all(ended);
	else if (ended)
		ended();
}

void containers_done(void)
{
	struct containers_paths *paths = &containers_paths;

	if (!paths->record) {
		runtime_done();
		image_done();
		volume_done();
		trash_done();
		cgroup_done();
	}
	free(paths->bundles);
	free(paths->crun);
	free(paths->images);
	free(paths->refs);
	free(paths->claims);
	free(paths->volumes);
	free(paths->trash);
	free(paths->archives);
	free(paths->logs);
	free(paths->monitor);
	free(paths->unpack);
	*paths = (struct containers_paths){ 0 };
}

/* --- the target ----------------------------------------------------------------------------------- */

static void record_step(struct step *step)
{
	if (step->op == STEP_REMOVE)
		have_remove(step->have->kind, step->have->key);
	else
		have_put(object_copy(step->want));
}

static int apply_step(struct step *step)
{
	const struct object *object = step->op == STEP_REMOVE ? step->have : step->want;

	if (object->kind == &object_kind_image)
		return image_apply(step);
	if (object->kind == &object_kind_volume)
		return volume_apply(step);
	return runtime_apply(step);
}

static void run(struct step *step)
{
	if (containers_paths.record)
		record_step(step);
	else
		step->error = apply_step(step);
	step->is_done = step->error == 0;
}

/* Intents only: small files and wake-ups, no step waits for anything. */
static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	return apply_each(steps, count, stop_on_error, run);
}

const struct target containers_target = {
	.name = "containers",
	.apply = apply,
};
