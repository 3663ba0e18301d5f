/*
 * The daemon's side of an upgrade: which slot it goes to, and what ashlar-install says while it works. Its
 * lines are those of install-main.c.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/buf.h"
#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/generation.h"
#include "ashlar/installer.h"
#include "ashlar/log.h"
#include "ashlar/slot.h"
#include "ashlar/software.h"
#include "ashlar/str.h"

#define OUTPUT_MAX  ((size_t)1 << 20)
#define MESSAGE_MAX 128
#define DEADLINE_MS ((uint64_t)4 * 3600 * 1000) /* slow lines are no fault, lost ones end sooner */
#define BOOT_FACTS  "boot"			/* in the run directory: "slot=a" … */
#define RECOVERY    "recovery"

static struct {
	char *run_dir, *share_dir, *config_dir;
	struct child *child;
	struct installer_status status;
	char message[MESSAGE_MAX];
	bool has_ended; /* it has said so */
	void (*done)(const struct installer_status *status, void *arg);
	void *arg;
	void (*changed)(const struct installer_status *status);
} installer;

static void bundle_done(struct installer_bundle *bundle)
{
	for (size_t i = 0; i < bundle->module_count; i++) {
		free(bundle->modules[i].name);
		free(bundle->modules[i].old);
		free(bundle->modules[i].new);
	}
	free(bundle->modules);
	free(bundle->version);
	free(bundle->compatible);
	*bundle = (struct installer_bundle){ 0 };
}

static void forget_last(void)
{
	bundle_done(&installer.status.bundle);
	err_done(&installer.status.error);
	installer.status = (struct installer_status){ .message = installer.message };
	installer.message[0] = '\0';
}

void installer_init(const char *run_dir, const char *share_dir, const char *config_dir)
{
	installer.run_dir = xstrdup(run_dir);
	installer.share_dir = xstrdup(share_dir);
	installer.config_dir = xstrdup(config_dir);
	forget_last();
}

void installer_done(void)
{
	child_cancel(TAKE(installer.child));
	forget_last();
	free(TAKE(installer.run_dir));
	free(TAKE(installer.share_dir));
	free(TAKE(installer.config_dir));
}

const struct installer_status *installer_status(void)
{
	return &installer.status;
}

void installer_on_change(void (*changed)(const struct installer_status *status))
{
	installer.changed = changed;
}

static void tell(void)
{
	if (installer.changed)
		installer.changed(&installer.status);
}

/* --- which slot ------------------------------------------------------------------------------- */

/* The slot that was started; malloc'd, NULL: this device has none. */
static char *running_slot(void)
{
	_cleanup_free_ char *path = file_join(installer.run_dir, BOOT_FACTS);
	_cleanup_free_ char *facts = NULL;
	const char *line;
	size_t size;

	if (file_read(path, 65536, &facts, &size, NULL) < 0)
		return NULL;
	for (line = facts; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (str_starts(line, "slot="))
			return xstrndup(line + 5, strcspn(line + 5, "\n"));
	}
	return NULL;
}

/*
 * What the next upgrade may overwrite: rather one that is not good, and never the only one that is. A system
 * on trial has none: the other one is what it goes back to.
 */
static int choose_slot(const char *dir, const char *running, const char **ret_slot, struct err *err)
{
	enum slot_state chosen_state = SLOT_STATE_GOOD;
	const char *chosen = NULL;
	size_t good = 0;

	for (const char *const *name = slot_names; *name; name++) {
		_cleanup_free_ char *path = slot_path(dir, *name);
		struct slot_header header;
		int r = str_equal(*name, RECOVERY) ? 1 : slot_read(path, &header, err);

		if (r < 0)
			return r;
		if (r > 0)
			continue;
		good += header.state == SLOT_STATE_GOOD;
		if (str_equal(*name, running)) {
			if (header.state == SLOT_STATE_TRIAL)
				return err_tagged(err, ERR_TAG_RESOURCE_DENIED, NULL,
					"the running system is on trial: the other slot is what it "
					"goes back to until it is confirmed");
		} else if (!chosen ||
			(chosen_state == SLOT_STATE_GOOD && header.state != SLOT_STATE_GOOD)) {
			chosen = *name;
			chosen_state = header.state;
		}
	}
	if (!chosen || (chosen_state == SLOT_STATE_GOOD && good < 2))
		return err_tagged(err, ERR_TAG_RESOURCE_DENIED, NULL,
			"every slot but the last good one is in use");
	*ret_slot = chosen;
	return 0;
}

/* --- what it says ------------------------------------------------------------------------------- */

static char *take_text(const json_t *object, const char *name)
{
	return xstrdup(json_string_value(json_object_get(object, name)));
}

static void take_release(const json_t *release)
{
	struct installer_bundle *bundle = &installer.status.bundle;
	const json_t *modules = json_object_get(release, "modules");

	bundle_done(bundle);
	bundle->version = take_text(release, "version");
	bundle->compatible = take_text(release, "compatible");
	bundle->security =
		(uint32_t)json_integer_value(json_object_get(release, "security-counter"));
	bundle->size = (uint64_t)json_integer_value(json_object_get(release, "size"));
	bundle->modules = xcalloc(json_array_size(modules) + 1, sizeof(*bundle->modules));
	for (size_t i = 0; i < json_array_size(modules); i++) {
		const json_t *module = json_array_get(modules, i);

		bundle->modules[bundle->module_count++] =
			(struct installer_module){ take_text(module, "name"),
				take_text(module, "old"), take_text(module, "new") };
	}
}

