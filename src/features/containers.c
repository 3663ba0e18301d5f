/*
 * Containers (infix-containers): each entry becomes an image, its volumes, a network namespace of its name
 * (unless it uses the device's) and the container itself. The interfaces given to it are the business
 * of container-network.c. What is done with a container that is configured is told in its status; none
 * of it fails a transaction.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "ashlar/containers.h"
#include "ashlar/datastore.h"
#include "ashlar/feature.h"
#include "ashlar/kernel.h"
#include "ashlar/str.h"

#include "container-network.h"

#define CONTAINER_PATH "/infix-containers:containers/container"

/* --- check ------------------------------------------------------------------------------------- */

static const char *const checksum_names[] = {
	[IMAGE_CHECKSUM_MD5] = "md5",
	[IMAGE_CHECKSUM_SHA256] = "sha256",
	[IMAGE_CHECKSUM_SHA512] = "sha512",
};

static const char *find_checksum(const struct lyd_node *node, enum image_checksum *ret_kind)
{
	const struct lyd_node *checksum = node_child(node, "checksum");

	for (size_t i = IMAGE_CHECKSUM_MD5; i < ARRAY_SIZE(checksum_names); i++) {
		const char *text = node_text(checksum, checksum_names[i], NULL);

		if (text) {
			*ret_kind = (enum image_checksum)i;
			return text;
		}
	}
	*ret_kind = IMAGE_CHECKSUM_NONE;
	return NULL;
}

static int check_image(const struct lyd_node *node, struct err *err)
{
	enum image_checksum kind;
	bool has_checksum = find_checksum(node, &kind);
	int r = image_check_reference(node_text(node, "image", ""), has_checksum, err);

	if (r == -EOPNOTSUPP)
		err->tag = ERR_TAG_OPERATION_NOT_SUPPORTED;
	if (r < 0)
		err_prefix(err, "image");
	return r;
}

/* Where the container's own system files are: nothing may be put over them. */
static bool is_reserved(const char *target)
{
	static const char *const reserved[] = { "/proc", "/sys", "/dev", "/dev/pts" };

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (str_equal(reserved[i], target))
			return true;
	}
	return str_starts(target, "/proc/") || str_starts(target, "/sys/");
}

static int check_target(const struct lyd_node *entry, const struct lyd_node *first,
	const char *path, struct err *err)
{
	const char *target = node_text(entry, "target", "");
	const struct lyd_node *other;
	size_t length = strlen(target);

	if (length < 2 || target[length - 1] == '/' || strstr(target, "//") ||
		strstr(target, "/../") || strstr(target, "/./") || str_ends(target, "/..") ||
		str_ends(target, "/."))
		return err_set(err, -EINVAL, path,
			"\"%s\" is no place in the container: a path like /var/lib/data is",
			target);
	if (is_reserved(target))
		return err_set(
			err, -EINVAL, path, "%s in the container belongs to the system", target);
	for (other = first; other; other = node_next(other)) {
		if (other != entry && str_equal(target, node_text(other, "target", "")))
			return err_set(err, -EINVAL, path,
				"two things cannot both be at %s in the container", target);
	}
	return 0;
}

/* The bytes of a mount's content; NULL: it has none. */
static const struct lyd_value_binary *content_of(const struct lyd_node *mount)
{
	const struct lyd_node *leaf = node_child(mount, "content");
	const struct lyd_value_binary *bytes = NULL;

	if (leaf)
		LYD_VALUE_GET(&((const struct lyd_node_term *)leaf)->value, bytes);
	return bytes;
}

static int check_places(const struct lyd_node *node, struct err *err)
{
	const struct lyd_node *mounts = node_child(node, "mount");
	const struct lyd_node *volumes = node_child(node, "volume"), *entry;
	size_t count = 0;
	int r = 0;

	for (entry = mounts; r == 0 && entry; entry = node_next(entry), count++) {
		const struct lyd_value_binary *content = content_of(entry);

		r = check_target(entry, mounts, "mount/target", err);
		if (r == 0)
			r = check_target(entry, volumes, "mount/target", err);
		if (r == 0 && content && content->size > CONTAINER_CONTENT_MAX)
			r = err_set(err, -EFBIG, "mount/content",
				"the content has more than %zu bytes", CONTAINER_CONTENT_MAX);
	}
	for (entry = volumes; r == 0 && entry; entry = node_next(entry), count++)
		r = check_target(entry, volumes, "volume/target", err);
	if (r == 0 && count > CONTAINER_ITEMS_MAX)
		r = err_set(err, -E2BIG, "mount", "there are more than %d mounts and volumes",
			CONTAINER_ITEMS_MAX);
	return r;
}

