/*
 * ashlar-install: puts an upgrade into a slot, for the daemon, which neither waits nor reads what strangers
 * send. Its order, a JSON object, comes by standard input (see installer.c); what it has to say goes to
 * standard output, one JSON object a line:
 *
 *	{"release": {…}}                   the bundle is verified: what it is, how the modules change
 *	{"percentage": 17, "message": …}   how far it is
 *	{"error": {"code", "tag", "path", "message"}}  it has failed
 *	{"done": "trial"}                  the slot may be tried; "test": it could be installed
 *
 * What the slot's header says, and when: "empty", on disk, before the first byte is written; "trial" when
 * everything is on disk, has been read back, and the new image has taken the configuration; "failed" when it
 * has not. Whenever the power goes, the slot is one of these.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <mbedtls/md.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/slot.h"
#include "ashlar/str.h"

#include "bundle-frame.h"
#include "install.h"

#define ORDER_MAX   ((size_t)8 << 20)
#define ANCHORS_MAX ((size_t)1 << 20)
#define READ_STEP   ((size_t)1 << 20)
#define FILE_SCHEME "file:"

/* How much of the whole each step is, in per cent: where it begins. */
enum {
	AT_WRITING = 2,
	AT_READING = 80,
	AT_BOOT = 88,
	AT_CHECK = 92,
	AT_END = 100,
};

struct install {
	struct install_job job;
	char *anchors, *device;
	struct release ours;
	struct transfer_trust trust;
	struct manifest manifest;
	struct slot_header header;
	int source, slot, boot; /* boot.efi is kept in memory until all is verified */
	int from_writer, to_writer;
	int percentage;
};

/* --- telling -------------------------------------------------------------------------------------- */

static void tell(json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);

	printf("%s\n", text);
	fflush(stdout);
	free(text);
	json_decref(line);
}

static void tell_progress(struct install *install, int percentage, const char *message)
{
	if (percentage == install->percentage)
		return;
	install->percentage = percentage;
	tell(json_pack("{s:i, s:s}", "percentage", percentage, "message", message));
}

static void tell_error(const struct err *err)
{
	tell(json_pack("{s:{s:i, s:s, s:s*, s:s}}", "error", "code", err->code, "tag",
		err_tag_name(err_effective_tag(err)), "path", err->path, "message", err_text(err)));
}

static void add_module(const char *name, const char *old, const char *new, void *arg)
{
	json_array_append_new(
		arg, json_pack("{s:s, s:s*, s:s*}", "name", name, "old", old, "new", new));
}

static void tell_release(const struct install *install)
{
	const struct release *release = &install->manifest.release;
	json_t *modules = json_array();

	release_compare(&install->ours, release, add_module, modules);
	tell(json_pack("{s:{s:s, s:s, s:i, s:I, s:o}}", "release", "version", release->version,
		"compatible", release->compatible, "security-counter", (int)release->security,
		"size", (json_int_t)install->manifest.files[MANIFEST_ROOT].size, "modules",
		modules));
}

/* --- the two other processes ------------------------------------------------------------------------ */

/* An empty root that nothing can be made in: a directory that is gone. */
static int enter_nowhere(void)
{
	char path[] = "/tmp/ashlar-install-XXXXXX";

	if (!mkdtemp(path))
		return -errno;
	if (chdir(path) < 0 || rmdir(path) < 0 || chroot(".") < 0)
		return -errno;
	return 0;
}

/* Who reads a stranger's bytes has no rights, and, if it needs no network, sees nothing either. */
static int confine(bool is_alone)
{
	struct rlimit none = { 0, 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail for a valid signal */
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	if (is_alone && geteuid() == 0) {
		if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS) < 0)
			return -errno;
		if (enter_nowhere() < 0)
			return -EIO;
	}
	return transfer_drop_privileges();
}

static int start_fetcher(struct install *install, int out, const int *others, size_t count)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : 0;
	for (size_t i = 0; i < count; i++)
		close(others[i]);
	close(install->slot);
	close(install->boot);
	if (confine(install->source >= 0) < 0)
		_exit(1);
	_exit(install_fetch(install->job.url, install->source, &install->trust, out));
}

