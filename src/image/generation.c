/* Generations: directories that appear and go as a whole, and a link to the one that counts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/generation.h"
#include "ashlar/str.h"

#define CURRENT	      "current"
#define RECORD	      "record.json"
#define RECORD_MAX    (1024 * 1024)
#define CONTAINER_END ".json"
#define FILE_MAX      (256 * 1024 * 1024) /* of what is copied */
#define LISTED_MAX    1000

static int fail(struct err *err, int code, const char *what, const char *path)
{
	return err_set(err, code, NULL, "cannot %s %s: %s", what, path, strerror(-code));
}

char *generation_path(const char *dir, uint32_t number)
{
	return xasprintf("%s/%u", dir, number);
}

void generation_done(struct generation *generation)
{
	free(generation->image);
	free(generation->version);
	free(generation->time);
	free(generation->reason);
	free(generation->who);
	for (size_t i = 0; i < generation->container_count; i++) {
		free(generation->containers[i].name);
		free(generation->containers[i].image);
		free(generation->containers[i].digest);
	}
	free(generation->containers);
	*generation = (struct generation){ 0 };
}

void generation_list_free(struct generation *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		generation_done(&list[i]);
	free(list);
}

/* --- records -------------------------------------------------------------------------------------- */

static char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return xstrdup(text ? text : "");
}

/* What the containers' part of the daemon keeps beside the configuration. */
static void read_container(const char *dir, const char *file, struct generation *generation)
{
	_cleanup_free_ char *path = file_join(dir, file), *text = NULL, *source = NULL;
	struct generation_container *container;
	json_t *json = NULL;
	size_t size;

	if (file_read(path, RECORD_MAX, &text, &size, NULL) == 0)
		json = json_loadb(text, size, 0, NULL);
	if (json_is_object(json)) {
		source = text_of(json, "source"); /* "REFERENCE CHECKSUM-KIND CHECKSUM" */
		container = &generation->containers[generation->container_count++];
		*container = (struct generation_container){
			.name = xstrndup(file, strlen(file) - strlen(CONTAINER_END)),
			.image = xstrndup(source, strcspn(source, " ")),
			.digest = text_of(json, "digest"),
		};
	}
	json_decref(json);
}

static void read_containers(const char *path, struct generation *generation)
{
	_cleanup_free_ char *dir = file_join(path, GENERATION_CONTAINERS);
	DIR *stream = opendir(dir);
	struct dirent *entry;
	size_t room = 0;

	while (stream && generation->container_count < GENERATION_CONTAINERS_MAX &&
		(entry = readdir(stream))) {
		if (entry->d_name[0] == '.' || !str_ends(entry->d_name, CONTAINER_END))
			continue;
		ARRAY_GROW(generation->containers, generation->container_count, room);
		read_container(dir, entry->d_name, generation);
	}
	if (stream)
		closedir(stream);
}

int generation_read(
	const char *dir, uint32_t number, struct generation *ret_generation, struct err *err)
{
	_cleanup_free_ char *path = generation_path(dir, number);
	_cleanup_free_ char *record = file_join(path, RECORD), *mark = NULL, *text = NULL;
	json_t *json;
	size_t size;
	int r = file_read(record, RECORD_MAX, &text, &size, err);

	if (r < 0)
		return r;
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return fail(err, -EBADMSG, "read", record);
	}
	mark = file_join(path, GENERATION_TRIAL);
	*ret_generation = (struct generation){
		.number = number,
		.is_trial = file_exists(mark),
		.image = text_of(json, "image"),
		.version = text_of(json, "version"),
		.time = text_of(json, "time"),
		.reason = text_of(json, "reason"),
		.who = text_of(json, "who"),
	};
	read_containers(path, ret_generation);
	json_decref(json);
	return 0;
}

static json_t *make_text(const char *text)
{
	return json_string(text ? text : "");
}

static int write_record(const char *path, const struct generation *generation, struct err *err)
{
	_cleanup_free_ char *record = file_join(path, RECORD), *text = NULL;
	json_t *json = json_object();

	json_object_set_new(json, "number", json_integer(generation->number));
	json_object_set_new(json, "image", make_text(generation->image));
	json_object_set_new(json, "version", make_text(generation->version));
	json_object_set_new(json, "time", make_text(generation->time));
	json_object_set_new(json, "reason", make_text(generation->reason));
	json_object_set_new(json, "who", make_text(generation->who));
	text = json_dumps(json, JSON_INDENT(2));
	json_decref(json);
	if (!text) /* what is no UTF-8 */
		return fail(err, -EINVAL, "write", record);
	return file_write_atomic(record, text, strlen(text), 0600, err);
}