static int check_count(
	const struct lyd_node *node, const char *parent, const char *name, struct err *err)
{
	const struct lyd_node *entry, *from = parent ? node_child(node, parent) : node;
	size_t count = 0;

	NODE_FOREACH (entry, from, name)
		count++;
	return count > CONTAINER_ITEMS_MAX
		? err_set(err, -E2BIG, parent ? parent : name, "there are more than %d entries",
			  CONTAINER_ITEMS_MAX)
		: 0;
}

static int check_limits(const struct lyd_node *node, struct err *err)
{
	uint64_t memory = node_u64(node, "resource-limit/memory", 0);

	if (memory > (uint64_t)INT64_MAX / 1024)
		return err_set(err, -ERANGE, "resource-limit/memory",
			"%llu KiB is beyond any memory", (unsigned long long)memory);
	return 0;
}

static int check(const struct unit *unit, struct err *err)
{
	const struct lyd_node *node = unit->node;
	const char *command, *hostname;
	int r;

	if (!node)
		return 0;
	command = node_text(node, "command", NULL);
	hostname = node_text(node, "hostname", NULL);
	if (command && !command[strspn(command, " ")])
		return err_set(err, -EINVAL, "command", "a command has a program's name");
	if (hostname && (strchr(hostname, '%') || strlen(hostname) > HOST_NAME_MAX))
		return err_set(err, -EINVAL, "hostname",
			"a container's host name is taken as it is: at most %d characters, "
			"without '%%'",
			HOST_NAME_MAX);
	if (node_exists(node, "read-only") && !node_bool(node, "read-only", true))
		return err_set(err, -EINVAL, "read-only",
			"the root file system of a container is always read-only: use volumes");
	r = check_image(node, err);
	if (r == 0)
		r = check_places(node, err);
	if (r == 0)
		r = check_limits(node, err);
	if (r == 0)
		r = check_count(node, NULL, "env", err);
	if (r == 0)
		r = check_count(node, "network", "dns", err);
	if (r == 0)
		r = check_count(node, "network", "search", err);
	return r < 0 ? r : container_network_check(node, err);
}

/* --- want -------------------------------------------------------------------------------------- */

static void want_image(const struct lyd_node *node, struct want *want, struct container *container)
{
	const char *name = container->object.key, *checksum;
	struct image *image = want_object(want, &object_kind_image, name, "image");
	char *at;

	image->reference = xstrdup(node_text(node, "image", ""));
	checksum = find_checksum(node, &image->checksum_kind);
	image->checksum = xstrdup(checksum);
	for (at = image->checksum; at && *at; at++) {
		if (*at >= 'A' && *at <= 'F')
			*at = (char)(*at - 'A' + 'a');
	}
	want_needs(container, &object_kind_image, name);
}

static void want_network(
	const struct lyd_node *node, struct want *want, struct container *container)
{
	const struct lyd_node *network = node_child(node, "network"), *entry;
	const char *name = container->object.key;

	NODE_FOREACH (entry, network, "dns")
		container_add_dns(container, node_value(entry));
	NODE_FOREACH (entry, network, "search")
		container_add_search(container, node_value(entry));
	if (node_bool(network, "host", false))
		return;
	container->netns = netns_path(name);
	(void)want_object(want, &object_kind_netns, name, "network");
	want_needs(container, &object_kind_netns, name);
	NODE_FOREACH (entry, network, "interface") {
		const char *link = node_text(entry, "name", "");

		container_add_interface(container, link);
		want_needs(container, &object_kind_link, link);
	}
}

