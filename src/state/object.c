/* Life of objects: made by their kind's size, copied and freed by what their kind says it owns. */
#include <assert.h>
#include <string.h>

#include "ashlar/object.h"

void *object_new(const struct object_kind *kind, const char *key)
{
	size_t length = strlen(key) + 1;
	struct object *object = xmalloc(kind->size + length);

	assert(kind->size >= sizeof(struct object));
	memset(object, 0, kind->size);
	object->kind = kind;
	object->key = memcpy((char *)object + kind->size, key, length);
	return object;
}

void *object_copy(const struct object *from)
{
	struct object *to = object_new(from->kind, from->key);

	memcpy(to + 1, from + 1, from->kind->size - sizeof(*from));
	if (to->kind->copy)
		to->kind->copy(to, from);
	return to;
}

static void wanted_done(struct object *object)
{
	list_remove(&object->dirty);
	for (size_t i = 0; i < object->needs_count; i++)
		free((char *)object->needs[i].key);
	free(object->needs);
	if (!object->trouble)
		return;
	list_remove(&object->trouble->node);
	free(object->trouble->reason);
	free(object->trouble);
}

void object_free(struct object *object)
{
	if (!object)
		return;
	if (object->kind->done)
		object->kind->done(object);
	if (object->want)
		wanted_done(object);
	free(object);
}

const char *object_reason(const struct object *object)
{
	return object->want && object->trouble ? object->trouble->reason : NULL;
}

void object_describe(const struct object *object, char *text, size_t size)
{
	object->kind->describe(object, text, size);
}