/* --- which there are ------------------------------------------------------------------------------ */

/* The number that is all of @name; 0: it is none. */
static uint32_t number_of(const char *name)
{
	uint64_t number;

	return *name != '0' && str_u64(name, 1, UINT32_MAX, &number) == 0 ? (uint32_t)number : 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return first < second ? -1 : first > second;
}

/* The numbers of the directories, lowest first, with or without a record. */
static int list_numbers(const char *dir, uint32_t **ret_numbers, size_t *ret_count, struct err *err)
{
	_cleanup_free_ uint32_t *numbers = NULL;
	size_t count = 0, room = 0;
	struct dirent *entry;
	DIR *stream = opendir(dir);

	*ret_numbers = NULL;
	*ret_count = 0;
	if (!stream)
		return errno == ENOENT ? 0 : fail(err, -errno, "read", dir);
	while (count < LISTED_MAX && (entry = readdir(stream))) {
		uint32_t number = number_of(entry->d_name);

		if (number) {
			ARRAY_GROW(numbers, count, room);
			numbers[count++] = number;
		}
	}
	closedir(stream);
	if (count)
		qsort(numbers, count, sizeof(*numbers), by_number);
	*ret_numbers = TAKE(numbers);
	*ret_count = count;
	return 0;
}

int generation_list(
	const char *dir, struct generation **ret_list, size_t *ret_count, struct err *err)
{
	_cleanup_free_ uint32_t *numbers = NULL;
	struct generation *list;
	size_t count, found = 0;
	int r = list_numbers(dir, &numbers, &count, err);

	if (r < 0)
		return r;
	list = xcalloc(count ? count : 1, sizeof(*list));
	for (size_t i = 0; i < count; i++)
		if (generation_read(dir, numbers[i], &list[found], NULL) == 0)
			found++;
	*ret_list = list;
	*ret_count = found;
	return 0;
}

int generation_current(const char *dir, uint32_t *ret_number, struct err *err)
{
	_cleanup_free_ char *path = file_join(dir, CURRENT);
	char name[32];
	ssize_t length = readlink(path, name, sizeof(name) - 1);

	if (length < 0)
		return fail(err, -errno, "read", path);
	name[length] = '\0';
	if (!number_of(name))
		return fail(err, -EBADMSG, "read", path);
	*ret_number = number_of(name);
	return 0;
}

/* --- changes -------------------------------------------------------------------------------------- */

int generation_switch(const char *dir, uint32_t number, struct err *err)
{
	_cleanup_free_ char *path = file_join(dir, CURRENT), *fresh = file_join(dir, ".current");
	_cleanup_free_ char *record = xasprintf("%s/%u/" RECORD, dir, number);
	char name[16];
	int r = 0;

	if (!file_exists(record))
		return fail(err, -ENOENT, "find", record);
	snprintf(name, sizeof(name), "%u", number);
	(void)unlink(fresh); /* left by a power cut */
	if (symlink(name, fresh) < 0 || rename(fresh, path) < 0)
		r = -errno;
	if (r == 0)
		r = file_fsync_dir(dir);
	return r < 0 ? fail(err, r, "switch", path) : 0;
}

static int copy_file(const char *from, const char *to, mode_t mode, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r = file_read(from, FILE_MAX, &data, &size, err);

	return r < 0 ? r : file_write_atomic(to, data, size, mode & 0777, err);
}

/* Its own record and mark each has for itself. */
static bool is_copied(const char *name)
{
	return name[0] != '.' && !str_equal(name, RECORD) && !str_equal(name, GENERATION_TRIAL);
}

static int copy_files(const char *from, const char *to, struct err *err)
{
	DIR *stream = opendir(from);
	struct dirent *entry;
	int r = 0;

	if (!stream)
		return errno == ENOENT ? 0 : fail(err, -errno, "read", from);
	while (r == 0 && (entry = readdir(stream))) {
		_cleanup_free_ char *source = file_join(from, entry->d_name);
		_cleanup_free_ char *target = file_join(to, entry->d_name);
		struct stat st;

		if (is_copied(entry->d_name) && lstat(source, &st) == 0 && S_ISREG(st.st_mode))
			r = copy_file(source, target, st.st_mode, err);
	}
	closedir(stream);
	return r;
}