static void want_mounts(const struct lyd_node *node, struct container *container)
{
	const struct lyd_node *entry;

	NODE_FOREACH (entry, node, "mount") {
		const struct lyd_value_binary *content = content_of(entry);
		_cleanup_free_ char *name = xstrdup(node_text(entry, "name", ""));
		_cleanup_free_ char *target = xstrdup(node_text(entry, "target", ""));
		_cleanup_free_ char *source = xstrdup(node_text(entry, "source", NULL));
		struct container_mount mount = {
			.name = name,
			.target = target,
			.kind = str_equal(node_text(entry, "type", "bind"), "glob")
				? CONTAINER_MOUNT_GLOB
				: CONTAINER_MOUNT_BIND,
			.source = source,
			.mode = (mode_t)strtoul(node_text(entry, "mode", "0644"), NULL, 8),
			.is_read_only = node_bool(entry, "read-only", true),
		};

		if (content) {
			mount.kind = CONTAINER_MOUNT_CONTENT;
			mount.content = content->data;
			mount.content_size = content->size;
		}
		container_add_mount(container, &mount);
	}
}

static void want_volumes(
	const struct lyd_node *node, struct want *want, struct container *container)
{
	const struct lyd_node *entry;

	NODE_FOREACH (entry, node, "volume") {
		const char *name = node_text(entry, "name", "");
		char key[VOLUME_KEY_MAX];

		volume_key(key, container->object.key, name);
		(void)want_object(want, &object_kind_volume, key, "volume");
		want_needs(container, &object_kind_volume, key);
		container_add_volume(container, name, node_text(entry, "target", ""));
	}
}

static uint64_t capabilities(const struct lyd_node *node, const char *list)
{
	const struct lyd_node *entry;
	uint64_t bits = 0;

	NODE_FOREACH (entry, node_child(node, "capabilities"), list) {
		int number = container_capability(node_value(entry));

		if (number >= 0)
			bits |= 1ULL << number;
	}
	return bits;
}

static enum container_restart restart_policy(const char *text)
{
	if (str_equal(text, "never"))
		return CONTAINER_RESTART_NEVER;
	return str_equal(text, "retry") ? CONTAINER_RESTART_RETRY : CONTAINER_RESTART_ALWAYS;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *node = unit->node, *entry;
	struct container *container =
		want_object(want, &object_kind_container, node_text(node, "name", ""), "");

	container->is_enabled = node_bool(node, "enabled", true);
	container->is_manual = node_bool(node, "manual", false);
	container->is_privileged = node_bool(node, "privileged", false);
	container->restart = restart_policy(node_text(node, "restart-policy", "always"));
	container->hostname = xstrdup(node_text(node, "hostname", NULL));
	container->command = xstrdup(node_text(node, "command", NULL));
	container->cap_add = capabilities(node, "add");
	container->cap_drop = capabilities(node, "drop");
	container->memory_bytes = node_u64(node, "resource-limit/memory", 0) * 1024;
	container->cpu_millicores = (uint32_t)node_u64(node, "resource-limit/cpu", 0);
	NODE_FOREACH (entry, node, "env")
		container_add_env(
			container, node_text(entry, "key", ""), node_text(entry, "value", ""));
	want_image(node, want, container);
	want_network(node, want, container);
	want_mounts(node, container);
	want_volumes(node, want, container);
	return 0;
}

/* --- show -------------------------------------------------------------------------------------- */

static bool is_known(const struct container_usage *usage, enum container_usage_item item)
{
	return usage->set & (1U << item);
}

/* Two counters of a group, in @unit bytes. */
static int show_pair(struct lyd_node *parent, const char *group, const char *const names[2],
	const uint64_t values[2], struct err *err)
{
	struct lyd_node *node = NULL;
	int r = build_container(parent, group, &node, err);

	for (size_t i = 0; r == 0 && i < 2; i++)
		r = build_u64(node, names[i], values[i] / 1024, err);
	return r;
}

