/*
 * JSON text, skimmed. Brackets are counted, not matched, and words and numbers are taken as they stand:
 * a parser sees them later.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ashlar/json.h"
#include "ashlar/mem.h"

#define FEW_NAMES 12 /* so many are compared each with each */

const char *json_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

const char *json_string_end(const char *at)
{
	for (at++; *at != '"'; at++) {
		at += strcspn(at, "\"\\");
		if (*at == '"')
			break;
		if (!*at || !*++at)
			return NULL;
	}
	return at + 1;
}

static const char *skip_brackets(const char *at)
{
	unsigned depth = 0;

	do {
		at += strcspn(at, "\"{}[]");
		switch (*at) {
		case '"':
			at = json_string_end(at);
			if (!at)
				return NULL;
			continue;
		case '{':
		case '[':
			if (++depth > JSON_DEPTH_MAX)
				return NULL;
			break;
		case '}':
		case ']':
			depth--;
			break;
		default:
			return NULL;
		}
		at++;
	} while (depth);
	return at;
}

const char *json_value(const char *at)
{
	size_t size;

	if (*at == '"')
		return json_string_end(at);
	if (*at == '{' || *at == '[')
		return skip_brackets(at);
	size = strcspn(at, ",:]}[{\" \t\r\n");
	return size ? at + size : NULL;
}

/* --- names that stand twice ------------------------------------------------------------------- */

struct name {
	const char *at;
	size_t size;
};

/* Names of the objects that are open, the outermost first. */
struct names {
	struct name *list;
	size_t count, room;
	size_t starts[JSON_DEPTH_MAX];
	bool is_object[JSON_DEPTH_MAX];
	size_t depth;
};

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->at, y->at, x->size);
}

static const struct name *find_twice(struct name *list, size_t count)
{
	if (count > FEW_NAMES)
		qsort(list, count, sizeof(*list), compare_names);
	for (size_t i = 1; i < count; i++) {
		for (size_t k = count > FEW_NAMES ? i - 1 : 0; k < i; k++) {
			if (compare_names(&list[k], &list[i]) == 0)
				return &list[i];
		}
	}
	return NULL;
}

/* What @at is at closes; the names of an object are then all known. */
static const struct name *close_level(struct names *names)
{
	size_t start = names->starts[--names->depth];
	const struct name *twice = names->is_object[names->depth]
		? find_twice(names->list + start, names->count - start)
		: NULL;

	names->count = start;
	return twice;
}

static const struct name *scan(struct names *names, const char *at)
{
	const struct name *twice = NULL;
	bool is_name = false;

	do {
		at += strcspn(at, "\"{}[],");
		if (*at == '"') {
			const char *end = json_string_end(at);

			if (is_name) {
				ARRAY_GROW(names->list, names->count, names->room);
				names->list[names->count++] =
					(struct name){ at, (size_t)(end - at) };
			}
			is_name = false;
			at = end;
			continue;
		}
		if (*at == '{' || *at == '[') {
			names->starts[names->depth] = names->count;
			names->is_object[names->depth++] = *at == '{';
		} else if (*at != ',') {
			twice = close_level(names);
		}
		is_name = (*at == '{' || *at == ',') && names->depth &&
			names->is_object[names->depth - 1];
		at++;
	} while (names->depth && !twice);
	return twice;
}

const char *json_twice(const char *at, size_t *ret_size)
{
	struct names names = { 0 };
	const struct name *twice = *at == '{' || *at == '[' ? scan(&names, at) : NULL;
	const char *found = twice ? twice->at : NULL;

	if (twice)
		*ret_size = twice->size;
	free(names.list);
	return found;
}
