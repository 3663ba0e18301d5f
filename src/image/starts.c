/* The starts of the device, as a file. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "ashlar/file.h"
#include "ashlar/starts.h"
#include "ashlar/str.h"

#define FILE_MAX ((size_t)256 * 1024)

json_t *starts_read(const char *path)
{
	_cleanup_free_ char *text = NULL;
	json_t *starts = NULL, *start;
	size_t size, i;

	if (file_read(path, FILE_MAX, &text, &size, NULL) == 0)
		starts = json_loadb(text, size, 0, NULL);
	json_array_foreach(
		starts, i, start) if (!json_is_integer(json_object_get(start, "number"))) break;
	if (json_is_array(starts) && i == json_array_size(starts))
		return starts;
	json_decref(starts);
	return json_array();
}

char *starts_print(const json_t *starts)
{
	return json_dumps(starts, JSON_INDENT(2));
}

static const char *text_at(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* How it came to a start after @last (NULL: there was none that is known). */
static const char *find_cause(const json_t *last, const struct starts_found *found)
{
	const json_t *end = json_object_get(last, "end");
	const char *act = text_at(end, "act");

	/* What has ended in good order has nothing to do with what is found besides, which may be older. */
	if (end)
		return str_equal(act, "shutdown") ? "power-on" : "restart";
	if (found->panic)
		return "panic";
	if (found->by_watchdog)
		return "watchdog";
	return last ? "power-cut" : "power-on";
}

/* Where nothing else is to be said: is it the slot of @last? */
static void set_kind(json_t *start, const json_t *last, const struct starts_found *found)
{
	bool is_other = last && !str_equal(text_at(last, "slot"), text_at(start, "slot"));
	bool is_fallback = found->failed && (is_other || found->has_just_failed);

	if (!json_object_get(start, "kind"))
		json_object_set_new(start, "kind",
			json_string(is_fallback	   ? "fallback"
					: is_other ? "change"
						   : "normal"));
	if (is_fallback && str_equal(text_at(start, "kind"), "fallback"))
		json_object_set_new(start, "detail", json_string(found->failed));
}

int starts_begin(const char *path, json_t *start, const struct starts_found *found,
	uint32_t *ret_number, struct err *err)
{
	json_t *starts = starts_read(path);
	json_t *last = json_array_get(starts, json_array_size(starts) - 1);
	const char *why = text_at(json_object_get(last, "end"), "why");
	json_int_t number = json_integer_value(json_object_get(last, "number")) % UINT32_MAX + 1;
	_cleanup_free_ char *text = NULL;
	int r;

	json_object_set_new(start, "number", json_integer(number));
	set_kind(start, last, found);
	json_object_set_new(start, "cause", json_string(find_cause(last, found)));
	if (why && *why)
		json_object_set_new(start, "cause-detail", json_string(why));
	if (last && found->panic)
		json_object_set_new(last, "panic", json_string(found->panic));
	json_array_append_new(starts, start);
	while (json_array_size(starts) > STARTS_MAX)
		json_array_remove(starts, 0);
	text = starts_print(starts);
	json_decref(starts);
	if (!text)
		return err_set(err, -EINVAL, NULL, "the record of this start");
	r = file_write_atomic(path, text, strlen(text), 0600, err);
	if (r == 0)
		*ret_number = (uint32_t)number;
	return r;
}
