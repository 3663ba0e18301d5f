/* See push-rows.h. */
#include <string.h>

#include "push-rows.h"

static void row_free(struct push_row *row)
{
	free(row->path);
	free(row->text);
	free(row);
}

void push_rows_done(struct push_rows *rows)
{
	struct push_row *row;
	size_t at = 0;

	while ((row = map_next(&rows->by_path, &at)))
		row_free(row);
	map_done(&rows->by_path);
	*rows = (struct push_rows){ 0 };
}

void push_rows_cut(const struct buf *text, const struct ds_rows *found, struct buf *out)
{
	const char *bytes = buf_bytes(text);
	size_t at = 0;

	for (size_t i = 0; i < found->count; i++) {
		(void)!buf_append(out, bytes + at, found->list[i].start - at); /* no ceiling */
		at = found->list[i].end;
	}
	(void)!buf_append(out, bytes + at, text->length - at);
}

bool push_rows_put(
	struct push_rows *rows, const struct buf *text, const struct ds_rows *found, size_t index)
{
	const struct ds_row *from = &found->list[index];
	struct push_row *row = map_get_str(&rows->by_path, from->path);
	const char *bytes = buf_bytes(text) + from->start;
	size_t size = from->end - from->start;

	if (row && row->size == size && memcmp(row->text, bytes, size) == 0)
		return false;
	if (!row) {
		row = XNEW(struct push_row);
		row->path = xstrdup(from->path);
		row->schema = from->schema;
		map_put_str(&rows->by_path, row->path, row);
	}
	free(row->text);
	row->text = xmemdup(bytes, size);
	row->size = size;
	return true;
}

static bool is_at_or_below(const char *path, const char *above)
{
	size_t size = strlen(above);

	return strncmp(path, above, size) == 0 && (!path[size] || path[size] == '/');
}

static bool is_among(const struct ds_rows *found, const char *path)
{
	for (size_t i = 0; i < found->count; i++) {
		if (strcmp(found->list[i].path, path) == 0)
			return true;
	}
	return false;
}

void push_rows_retain(struct push_rows *rows, const char *path, const struct ds_rows *found)
{
	struct push_row *row, *gone;
	size_t at;

	do {
		gone = NULL;
		at = 0;
		while (!gone && (row = map_next(&rows->by_path, &at))) {
			if ((!path || is_at_or_below(row->path, path)) &&
				!is_among(found, row->path))
				gone = row;
		}
		if (!gone)
			break;
		map_del_str(&rows->by_path, gone->path);
		row_free(gone);
	} while (true);
}

const struct push_row *push_rows_get(const struct push_rows *rows, const char *path)
{
	return rows ? map_get_str(&rows->by_path, path) : NULL;
}

void push_row_print(const struct push_row *row, enum format format, struct buf *out)
{
	const struct lysc_node *schema = row->schema;

	if (format == FORMAT_JSON)
		(void)!buf_printf(out, "{\"%s:%s\":{", schema->module->name, schema->name);
	else
		(void)!buf_printf(out, "<%s xmlns=\"%s\">", schema->name, schema->module->ns);
	(void)!buf_append(out, row->text, row->size);
	if (format == FORMAT_JSON)
		(void)!buf_append_str(out, "}}");
	else
		(void)!buf_printf(out, "</%s>", schema->name);
}
