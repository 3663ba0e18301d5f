/*
 * Images of containers. What a reference of configuration resolved to is remembered in a file
 * (refs/CONTAINER.json), so that a boot finds the image unpacked without its archive, and so that the
 * archive is read again only when asked (image_upgrade()).
 *
 * States of an entry: waiting (for its turn: one image is unpacked at a time; or for the next try) →
 * unpacking → ready. A change of the reference goes back to waiting; a container that runs from the
 * old image goes on until the new one is ready.
 */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/state.h"
#include "ashlar/str.h"
#include "image.h"
#include "private.h"
#include "runtime.h"
#include "trash.h"

#define DEADLINE_MS ((uint64_t)15 * 60 * 1000)
#define OUTPUT_MAX  4096
#define REF_MAX	    65536
#define ENTRIES_MAX 4096 /* directory entries looked at in one sweep */

/* Where images named without a path are looked for, after STATE-DIR/containers/oci. */
static const char *const archive_dirs[] = { "/lib/oci", "/usr/lib/oci" };
static const char *const checksum_names[] = {
	[IMAGE_CHECKSUM_NONE] = NULL,
	[IMAGE_CHECKSUM_MD5] = "md5",
	[IMAGE_CHECKSUM_SHA256] = "sha256",
	[IMAGE_CHECKSUM_SHA512] = "sha512",
};

/* What a reference says. */
struct source {
	bool is_layout;
	char *path; /* as written */
	char *tag;  /* may be NULL */
};

struct entry {
	char *name;		  /* the container's */
	struct image *intent;	  /* NULL: not wanted (any more) */
	char *known;		  /* intent_text() of what `unpacked` was made of; may be NULL */
	struct unpacked unpacked; /* digest "" : none */
	enum image_state state;
	char *status; /* of the last try; may be NULL */
	unsigned failures;
	bool is_forced;		  /* read the source although it is known */
	struct loop_timer *timer; /* next try, or the end of the grace */
	struct list queued;	  /* in queue */
};

static struct map entries;
static struct list queue;
static struct child *job;
static struct entry *job_entry; /* NULL: it was given up meanwhile */

static void next_job(void);

/* --- references ------------------------------------------------------------------------------------ */

static void source_done(struct source *source)
{
	free(source->path);
	free(source->tag);
	*source = (struct source){ 0 };
}

static bool is_archive_name(const char *path)
{
	static const char *const endings[] = { ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz",
		".oci" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_ends(path, endings[i]))
			return true;
	return false;
}

static bool has_dot_dot(const char *path)
{
	const char *at = path;

	while ((at = strstr(at, ".."))) {
		if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
			return true;
		at += 2;
	}
	return false;
}

/* "oci-archive:PATH[:TAG]", "oci:PATH[:TAG]", "NAME.tar.gz"; paths are absolute or plain names. */
static bool parse_reference(const char *reference, struct source *ret_source)
{
	const char *path = reference, *tag;
	bool has_transport = true;

	if (str_starts(path, "oci-archive:"))
		path += strlen("oci-archive:");
	else if (str_starts(path, "oci:"))
		path += strlen("oci:");
	else
		has_transport = false;
	tag = strchr(path, ':');
	ret_source->is_layout = str_starts(reference, "oci:");
	ret_source->tag = tag && tag[1] ? xstrdup(tag + 1) : NULL;
	ret_source->path = tag ? xstrndup(path, (size_t)(tag - path)) : xstrdup(path);
	if (ret_source->path[0] && !str_starts(ret_source->path, "//") &&
		!has_dot_dot(ret_source->path) &&
		(has_transport || is_archive_name(ret_source->path)))
		return true;
	source_done(ret_source);
	return false;
}

int image_check_reference(const char *reference, bool has_checksum, struct err *err)
{
	_cleanup_(source_done) struct source source = { 0 };

	if (!parse_reference(reference, &source))
		return err_set(err, -EOPNOTSUPP, NULL,
			"images come from \"oci-archive:/path/file.tar.gz\", \"oci:/path/directory\" or "
			"\"file.tar.gz\", each with \":tag\" behind it if it holds several; not from %s",
			reference);
	if (source.is_layout && has_checksum)
		return err_set(err, -EINVAL, NULL,
			"a checksum is of one file: an archive, not the directory %s", source.path);
	return 0;
}

