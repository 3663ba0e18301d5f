/* Life of objects: made by their kind's size, copied and freed by what their kind says it owns. */
#include <assert.h>
#include <string.h>

#include "ashlar/object.h"

void *object_new(const struct object_kind *kind, const char *key)
{
	struct object *object = xcalloc(1, kind->size);

	assert(kind->size >= sizeof(struct object));
	object->kind = kind;
	object->key = xstrdup(key);
	return object;
}

void *object_copy(const struct object *from)
{
	struct object *to = xmemdup(from, from->kind->size);

	memset(to, 0, sizeof(*to));
	to->kind = from->kind;
	to->key = xstrdup(from->key);
	if (to->kind->copy)
		to->kind->copy(to, from);
	return to;
}

void object_free(struct object *object)
{
	if (!object)
		return;
	list_remove(&object->dirty);
	list_remove(&object->pending);
	if (object->kind->done)
		object->kind->done(object);
	for (size_t i = 0; i < object->needs_count; i++)
		free((char *)object->needs[i].key);
	free(object->needs);
	free(object->reason);
	free(object->key);
	free(object);
}

void object_describe(const struct object *object, char *text, size_t size)
{
	object->kind->describe(object, text, size);
}