static int copy_containers(const char *from, const char *to, struct err *err)
{
	_cleanup_free_ char *source = file_join(from, GENERATION_CONTAINERS);
	_cleanup_free_ char *target = file_join(to, GENERATION_CONTAINERS);

	if (mkdir(target, 0700) < 0)
		return fail(err, -errno, "make", target);
	return copy_files(source, target, err);
}

/* The mark: what the installer has said of it, if it has. */
static int write_mark(const char *dir, const char *path, struct err *err)
{
	_cleanup_free_ char *said = file_join(dir, GENERATION_TRIAL);
	_cleanup_free_ char *mark = file_join(path, GENERATION_TRIAL), *text = NULL;
	size_t size = 0;
	int r = file_read(said, RECORD_MAX, &text, &size, NULL);

	return file_write_atomic(mark, r < 0 ? "" : text, size, 0600, err);
}

static int fill(const char *dir, const char *path, uint32_t from,
	const struct generation *generation, struct err *err)
{
	_cleanup_free_ char *source = generation_path(dir, from);
	int r = file_remove_tree(path, err);

	if (r == 0 && mkdir(path, 0700) < 0)
		r = fail(err, -errno, "make", path);
	if (r == 0 && from)
		r = copy_files(source, path, err);
	if (r == 0)
		r = copy_containers(source, path, err);
	if (r == 0)
		r = write_record(path, generation, err);
	if (r == 0 && generation->is_trial)
		r = write_mark(dir, path, err);
	return r;
}

int generation_make(const char *dir, uint32_t from, struct generation *generation, struct err *err)
{
	_cleanup_free_ char *fresh = file_join(dir, ".new"), *path = NULL;
	_cleanup_free_ uint32_t *numbers = NULL;
	char now[CLOCK_TEXT_MAX];
	size_t count;
	int r = file_make_dirs(dir, 0700, err);

	if (r == 0)
		r = list_numbers(dir, &numbers, &count, err);
	if (r < 0)
		return r;
	generation->number = count ? numbers[count - 1] + 1 : 1;
	clock_text(now, time(NULL));
	free(generation->time);
	generation->time = xstrdup(now);
	r = fill(dir, fresh, from, generation, err);
	if (r < 0)
		return r;
	path = generation_path(dir, generation->number);
	if (rename(fresh, path) < 0)
		r = -errno;
	if (r == 0)
		r = file_fsync_dir(dir);
	return r < 0 ? fail(err, r, "make", path) : 0;
}

int generation_confirm(const char *dir, uint32_t number, struct err *err)
{
	_cleanup_free_ char *path = generation_path(dir, number);
	_cleanup_free_ char *mark = file_join(path, GENERATION_TRIAL);
	int r = unlink(mark) < 0 && errno != ENOENT ? -errno : file_fsync_dir(path);

	return r < 0 ? fail(err, r, "confirm", path) : 0;
}

/* First out of sight, as a whole. */
static int drop(const char *dir, uint32_t number, struct err *err)
{
	_cleanup_free_ char *path = generation_path(dir, number), *old = file_join(dir, ".old");
	int r = file_remove_tree(old, err);

	if (r == 0 && rename(path, old) < 0)
		r = fail(err, -errno, "remove", path);
	if (r == 0 && file_fsync_dir(dir) < 0)
		r = fail(err, -EIO, "remove", path);
	return r == 0 ? file_remove_tree(old, err) : r;
}

/* Of no use to anybody: a trial that is over, or what has no record. */
static bool is_over(const char *dir, uint32_t number)
{
	_cleanup_generation_ struct generation generation = { 0 };

	return generation_read(dir, number, &generation, NULL) < 0 || generation.is_trial;
}

int generation_tidy(const char *dir, uint32_t running, struct err *err)
{
	_cleanup_free_ char *fresh = file_join(dir, ".new"), *old = file_join(dir, ".old");
	_cleanup_free_ uint32_t *numbers = NULL;
	uint32_t current;
	size_t count, left;
	int r = list_numbers(dir, &numbers, &count, err);

	if (r == 0 && generation_current(dir, &current, NULL) < 0)
		current = 0; /* all are kept that are not over */
	if (r == 0)
		r = file_remove_tree(fresh, err);
	if (r == 0)
		r = file_remove_tree(old, err);
	left = count;
	for (size_t i = 0; r == 0 && i < count; i++)
		if (numbers[i] != running && numbers[i] != current &&
			(left > GENERATION_MAX || is_over(dir, numbers[i]))) {
			r = drop(dir, numbers[i], err);
			left--;
		}
	return r;
}
