/*
 * The container kind: filling one in, comparing, copying, freeing. What becomes of it is the business
 * of runtime.c. Lists are kept sorted: YANG gives them no order of their own, and an order that came
 * and went with an undone edit must not look like another container.
 */
#include <stdio.h>
#include <string.h>

#include "private.h"
#include "record.h"
#include "runtime.h"
#include "spec.h"

/* --- filling in ------------------------------------------------------------------------------------ */

/* Makes room for one more element of @size at the place that keeps @key's order; the elements begin
 * with a char * to compare. */
static void *insert_sorted(void *array, size_t *count, size_t size, const char *key, size_t *ret_at)
{
	char *bytes = xreallocarray(array, *count + 1, size);
	size_t at = *count;

	while (at > 0 && strcmp(*(char **)(void *)(bytes + (at - 1) * size), key) > 0)
		at--;
	memmove(bytes + (at + 1) * size, bytes + at * size, (*count - at) * size);
	memset(bytes + at * size, 0, size);
	(*count)++;
	*ret_at = at;
	return bytes;
}

void container_add_env(struct container *container, const char *key, const char *value)
{
	size_t at;

	container->env = insert_sorted(
		container->env, &container->env_count, sizeof(*container->env), key, &at);
	container->env[at] = (struct container_env){ xstrdup(key), xstrdup(value) };
}

void container_add_mount(struct container *container, const struct container_mount *mount)
{
	struct container_mount *copy;
	size_t at;

	container->mounts = insert_sorted(container->mounts, &container->mount_count,
		sizeof(*container->mounts), mount->name, &at);
	copy = &container->mounts[at];
	*copy = *mount;
	copy->name = xstrdup(mount->name);
	copy->target = xstrdup(mount->target);
	copy->source = xstrdup(mount->source);
	copy->content = mount->content ? xmemdup(mount->content, mount->content_size) : NULL;
}

void container_add_volume(struct container *container, const char *name, const char *target)
{
	size_t at;

	container->volumes = insert_sorted(container->volumes, &container->volume_count,
		sizeof(*container->volumes), name, &at);
	container->volumes[at] = (struct container_volume){ xstrdup(name), xstrdup(target) };
}

static char **add_text(char **list, size_t *count, const char *text)
{
	size_t at;

	list = insert_sorted(list, count, sizeof(*list), text, &at);
	list[at] = xstrdup(text);
	return list;
}

void container_add_dns(struct container *container, const char *address)
{
	container->dns = add_text(container->dns, &container->dns_count, address);
}

void container_add_search(struct container *container, const char *domain)
{
	container->search = add_text(container->search, &container->search_count, domain);
}

void container_add_interface(struct container *container, const char *link)
{
	container->interfaces = add_text(container->interfaces, &container->interface_count, link);
}

int container_capability(const char *name)
{
	return spec_capability(name);
}

/* --- the kind --------------------------------------------------------------------------------------- */

static enum object_diff container_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	_cleanup_free_ char *wanted = record_print((const struct container *)want);
	_cleanup_free_ char *there = record_print((const struct container *)have);

	return wanted && there && strcmp(wanted, there) == 0 ? OBJECT_SAME : OBJECT_CHANGE;
}

static char **copy_texts(char *const *from, size_t count)
{
	char **to = xcalloc(count, sizeof(*to));
	size_t i;

	for (i = 0; i < count; i++)
		to[i] = xstrdup(from[i]);
	return to;
}

static void container_copy(struct object *to, const struct object *from)
{
	const struct container *container = (const struct container *)from;
	struct container *copy = (struct container *)to;
	size_t i;

	copy->netns = xstrdup(container->netns);
	copy->hostname = xstrdup(container->hostname);
	copy->command = xstrdup(container->command);
	copy->status = xstrdup(container->status);
	copy->id = xstrdup(container->id);
	copy->cmdline = xstrdup(container->cmdline);
	copy->env = NULL;
	copy->mounts = NULL;
	copy->volumes = NULL;
	copy->env_count = copy->mount_count = copy->volume_count = 0;
	for (i = 0; i < container->env_count; i++)
		container_add_env(copy, container->env[i].key, container->env[i].value);
	for (i = 0; i < container->mount_count; i++)
		container_add_mount(copy, &container->mounts[i]);
	for (i = 0; i < container->volume_count; i++)
		container_add_volume(
			copy, container->volumes[i].name, container->volumes[i].target);
	copy->dns = copy_texts(container->dns, container->dns_count);
	copy->search = copy_texts(container->search, container->search_count);
	copy->interfaces = copy_texts(container->interfaces, container->interface_count);
}

static void free_texts(char **list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

static void container_done(struct object *object)
{
	struct container *container = (struct container *)object;
	size_t i;

	for (i = 0; i < container->env_count; i++) {
		free(container->env[i].key);
		free(container->env[i].value);
	}
	for (i = 0; i < container->mount_count; i++) {
		free(container->mounts[i].name);
		free(container->mounts[i].target);
		free(container->mounts[i].source);
		free(container->mounts[i].content);
	}
	for (i = 0; i < container->volume_count; i++) {
		free(container->volumes[i].name);
		free(container->volumes[i].target);
	}
	free(container->env);
	free(container->mounts);
	free(container->volumes);
	free_texts(container->dns, container->dns_count);
	free_texts(container->search, container->search_count);
	free_texts(container->interfaces, container->interface_count);
	free(container->netns);
	free(container->hostname);
	free(container->command);
	free(container->status);
	free(container->id);
	free(container->cmdline);
}

static void container_describe(const struct object *object, char *text, size_t size)
{
	(void)snprintf(text, size, "container %s", object->key);
}

static int container_refresh(const char *key, struct err *err)
{
	if (!containers_paths.record)
		runtime_refresh(key);
	return 0;
}

const struct object_kind object_kind_container = {
	.name = "container",
	.rank = CONTAINERS_RANK + 1,
	.size = sizeof(struct container),
	.target = &containers_target,
	.compare = container_compare,
	.copy = container_copy,
	.done = container_done,
	.describe = container_describe,
	.refresh = container_refresh,
};
