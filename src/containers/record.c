/*
 * A wanted container as text. The daemon writes and reads it itself, in a directory of its own: a
 * damaged record is refused as a whole, nothing in it is repaired.
 */
#include <errno.h>
#include <jansson.h>
#include <mbedtls/base64.h>
#include <string.h>

#include "record.h"

static char *base64(const void *data, size_t size)
{
	size_t room = (size + 2) / 3 * 4 + 1, length;
	char *text = xmalloc(room);
	int ret = mbedtls_base64_encode((unsigned char *)text, room, &length, data, size);

	text[ret == 0 ? length : 0] = '\0';
	return text;
}

/* "" and NULL are different things. */
static json_t *optional(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *strings(char *const *list, size_t count)
{
	json_t *json = json_array();
	size_t i;

	for (i = 0; i < count; i++)
		json_array_append_new(json, json_string(list[i]));
	return json;
}

static json_t *print_mount(const struct container_mount *mount)
{
	_cleanup_free_ char *content = base64(mount->content, mount->content_size);

	return json_pack("{s:s, s:s, s:i, s:o, s:s, s:i, s:b}", "name", mount->name, "target",
		mount->target, "kind", (int)mount->kind, "source", optional(mount->source),
		"content", content, "mode", (int)mount->mode, "read_only",
		(int)mount->is_read_only);
}

char *record_print(const struct container *container)
{
	json_t *env = json_array(), *mounts = json_array(), *volumes = json_array(), *root;
	char *text;
	size_t i;

	for (i = 0; i < container->env_count; i++)
		json_array_append_new(
			env, json_pack("[s, s]", container->env[i].key, container->env[i].value));
	for (i = 0; i < container->mount_count; i++)
		json_array_append_new(mounts, print_mount(&container->mounts[i]));
	for (i = 0; i < container->volume_count; i++)
		json_array_append_new(volumes,
			json_pack("[s, s]", container->volumes[i].name,
				container->volumes[i].target));
	root = json_pack(
		"{s:b, s:b, s:b, s:i, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, "
		"s:o, s:o}",
		"enabled", (int)container->is_enabled, "manual", (int)container->is_manual,
		"privileged", (int)container->is_privileged, "restart", (int)container->restart,
		"netns", optional(container->netns), "hostname", optional(container->hostname),
		"command", optional(container->command), "cap_add", (json_int_t)container->cap_add,
		"cap_drop", (json_int_t)container->cap_drop, "memory",
		(json_int_t)container->memory_bytes, "cpu", (json_int_t)container->cpu_millicores,
		"env", env, "mounts", mounts, "volumes", volumes, "dns",
		strings(container->dns, container->dns_count), "search",
		strings(container->search, container->search_count), "interfaces",
		strings(container->interfaces, container->interface_count));
	text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(root);
	return text;
}

/* --- reading ---------------------------------------------------------------------------------------- */

static int take_text(const json_t *root, const char *name, char **ret_text)
{
	const json_t *json = json_object_get(root, name);

	if (!json_is_string(json) && !json_is_null(json))
		return -EBADMSG;
	*ret_text = xstrdup(json_string_value(json));
	return 0;
}

static int take_strings(const json_t *root, const char *name, struct container *container,
	void (*add)(struct container *container, const char *text))
{
	const json_t *list = json_object_get(root, name), *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > CONTAINER_ITEMS_MAX)
		return -EBADMSG;
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return -EBADMSG;
		add(container, json_string_value(item));
	}
	return 0;
}

static int take_pairs(const json_t *root, const char *name, struct container *container,
	void (*add)(struct container *container, const char *first, const char *second))
{
	const json_t *list = json_object_get(root, name), *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > CONTAINER_ITEMS_MAX)
		return -EBADMSG;
	json_array_foreach(list, i, item)
	{
		const char *first = json_string_value(json_array_get(item, 0));
		const char *second = json_string_value(json_array_get(item, 1));

		if (!first || !second)
			return -EBADMSG;
		add(container, first, second);
	}
	return 0;
}

static int take_mount(const json_t *json, struct container *container)
{
	const char *content = json_string_value(json_object_get(json, "content"));
	json_int_t kind = json_integer_value(json_object_get(json, "kind"));
	_cleanup_free_ char *name = NULL, *target = NULL, *source = NULL;
	_cleanup_free_ unsigned char *bytes = NULL;
	size_t size = 0, room;

	if (take_text(json, "name", &name) < 0 || take_text(json, "target", &target) < 0 ||
		take_text(json, "source", &source) < 0 || !name || !target || !content ||
		kind < CONTAINER_MOUNT_BIND || kind > CONTAINER_MOUNT_CONTENT ||
		(kind != CONTAINER_MOUNT_CONTENT && !source))
		return -EBADMSG;
	room = strlen(content) / 4 * 3 + 3;
	bytes = xmalloc(room);
	if (mbedtls_base64_decode(
		    bytes, room, &size, (const unsigned char *)content, strlen(content)) != 0)
		return -EBADMSG;
	container_add_mount(container,
		&(struct container_mount){
			.name = name,
			.target = target,
			.kind = (enum container_mount_kind)kind,
			.source = source,
			.content = bytes,
			.content_size = size,
			.mode = (mode_t)json_integer_value(json_object_get(json, "mode")),
			.is_read_only = json_is_true(json_object_get(json, "read_only")),
		});
	return 0;
}

static int take_mounts(const json_t *root, struct container *container)
{
	const json_t *list = json_object_get(root, "mounts"), *item;
	int ret = 0;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > CONTAINER_ITEMS_MAX)
		return -EBADMSG;
	json_array_foreach(list, i, item)
	{
		ret = take_mount(item, container);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static uint64_t take_number(const json_t *root, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(root, name));
}

int record_parse(const char *text, size_t size, struct container *container)
{
	json_t *root = json_loadb(text, size, 0, NULL);
	json_int_t restart = json_integer_value(json_object_get(root, "restart"));
	int ret = root && restart >= CONTAINER_RESTART_NEVER && restart <= CONTAINER_RESTART_ALWAYS
		? 0
		: -EBADMSG;

	container->is_enabled = json_is_true(json_object_get(root, "enabled"));
	container->is_manual = json_is_true(json_object_get(root, "manual"));
	container->is_privileged = json_is_true(json_object_get(root, "privileged"));
	container->restart = (enum container_restart)restart;
	container->cap_add = take_number(root, "cap_add");
	container->cap_drop = take_number(root, "cap_drop");
	container->memory_bytes = take_number(root, "memory");
	container->cpu_millicores = (uint32_t)take_number(root, "cpu");
	if (ret == 0)
		ret = take_text(root, "netns", &container->netns);
	if (ret == 0)
		ret = take_text(root, "hostname", &container->hostname);
	if (ret == 0)
		ret = take_text(root, "command", &container->command);
	if (ret == 0)
		ret = take_pairs(root, "env", container, container_add_env);
	if (ret == 0)
		ret = take_mounts(root, container);
	if (ret == 0)
		ret = take_pairs(root, "volumes", container, container_add_volume);
	if (ret == 0)
		ret = take_strings(root, "dns", container, container_add_dns);
	if (ret == 0)
		ret = take_strings(root, "search", container, container_add_search);
	if (ret == 0)
		ret = take_strings(root, "interfaces", container, container_add_interface);
	json_decref(root);
	return ret;
}