static int show_usage(const struct container_usage *usage, struct lyd_node *node, struct err *err)
{
	struct lyd_node *to = NULL;
	int r;

	if (!usage->set)
		return 0;
	r = build_container(node, "resource-usage", &to, err);
	if (r == 0 && is_known(usage, CONTAINER_USAGE_MEMORY))
		r = build_u64(to, "memory", usage->memory_bytes / 1024, err);
	if (r == 0 && is_known(usage, CONTAINER_USAGE_CPU))
		r = build_leaff(to, err, "cpu", "%u.%02u", usage->cpu_centipercent / 100,
			usage->cpu_centipercent % 100);
	if (r == 0 && is_known(usage, CONTAINER_USAGE_IO))
		r = show_pair(to, "block-io", (const char *const[2]){ "read", "write" },
			(const uint64_t[2]){ usage->read_bytes, usage->write_bytes }, err);
	if (r == 0 && is_known(usage, CONTAINER_USAGE_NET))
		r = show_pair(to, "net-io", (const char *const[2]){ "received", "sent" },
			(const uint64_t[2]){ usage->received_bytes, usage->sent_bytes }, err);
	if (r == 0 && is_known(usage, CONTAINER_USAGE_PIDS))
		r = build_u64(to, "pids", usage->pids, err);
	return r;
}

/* It has not been begun: what it needs is not there. */
static int show_absent(const char *name, struct lyd_node *node, struct err *err)
{
	const struct object *wanted = state_wanted(&object_kind_container, name);
	const char *reason = wanted ? object_reason(wanted) : NULL;
	int r = build_bool(node, "running", false, err);

	if (r < 0)
		return r;
	return reason ? build_leaff(node, err, "status", "waiting: %s", reason)
		      : build_leaf(node, "status", "waiting", err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const char *name = node_text(node, "name", "");
	const struct container *container = have_get(have, &object_kind_container, name);
	const struct image *image = have_get(have, &object_kind_image, name);
	int r = 0;

	if (!container)
		return show_absent(name, node, err);
	if (container->id)
		r = build_leaf(node, "id", container->id, err);
	if (r == 0 && container->image_id[0])
		r = build_leaf(node, "image-id", container->image_id, err);
	else if (r == 0 && image && image->id[0])
		r = build_leaf(node, "image-id", image->id, err);
	if (r == 0 && container->cmdline)
		r = build_leaf(node, "cmdline", container->cmdline, err);
	if (r == 0)
		r = build_bool(node, "running", container->state == CONTAINER_RUNNING, err);
	if (r == 0 && container->status)
		r = build_leaf(node, "status", container->status, err);
	return r < 0 ? r : show_usage(&container->usage, node, err);
}

/* --- actions ------------------------------------------------------------------------------------ */

static void act(struct action_call *call, int (*action)(const char *name, struct err *err))
{
	_cleanup_err_ struct err err = { 0 };
	int r = action(node_text(call->target, "name", ""), &err);

	call->done(call, r < 0 ? &err : NULL);
}

static void run_start(struct action_call *call)
{
	act(call, container_start);
}

static void run_stop(struct action_call *call)
{
	act(call, container_stop);
}

static void run_restart(struct action_call *call)
{
	act(call, container_restart);
}

static void run_upgrade(struct action_call *call)
{
	act(call, image_upgrade);
}

const struct feature feature_containers = {
	.name = "containers",
	.modules = (const struct feature_module[]){ { "infix-containers", NULL }, { NULL, NULL } },
	.roots = (const char *const[]){ CONTAINER_PATH, NULL },
	.vital = (const char *const[]){ CONTAINER_PATH, NULL },
	.except = (const char *const[]){ CONTAINER_PATH "/network/publish", NULL },
	.check = check,
	.want = want,
	.show = show,
	.refreshes = (const struct object_kind *const[]){ &object_kind_container, NULL },
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_container, CONTAINER_PATH, NULL },
			{ &object_kind_image, CONTAINER_PATH, NULL },
			{ NULL, NULL, NULL },
		},
	.silent = (const char *const[]){ CONTAINER_PATH "/resource-usage", NULL },
	.actions =
		(const struct feature_action[]){
			{ CONTAINER_PATH "/start", run_start },
			{ CONTAINER_PATH "/stop", run_stop },
			{ CONTAINER_PATH "/restart", run_restart },
			{ CONTAINER_PATH "/upgrade", run_upgrade },
			{ NULL, NULL },
		},
};