static int start_writer(
	struct install *install, const struct install_ends *ends, const int *others, size_t count)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : 0;
	for (size_t i = 0; i < count; i++)
		close(others[i]);
	if (confine(true) < 0)
		_exit(1);
	_exit(install_write(ends, install->anchors));
}

static int start_both(struct install *install, struct err *err)
{
	int bundle[2] = { -1, -1 }, said[2] = { -1, -1 }, go[2] = { -1, -1 }, r = 0;

	if (pipe2(bundle, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0) {
		const int others[] = { bundle[0], said[0], said[1], go[0], go[1] };

		r = start_fetcher(install, bundle[1], others, ARRAY_SIZE(others));
	}
	if (r == 0) {
		const struct install_ends ends = { bundle[0], said[1], go[0],
			{ [MANIFEST_BOOT] = install->boot, [MANIFEST_ROOT] = install->slot } };
		const int others[] = { bundle[1], said[0], go[1] };

		r = start_writer(install, &ends, others, ARRAY_SIZE(others));
	}
	close(bundle[0]);
	close(bundle[1]);
	close(said[1]);
	close(go[0]);
	install->from_writer = said[0];
	install->to_writer = go[1];
	return r < 0 ? err_set(err, r, NULL, "cannot begin: %s", strerror(-r)) : 0;
}

/* The next word of the writer, which must be @name. */
static int hear(struct install *install, const char *name, struct frame *ret_frame, struct err *err)
{
	int r = frame_read(install->from_writer, ret_frame);

	if (r > 0 && str_equal(ret_frame->name, FRAME_ERROR))
		return frame_read_error(install->from_writer, ret_frame, err);
	if (r <= 0 || !str_equal(ret_frame->name, name))
		return err_set(err, -EIO, NULL, "the installation has ended without a word");
	return 0;
}

static int hear_manifest(struct install *install, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct frame frame;
	int r = hear(install, FRAME_MANIFEST, &frame, err);

	if (r == 0 && frame_read_text(install->from_writer, &frame, MANIFEST_MAX, &text) < 0)
		r = err_set(err, -EIO, NULL, "the manifest was not told");
	return r < 0 ? r : manifest_parse(text, (size_t)frame.size, &install->manifest, err);
}

static int hear_writing(struct install *install, struct err *err)
{
	uint64_t total = install->manifest.files[MANIFEST_BOOT].size +
		install->manifest.files[MANIFEST_ROOT].size;
	struct frame frame;
	int r;

	for (;;) {
		r = frame_read(install->from_writer, &frame);
		if (r > 0 && str_equal(frame.name, FRAME_WRITTEN) && frame.size <= total) {
			tell_progress(install,
				AT_WRITING + (int)(frame.size * (AT_READING - AT_WRITING) / total),
				"writing");
			continue;
		}
		if (r > 0 && str_equal(frame.name, FRAME_DONE))
			return 0;
		if (r > 0 && str_equal(frame.name, FRAME_ERROR))
			return frame_read_error(install->from_writer, &frame, err);
		return err_set(err, -EIO, NULL, "the installation has ended without a word");
	}
}

/* --- before anything is written --------------------------------------------------------------------- */

/* "file:///PATH" or "file:/PATH": the daemon's own eyes, before they are closed. */
static int open_source(struct install *install, struct err *err)
{
	const char *path = install->job.url;
	struct stat st;

	install->source = -1;
	if (!str_starts(path, FILE_SCHEME))
		return 0;
	path += strlen(FILE_SCHEME);
	if (str_starts(path, "//localhost/"))
		path += strlen("//localhost");
	else if (str_starts(path, "///"))
		path += strlen("//");
	if (*path != '/')
		return err_set(err, -EINVAL, "url", "the URL is not of the form file:///PATH");
	install->source = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (install->source < 0 || fstat(install->source, &st) < 0)
		return err_set(err, -errno, "url", "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "url", "%s is not a file", path);
	return 0;
}

/* Of a block device O_EXCL refuses one that is in use: the slot that we run from. */
static int open_slot(struct install *install, struct err *err)
{
	struct stat st;
	int flags = O_RDWR | O_CLOEXEC;

	install->device = slot_path(install->job.slot_dir, install->job.slot);
	if (stat(install->device, &st) == 0 && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	install->slot = open(install->device, flags);
	if (install->slot < 0)
		return err_set(err, -errno, NULL, "slot %s: %s", install->job.slot,
			errno == EBUSY ? "it is in use" : strerror(errno));
	install->boot = memfd_create("boot.efi", MFD_CLOEXEC);
	if (install->boot < 0)
		return err_set(err, -errno, NULL, "boot.efi: %s", strerror(errno));
	return slot_read(install->device, &install->header, err);
}

static int read_ours(struct install *install, struct err *err)
{
	_cleanup_free_ char *release = file_join(install->job.share_dir, "release.json");
	_cleanup_free_ char *anchors = file_join(install->job.share_dir, "update-ca.crt");
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = file_read(release, MANIFEST_MAX, &text, &size, err);

	if (r == 0)
		r = release_parse(text, size, &install->ours, err);
	if (r < 0)
		return err_wrap(err, "this is no image that takes upgrades");
	r = file_read(anchors, ANCHORS_MAX, &install->anchors, &size, err);
	if (r == -ENOENT)
		return err_set(err, -ENOKEY, NULL,
			"this image trusts nobody: it was made without an authority for upgrades");
	return r;
}

static int prepare(struct install *install, struct err *err)
{
	const char *authorities = install->job.authorities;
	int r = open_source(install, err);

	if (r == 0)
		r = read_ours(install, err);
	if (r == 0)
		r = open_slot(install, err);
	if (r == 0 &&
		transfer_trust_read(
			authorities, authorities ? strlen(authorities) : 0, &install->trust) < 0)
		r = err_set(err, -EIO, NULL, "the certificates to trust cannot be read");
	return r;
}

/* Both places have room, before one is touched. */
static int check_room(const struct install *install, struct err *err)
{
	uint64_t size = install->manifest.files[MANIFEST_ROOT].size;
	uint64_t boot_size = 2 * install->manifest.files[MANIFEST_BOOT].size; /* and its parts */
	uint64_t room = slot_room(install->device), boot_room = 0;
	int r;

	if (size > room)
		return err_set(err, -ENOSPC, NULL,
			"the image has %" PRIu64 " bytes, slot %s has room for %" PRIu64, size,
			install->job.slot, room);
	r = install_boot_room(&install->job, &boot_room, err);
	if (r == 0 && boot_size > boot_room)
		r = err_set(err, -ENOSPC, NULL,
			"the boot partition has room for %" PRIu64 " bytes, not for %" PRIu64,
			boot_room, boot_size);
	return r;
}

/* --- writing ------------------------------------------------------------------------------------------ */

static int set_state(
	struct install *install, enum slot_state state, const char *reason, struct err *err)
{
	slot_set(&install->header, state, "%s", reason);
	return slot_write(install->device, &install->header, err);
}

/* From the disk, not from memory. */
static int read_back(struct install *install, struct err *err)
{
	const struct manifest_file *file = &install->manifest.files[MANIFEST_ROOT];
	_cleanup_free_ uint8_t *bytes = xmalloc(READ_STEP);
	mbedtls_md_context_t context;
	uint8_t hash[MANIFEST_DIGEST];
	uint64_t at = 0;
	int r = 0;

	if (fsync(install->slot) < 0)
		return err_set(
			err, -errno, NULL, "slot %s: %s", install->job.slot, strerror(errno));
	(void)posix_fadvise(install->slot, 0, 0, POSIX_FADV_DONTNEED);
	mbedtls_md_init(&context);
	if (mbedtls_md_setup(&context, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0) != 0 ||
		mbedtls_md_starts(&context) != 0)
		r = err_set(err, -EIO, NULL, "no digest can be made");
	while (r == 0 && at < file->size) {
		size_t size = file->size - at < READ_STEP ? (size_t)(file->size - at) : READ_STEP;
		ssize_t got = pread(install->slot, bytes, size, (off_t)at);

		if (got <= 0 && errno != EINTR)
			r = err_set(err, -EIO, NULL, "slot %s cannot be read", install->job.slot);
		if (got > 0 && mbedtls_md_update(&context, bytes, (size_t)got) == 0)
			at += (uint64_t)got;
		tell_progress(install, AT_READING + (int)(at * (AT_BOOT - AT_READING) / file->size),
			"reading back");
	}
	if (r == 0 &&
		(mbedtls_md_finish(&context, hash) != 0 ||
			memcmp(hash, file->sha256, sizeof(hash)) != 0))
		r = err_set(err, -EIO, NULL, "slot %s does not keep what is written to it",
			install->job.slot);
	mbedtls_md_free(&context);
	return r;
}

static int write_boot(struct install *install, struct err *err)
{
	size_t size = (size_t)install->manifest.files[MANIFEST_BOOT].size;
	void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, install->boot, 0);
	int r;

	if (data == MAP_FAILED)
		return err_set(err, -errno, NULL, "boot.efi: %s", strerror(errno));
	tell_progress(install, AT_BOOT, "writing what starts it");
	r = install_boot(&install->job, data, size, err);
	(void)munmap(data, size);
	return r;
}

static void describe(struct install *install)
{
	const struct manifest *manifest = &install->manifest;
	struct slot_header *header = &install->header;

	header->attempts = 0;
	header->generation = 0;
	header->size = manifest->files[MANIFEST_ROOT].size;
	memcpy(header->sha256, manifest->files[MANIFEST_ROOT].sha256, sizeof(header->sha256));
	memcpy(header->root_hash, manifest->root_hash, sizeof(header->root_hash));
	header->security = manifest->release.security;
	header->installed = (int64_t)time(NULL);
	header->installed_count++;
	(void)!str_copy(header->version, sizeof(header->version), manifest->release.version);
	(void)!str_copy(
		header->compatible, sizeof(header->compatible), manifest->release.compatible);
}

/* Only when nobody has it any more can it be mounted. */
static void release_slot(struct install *install)
{
	close(TAKE_FD(install->slot));
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

/*
 * The next start tries the slot, once; the terms of the trial are there before that. Whatever was to be tried
 * before is forgotten.
 */
static int arm(struct install *install, struct err *err)
{
	_cleanup_free_ char *text = json_dumps(install->job.trial, JSON_COMPACT);
	_cleanup_free_ char *dir = xstrdup(install->job.trial_path);
	int r;

	*strrchr(dir, '/') = '\0';
	r = file_make_dirs(dir, 0700, err);
	if (r == 0)
		r = file_write_atomic(install->job.trial_path, text, strlen(text), 0600, err);
	return r < 0 ? r : install_boot_try(&install->job, err);
}

/* What it says of the configuration. The slot is unusable when it refuses; what is forced is tried. */
static int finish(struct install *install, struct err *err)
{
	_cleanup_err_ struct err refusal = { 0 };
	_cleanup_free_ char *reason = NULL;
	int r;

	tell_progress(install, AT_CHECK, "asking the new image about the configuration");
	release_slot(install);
	r = install_check(&install->job, install->device, &install->manifest, &refusal);
	describe(install);
	if (r == 0 || install->job.is_forced) {
		reason =
			r == 0 ? xstrdup("installed") : xasprintf("forced: %s", err_text(&refusal));
		r = set_state(install, SLOT_STATE_TRIAL, reason, err);
		return r < 0 ? r : arm(install, err);
	}
	reason = xasprintf("%s%s%s", refusal.path ? refusal.path : "", refusal.path ? ": " : "",
		err_text(&refusal));
	r = set_state(install, SLOT_STATE_FAILED, reason, err);
	return r < 0 ? r : err_move(err, &refusal);
}

static int write_all(struct install *install, struct err *err)
{
	int r = set_state(install, SLOT_STATE_EMPTY, "being installed", err);

	if (r == 0 && file_write_all(install->to_writer, "y", 1) < 0)
		r = err_set(err, -EIO, NULL, "the installation has ended without a word");
	if (r == 0)
		r = hear_writing(install, err);
	if (r == 0)
		r = read_back(install, err);
	if (r == 0)
		r = write_boot(install, err);
	if (r < 0) /* it is empty already: only why is to be added */
		(void)!set_state(install, SLOT_STATE_EMPTY, err_text(err), NULL);
	return r < 0 ? r : finish(install, err);
}

/* A bundle that is refused is a wrong value of the order's URL. */
static int refuse_url(struct err *err)
{
	err_prefix(err, "url");
	if (err->code == -EBADMSG || err->code == -EPERM)
		err->tag = ERR_TAG_INVALID_VALUE;
	return err->code;
}

static int run(struct install *install, struct err *err)
{
	int r = prepare(install, err);

	if (r == 0)
		r = start_both(install, err);
	if (r < 0)
		return r;
	tell_progress(install, 0, "reading the manifest");
	r = hear_manifest(install, err);
	if (r == 0)
		r = release_fits(&install->ours, &install->manifest.release, err);
	if (r < 0)
		return refuse_url(err);
	r = check_room(install, err);
	if (r < 0)
		return r;
	tell_release(install);
	if (!install->job.is_test)
		r = write_all(install, err);
	if (r == -EBADMSG && err->tag == ERR_TAG_NONE) /* it is no message that is malformed */
		err->tag = ERR_TAG_OPERATION_FAILED;
	if (r == 0) {
		tell_progress(install, AT_END, install->job.is_test ? "tested" : "installed");
		tell(json_pack("{s:s}", "done", install->job.is_test ? "test" : "trial"));
	}
	return r;
}

/* --- the order -------------------------------------------------------------------------------------- */

static json_t *read_order(void)
{
	_cleanup_free_ char *text = xmalloc(ORDER_MAX);
	size_t size = 0;
	ssize_t got;

	while (size < ORDER_MAX && (got = read(STDIN_FILENO, text + size, ORDER_MAX - size)) != 0) {
		if (got < 0 && errno != EINTR)
			return NULL;
		size += got < 0 ? 0 : (size_t)got;
	}
	return json_loadb(text, size, 0, NULL);
}

static int take_order(json_t *order, struct install_job *job)
{
	int is_test = 0, is_forced = 0;

	if (json_unpack(order, "{s:s, s:s, s:s, s:s, s?s, s?s, s?b, s?b, s:s, s:o}", "url",
		    &job->url, "slot-dir", &job->slot_dir, "slot", &job->slot, "share-dir",
		    &job->share_dir, "config", &job->config, "authorities", &job->authorities,
		    "test-only", &is_test, "force", &is_forced, "trial-path", &job->trial_path,
		    "trial", &job->trial) < 0)
		return -EINVAL;
	job->is_test = is_test;
	job->is_forced = is_forced;
	return 0;
}

int main(void)
{
	struct install install = { .source = -1, .slot = -1, .boot = -1, .percentage = -1 };
	_cleanup_err_ struct err err = { 0 };
	json_t *order = read_order();
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* the daemon's death cancels its jobs */
	(void)signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (take_order(order, &install.job) < 0 || *install.job.trial_path != '/')
		r = err_set(&err, -EINVAL, NULL, "the order cannot be read");
	else if (geteuid() == 0 &&
		(unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0))
		r = err_set(&err, -errno, NULL, "no mounts of its own: %s", strerror(errno));
	else
		r = run(&install, &err);
	if (r < 0)
		tell_error(&err);
	manifest_done(&install.manifest);
	release_done(&install.ours);
	transfer_trust_done(&install.trust);
	free(install.anchors);
	free(install.device);
	json_decref(order);
	return r < 0;
}