/* The first place that has it; the last one when none does, for the error to name it. */
static char *find_source(const struct source *source)
{
	char *path;
	size_t i;

	if (source->path[0] == '/')
		return xstrdup(source->path);
	path = file_join(containers_paths.archives, source->path);
	for (i = 0; i < ARRAY_SIZE(archive_dirs) && !file_exists(path); i++) {
		char *other = file_join(archive_dirs[i], source->path);

		if (file_exists(other)) {
			free(path);
			path = other;
		} else {
			free(other);
		}
	}
	return path;
}

/* --- files ----------------------------------------------------------------------------------------- */

static char *intent_text(const struct image *image)
{
	const char *kind = checksum_names[image->checksum_kind];

	return xasprintf("%s %s %s", image->reference, kind ? kind : "-",
		image->checksum ? image->checksum : "-");
}

static char *ref_path(const char *name)
{
	return xasprintf("%s/%s.json", containers_paths.refs, name);
}

char *image_rootfs(const char *digest)
{
	return xasprintf("%s/%s/" UNPACKED_ROOTFS, containers_paths.images, digest);
}

int image_load(const char *digest, struct unpacked *ret_unpacked, struct err *err)
{
	_cleanup_free_ char *path =
		xasprintf("%s/%s/" UNPACKED_FILE, containers_paths.images, digest);
	_cleanup_free_ char *text = NULL;
	size_t size;
	int ret;

	ret = file_read(path, UNPACKED_SIZE_MAX, &text, &size, err);
	return ret < 0 ? ret : unpacked_parse(text, size, ret_unpacked, err);
}

static void save_ref(const struct entry *entry)
{
	_cleanup_free_ char *path = ref_path(entry->name);
	json_t *json =
		json_pack("{s:s, s:s}", "source", entry->known, "digest", entry->unpacked.digest);
	_cleanup_free_ char *text = json_dumps(json, JSON_INDENT(1));
	_cleanup_err_ struct err err = { 0 };

	json_decref(json);
	/* Without it the next boot unpacks again. */
	if (file_write_atomic(path, text, strlen(text), 0600, &err) < 0)
		log_debug("image", "%s", err_text(&err));
}

/* --- entries --------------------------------------------------------------------------------------- */

static void set_status(struct entry *entry, enum image_state state, char *status)
{
	entry->state = state;
	free(entry->status);
	entry->status = status;
}

/* Tells have, and the container that waits for it. */
static void publish(struct entry *entry)
{
	struct image *image;

	if (!entry->intent)
		return;
	image = object_copy(&entry->intent->object);
	image->state = entry->state;
	free(image->status);
	image->status = xstrdup(entry->status);
	memcpy(image->digest, entry->unpacked.digest, sizeof(image->digest));
	memcpy(image->id, entry->unpacked.id, sizeof(image->id));
	have_put(&image->object);
	runtime_kick(entry->name);
}

static void on_timer(void *arg);

static struct entry *entry_get(const char *name)
{
	struct entry *entry = map_get_str(&entries, name);

	if (entry)
		return entry;
	entry = XNEW(struct entry);
	entry->name = xstrdup(name);
	entry->timer = loop_timer_new("image", on_timer, entry);
	map_put_str(&entries, entry->name, entry);
	return entry;
}

static void entry_free(struct entry *entry)
{
	map_del_str(&entries, entry->name);
	list_remove(&entry->queued);
	if (job_entry == entry)
		job_entry = NULL;
	loop_timer_free(entry->timer);
	if (entry->intent)
		object_free(&entry->intent->object);
	unpacked_done(&entry->unpacked);
	free(entry->known);
	free(entry->status);
	free(entry->name);
	free(entry);
}

/* A job for something that is not wanted any more. */
static void give_up_job(struct entry *entry)
{
	list_remove(&entry->queued);
	if (job_entry != entry)
		return;
	child_cancel(TAKE(job));
	job_entry = NULL;
	next_job();
}

static bool is_known(const struct entry *entry)
{
	_cleanup_free_ char *text = intent_text(entry->intent);

	return entry->unpacked.digest[0] && str_equal(entry->known, text);
}

/* Decides what is to be done for what is wanted now. */
static void entry_start(struct entry *entry)
{
	loop_timer_stop(entry->timer);
	give_up_job(entry);
	entry->failures = 0;
	if (is_known(entry) && !entry->is_forced) {
		set_status(entry, IMAGE_READY, NULL);
	} else {
		set_status(entry, IMAGE_WAITING, xstrdup("waiting for its image to be unpacked"));
		list_append(&queue, &entry->queued);
		next_job();
	}
	publish(entry);
}