static void take_error(const json_t *error)
{
	const char *tag = json_string_value(json_object_get(error, "tag"));
	const char *message = json_string_value(json_object_get(error, "message"));

	(void)err_tagged(&installer.status.error, err_tag_by_name(tag ? tag : ""),
		json_string_value(json_object_get(error, "path")), "%s", message ? message : "");
	installer.has_ended = true;
}

static void take_line(const char *text, size_t size)
{
	json_t *line = json_loadb(text, size, 0, NULL);
	const char *message = json_string_value(json_object_get(line, "message"));

	if (message) {
		installer.status.percentage =
			(int)json_integer_value(json_object_get(line, "percentage"));
		(void)!str_copy(installer.message, sizeof(installer.message), message);
		tell();
	}
	if (json_object_get(line, "release"))
		take_release(json_object_get(line, "release"));
	if (json_object_get(line, "error"))
		take_error(json_object_get(line, "error"));
	if (json_object_get(line, "done"))
		installer.has_ended = true;
	json_decref(line);
}

static void on_output(struct buf *output, void *arg)
{
	const char *end;

	while (output->length && (end = memchr(buf_bytes(output), '\n', output->length))) {
		size_t size = (size_t)(end - buf_bytes(output));

		take_line(buf_bytes(output), size);
		buf_consume(output, size + 1);
	}
	if (output->length >= OUTPUT_MAX) /* no line of ours */
		buf_clear(output);
	child_go_on(installer.child);
}

static void on_done(const struct child_result *result, void *arg)
{
	struct installer_status *status = &installer.status;

	installer.child = NULL;
	/* The last of its words may come with its end. */
	for (const char *at = result->output, *end; at && (end = strchr(at, '\n')); at = end + 1)
		take_line(at, (size_t)(end - at));
	status->is_running = false;
	if (result->timed_out)
		(void)err_set(&status->error, -ETIMEDOUT, NULL, "the upgrade takes too long");
	else if (!installer.has_ended)
		(void)err_set(&status->error, -EIO, NULL,
			"the installation has ended without a word (status %d)", result->status);
	if (status->error.code)
		log_error("install", "event=install-failed slot=%s reason=\"%s\"", status->slot,
			err_text(&status->error));
	else
		log_notice("install", "event=%s slot=%s version=\"%s\"",
			status->is_test ? "install-tested" : "installed", status->slot,
			status->bundle.version);
	software_refresh();
	tell();
	installer.done(status, installer.arg);
}

/* --- the order ---------------------------------------------------------------------------------- */

static json_t *make_order(const struct installer_order *order, const char *dir, const char *slot)
{
	_cleanup_free_ char *generations = file_join(installer.config_dir, "generations");
	_cleanup_free_ char *trial = file_join(generations, GENERATION_TRIAL);
	bool is_recovery = str_equal(software_now()->slot, RECOVERY);
	_cleanup_free_ char *running = is_recovery ? file_join(generations, "current")
						   : file_join(installer.run_dir, "generation");
	_cleanup_free_ char *config = NULL;

	/*
	 * Where it is saved: a generation's, or, on a device without, the one there is. What recovery runs with
	 * is not the device's.
	 */
	config = file_join(
		file_exists(running) ? running : installer.config_dir, "startup-config.cfg");
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*, s:b, s:b, s:s, s:{s:i, s:s*, s:s}}",
		"url", order->url, "slot-dir", dir, "slot", slot, "share-dir", installer.share_dir,
		"config", config, "authorities", order->authorities, "test-only",
		(int)order->is_test, "force", (int)order->is_forced, "trial-path", trial, "trial",
		"confirm-timeout", (int)order->confirm_s, "persist-id", order->persist_id, "who",
		order->who);
}

static int start_child(const struct installer_order *order, const char *dir, struct err *err)
{
	_cleanup_free_ char *program = child_helper("ashlar-install");
	_cleanup_free_ char *anchors = xasprintf(
		"SSL_CERT_FILE=%s", getenv("SSL_CERT_FILE") ? getenv("SSL_CERT_FILE") : "");
	const char *argv[] = { program, NULL };
	const char *env[] = { anchors, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	json_t *root = make_order(order, dir, installer.status.slot);
	char *text = json_dumps(root, JSON_COMPACT);
	struct child_opts opts = {
		.argv = argv,
		.env = env,
		.input = text,
		.input_size = text ? strlen(text) : 0,
		.output_max = OUTPUT_MAX,
		.output = on_output,
		.deadline_ms = DEADLINE_MS,
		.done = on_done,
	};
	int r = text ? child_start(&opts, &installer.child, err)
		     : err_set(err, -EINVAL, "url", "the URL is not UTF-8");

	free(text);
	json_decref(root);
	return r;
}

int installer_start(const struct installer_order *order,
	void (*done)(const struct installer_status *status, void *arg), void *arg, struct err *err)
{
	_cleanup_free_ char *dir = file_join(installer.run_dir, "disk");
	_cleanup_free_ char *running = running_slot();
	const char *slot;
	int r;

	if (installer.status.is_running)
		return err_tagged(
			err, ERR_TAG_IN_USE, NULL, "an upgrade is being installed already");
	if (!running || !file_exists(dir))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL,
			"this system was not started from a slot: it cannot be upgraded");
	r = choose_slot(dir, running, &slot, err);
	if (r < 0)
		return r;
	forget_last();
	installer.status.slot = slot;
	installer.status.is_test = order->is_test;
	installer.has_ended = false;
	installer.done = done;
	installer.arg = arg;
	r = start_child(order, dir, err);
	installer.status.is_running = r == 0;
	if (r == 0)
		log_notice("install", "event=install slot=%s url=\"%s\" user=\"%s\"", slot,
			order->url, order->who);
	return r;
}