/* --- the job --------------------------------------------------------------------------------------- */

static void job_failed(struct entry *entry, const char *reason)
{
	uint64_t wait = containers_retry_ms(entry->failures++);

	/* One that is there stays good when reading its source again did not work. */
	if (entry->is_forced && is_known(entry)) {
		entry->is_forced = false;
		set_status(entry, IMAGE_READY, xasprintf("upgrade failed: %s", reason));
	} else {
		set_status(entry, IMAGE_WAITING,
			xasprintf(
				"image: %s; next try in %ju s", reason, (uintmax_t)(wait / 1000)));
		loop_timer_start(entry->timer, wait);
	}
	publish(entry);
}

static void job_succeeded(struct entry *entry, const char *digest)
{
	struct unpacked unpacked = { 0 };
	_cleanup_err_ struct err err = { 0 };

	if (image_load(digest, &unpacked, &err) < 0) {
		job_failed(entry, err_text(&err));
		return;
	}
	unpacked_done(&entry->unpacked);
	entry->unpacked = unpacked;
	free(entry->known);
	entry->known = intent_text(entry->intent);
	entry->failures = 0;
	entry->is_forced = false;
	set_status(entry, IMAGE_READY, NULL);
	save_ref(entry);
	publish(entry);
}

/* The last line that is not empty, in place. */
static char *last_line(char *text)
{
	size_t length = strlen(text);
	char *line;

	while (length && (text[length - 1] == '\n' || text[length - 1] == ' '))
		text[--length] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

static void on_job_done(const struct child_result *result, void *arg)
{
	_cleanup_free_ char *text = xstrdup(result->output);
	struct entry *entry = job_entry;
	char *line = last_line(text);

	job = NULL;
	job_entry = NULL;
	if (entry && result->timed_out)
		job_failed(entry, "unpacking takes longer than 15 minutes");
	else if (entry && result->status == 127)
		job_failed(entry, "the program ashlar-unpack is not installed");
	else if (entry && (result->status != 0 || strlen(line) < OCI_DIGEST_MAX))
		job_failed(entry, line[0] ? line : "unpacking failed");
	else if (entry) {
		line[OCI_DIGEST_MAX - 1] = '\0';
		job_succeeded(entry, line);
	}
	image_sweep();
	next_job();
}

static void start_job(struct entry *entry)
{
	const struct image *intent = entry->intent;
	_cleanup_(source_done) struct source source = { 0 };
	_cleanup_free_ char *path = NULL;
	_cleanup_err_ struct err err = { 0 };

	if (!parse_reference(intent->reference, &source)) {
		job_failed(entry, "its reference is not one that can be fetched");
		return;
	}
	path = find_source(&source);
	{
		const char *checksum = checksum_names[intent->checksum_kind];
		const char *const argv[] = { containers_paths.unpack, "unpack",
			source.is_layout ? "layout" : "archive", path,
			source.tag ? source.tag : "-", checksum ? checksum : "-",
			checksum ? intent->checksum : "-", containers_paths.images, NULL };
		const struct child_opts opts = { .argv = argv,
			.output_max = OUTPUT_MAX,
			.deadline_ms = DEADLINE_MS,
			.done = on_job_done };

		if (child_start(&opts, &job, &err) < 0) {
			job_failed(entry, err_text(&err));
			return;
		}
	}
	job_entry = entry;
	set_status(entry, IMAGE_UNPACKING, xstrdup("unpacking its image"));
	publish(entry);
}

static void next_job(void)
{
	while (!job && !list_empty(&queue)) {
		struct entry *entry = CONTAINER_OF(queue.next, struct entry, queued);

		list_remove(&entry->queued);
		trash_unfinished();
		start_job(entry);
	}
}

/* --- going ----------------------------------------------------------------------------------------- */

static bool is_claimed(const char *digest)
{
	struct entry *entry;
	size_t at = 0;

	while ((entry = map_next(&entries, &at)))
		if (strcmp(entry->unpacked.digest, digest) == 0)
			return true;
	return runtime_uses_image(digest);
}

/* Whether a file of the directory of references names it. */
static bool is_referred_to(const char *refs, const char *digest)
{
	DIR *dir = opendir(refs);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		_cleanup_free_ char *path = file_join(refs, entry->d_name), *text = NULL;
		size_t size;
		json_t *json;

		if (entry->d_name[0] == '.' || file_read(path, REF_MAX, &text, &size, NULL) < 0)
			continue;
		json = json_loadb(text, size, 0, NULL);
		found = str_equal(json_string_value(json_object_get(json, "digest")), digest);
		json_decref(json);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* By what the device can go back to. */
static bool is_claimed_elsewhere(const char *digest)
{
	bool found = false;
	glob_t dirs;

	if (!containers_paths.claims || glob(containers_paths.claims, 0, NULL, &dirs) != 0)
		return false;
	for (size_t i = 0; i < dirs.gl_pathc && !found; i++)
		found = is_referred_to(dirs.gl_pathv[i], digest);
	globfree(&dirs);
	return found;
}

void image_sweep(void)
{
	DIR *dir = opendir(containers_paths.images);
	struct dirent *entry;
	unsigned count = 0;

	while (dir && count++ < ENTRIES_MAX && (entry = readdir(dir))) {
		_cleanup_free_ char *path = file_join(containers_paths.images, entry->d_name);
		_cleanup_err_ struct err err = { 0 };

		/* A dot: the job's own; and what it has published is not claimed yet. */
		if (entry->d_name[0] == '.' || job || is_claimed(entry->d_name) ||
			is_claimed_elsewhere(entry->d_name))
			continue;
		if (trash_put(path, &err) < 0)
			log_debug("image", "%s", err_text(&err));
	}
	if (dir)
		closedir(dir);
}

static void forget(struct entry *entry)
{
	_cleanup_free_ char *name = xstrdup(entry->name);
	_cleanup_free_ char *ref = ref_path(name);
	_cleanup_free_ char *marker = containers_bundle(name, IMAGE_MARKER);

	(void)unlink(ref); /* absent if it was never ready */
	entry_free(entry);
	image_sweep();
	(void)unlink(marker);
	containers_drop_bundle(name);
}

static void on_timer(void *arg)
{
	struct entry *entry = arg;

	if (!entry->intent && containers_paths.is_settled) {
		forget(entry);
		return;
	}
	if (!entry->intent) {
		loop_timer_start(entry->timer, CONTAINERS_RETRY_MIN_MS);
		return;
	}
	list_append(&queue, &entry->queued);
	next_job();
}

/* --- steps ------------------------------------------------------------------------------------------ */

static int save_marker(const struct image *image, bool is_doomed, struct err *err)
{
	_cleanup_free_ char *marker = containers_bundle(image->object.key, IMAGE_MARKER);
	json_t *json = json_pack("{s:s, s:i, s:s, s:b}", "reference", image->reference,
		"checksum_kind", (int)image->checksum_kind, "checksum",
		image->checksum ? image->checksum : "", CONTAINERS_DOOMED, (int)is_doomed);
	_cleanup_free_ char *text = json_dumps(json, 0);
	int ret;

	json_decref(json);
	if (!text)
		return err_set(err, -EINVAL, NULL, "the image's reference is not UTF-8");
	ret = containers_make_bundle(image->object.key, err);
	return ret < 0 ? ret : containers_save(marker, text, err);
}

static int image_want(const struct image *want, struct err *err)
{
	struct entry *entry;
	int ret;

	ret = save_marker(want, false, err);
	if (ret < 0)
		return ret;
	entry = entry_get(want->object.key);
	if (entry->intent)
		object_free(&entry->intent->object);
	entry->intent = object_copy(&want->object);
	entry_start(entry);
	return 0;
}

int image_apply(struct step *step)
{
	struct entry *entry;
	int ret;

	if (step->op != STEP_REMOVE)
		return image_want((const struct image *)step->want, &step->err);
	entry = map_get_str(&entries, step->have->key);
	if (entry && entry->intent) {
		ret = save_marker(entry->intent, true, &step->err);
		if (ret < 0)
			return ret;
		give_up_job(entry);
		object_free(&TAKE(entry->intent)->object);
		loop_timer_start(entry->timer, CONTAINERS_GRACE_MS);
	}
	have_remove(&object_kind_image, step->have->key);
	return 0;
}

int image_upgrade(const char *name, struct err *err)
{
	struct entry *entry = containers_paths.record ? NULL : map_get_str(&entries, name);

	if (!entry || !entry->intent)
		return err_set(err, -ENOENT, NULL, "there is no container %s", name);
	entry->is_forced = true;
	entry_start(entry);
	return 0;
}

const struct unpacked *image_ready(const char *container, const char **ret_status)
{
	struct entry *entry = map_get_str(&entries, container);

	*ret_status = entry ? entry->status : "waiting for its image";
	/* While its source is read again, an image that is known stays good. */
	if (!entry || !entry->intent || !is_known(entry))
		return NULL;
	return &entry->unpacked;
}

/* --- life ------------------------------------------------------------------------------------------- */

static void load_ref(const char *name)
{
	_cleanup_free_ char *path = ref_path(name);
	json_t *json = containers_load(path);
	const char *known = json_string_value(json_object_get(json, "source"));
	const char *digest = json_string_value(json_object_get(json, "digest"));
	struct unpacked unpacked = { 0 };
	struct entry *entry;

	if (known && digest && strlen(digest) == OCI_DIGEST_MAX - 1 && !strchr(digest, '/') &&
		image_load(digest, &unpacked, NULL) == 0) {
		entry = entry_get(name);
		entry->known = xstrdup(known);
		entry->unpacked = unpacked;
	}
	json_decref(json);
}

void image_adopt(const char *container)
{
	_cleanup_free_ char *marker = containers_bundle(container, IMAGE_MARKER);
	json_t *json = containers_load(marker);
	json_int_t kind = json_integer_value(json_object_get(json, "checksum_kind"));
	const char *reference = json_string_value(json_object_get(json, "reference"));
	const char *checksum = json_string_value(json_object_get(json, "checksum"));
	bool is_doomed = json_is_true(json_object_get(json, CONTAINERS_DOOMED));
	struct entry *entry = entry_get(container);
	struct image *image;

	if (is_doomed) {
		json_decref(json);
		loop_timer_start(entry->timer, CONTAINERS_GRACE_MS);
		return;
	}
	image = object_new(&object_kind_image, container);
	/* A damaged marker still names an image that exists; compare() will find it different. */
	image->reference = xstrdup(reference ? reference : "");
	if (kind > IMAGE_CHECKSUM_NONE && kind <= IMAGE_CHECKSUM_SHA512)
		image->checksum_kind = (enum image_checksum)kind;
	image->checksum = checksum && checksum[0] ? xstrdup(checksum) : NULL;
	json_decref(json);
	entry->intent = image;
	entry_start(entry);
}

void image_disown(const char *container)
{
	struct entry *entry = map_get_str(&entries, container);
	_cleanup_free_ char *marker = containers_bundle(container, IMAGE_MARKER);

	if (entry && entry->intent) {
		give_up_job(entry);
		loop_timer_stop(entry->timer);
		object_free(&TAKE(entry->intent)->object);
	}
	(void)unlink(marker);
	containers_drop_bundle(container);
	have_remove(&object_kind_image, container);
}

void image_init(void)
{
	DIR *dir = opendir(containers_paths.refs);
	struct dirent *entry;

	list_init(&queue);
	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *name = xstrdup(entry->d_name);

		if (name[0] == '.' || !str_ends(name, ".json"))
			continue;
		name[strlen(name) - strlen(".json")] = '\0';
		load_ref(name);
	}
	if (dir)
		closedir(dir);
}

void image_done(void)
{
	struct entry *entry;
	size_t at = 0;

	child_cancel(TAKE(job));
	job_entry = NULL;
	while ((entry = map_next(&entries, &at)))
		entry_free(entry);
	map_done(&entries);
	entries = (struct map){ 0 };
}

/* --- the kind --------------------------------------------------------------------------------------- */

static enum object_diff image_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	_cleanup_free_ char *wanted = intent_text((const struct image *)want);
	_cleanup_free_ char *there = intent_text((const struct image *)have);

	return strcmp(wanted, there) == 0 ? OBJECT_SAME : OBJECT_CHANGE;
}

static void image_copy(struct object *to, const struct object *from)
{
	const struct image *image = (const struct image *)from;
	struct image *copy = (struct image *)to;

	copy->reference = xstrdup(image->reference);
	copy->checksum = xstrdup(image->checksum);
	copy->status = xstrdup(image->status);
}

static void image_object_done(struct object *object)
{
	struct image *image = (struct image *)object;

	free(image->reference);
	free(image->checksum);
	free(image->status);
}

static void image_describe(const struct object *object, char *text, size_t size)
{
	const struct image *image = (const struct image *)object;

	(void)snprintf(text, size, "image %s of container %s", image->reference, object->key);
}

const struct object_kind object_kind_image = {
	.name = "image",
	.rank = CONTAINERS_RANK,
	.size = sizeof(struct image),
	.target = &containers_target,
	.compare = image_compare,
	.copy = image_copy,
	.done = image_object_done,
	.describe = image_describe,
};
