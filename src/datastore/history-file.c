/* See history-file.h. The file is read by the machine that wrote it: numbers stand as they are in memory. */
#include <errno.h>
#include <string.h>

#include "ashlar/file.h"
#include "ashlar/str.h"

#include "history-file.h"
#include "record.h"
#include "store.h"

#define MAGIC	 "ashlar-history 1\n"
#define FILE_MAX (256 * 1024 * 1024)

enum kind {
	KIND_ENTRY = 'E',	  /* texts, forward, reverse */
	KIND_CONFIGURATION = 'C', /* RFC 7951 text */
};

struct head {
	uint32_t kind;
	uint32_t id;
	int64_t time;
	uint32_t session;
	uint32_t texts_size; /* user, protocol, comment, each with its zero byte */
	uint32_t forward_size, reverse_size;
	uint32_t has_forward, has_reverse;
};

char *history_file_path(void)
{
	return file_join(store_config.state_dir, "history");
}

void history_entry_done(struct history_entry *entry)
{
	free((char *)entry->shown.user);
	free((char *)entry->shown.protocol);
	free((char *)entry->shown.comment);
	free(entry->forward);
	free(entry->reverse);
	memset(entry, 0, sizeof(*entry));
}

void history_file_done(struct history_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		history_entry_done(&file->entries[i]);
	free(file->entries);
	free(file->text);
	memset(file, 0, sizeof(*file));
}

/* --- writing ---------------------------------------------------------------------------------- */

int history_file_begin(struct buf *text)
{
	return buf_append_str(text, MAGIC);
}

static int put_text(struct buf *to, const char *text)
{
	return buf_append(to, text ? text : "", text ? strlen(text) + 1 : 1);
}

int history_file_put(struct buf *text, const struct history_entry *entry)
{
	_cleanup_(buf_done) struct buf texts = { 0 }, record = { 0 };
	struct head head = {
		.kind = KIND_ENTRY,
		.id = entry->shown.id,
		.time = entry->shown.time,
		.session = entry->shown.session,
		.forward_size = (uint32_t)entry->forward_size,
		.reverse_size = (uint32_t)entry->reverse_size,
		.has_forward = entry->forward != NULL,
		.has_reverse = entry->reverse != NULL,
	};
	int r = put_text(&texts, entry->shown.user);

	if (r == 0)
		r = put_text(&texts, entry->shown.protocol);
	if (r == 0)
		r = put_text(&texts, entry->shown.comment);
	head.texts_size = (uint32_t)texts.length;
	if (r == 0)
		r = buf_append(&record, &head, sizeof(head));
	if (r == 0)
		r = buf_append(&record, buf_bytes(&texts), texts.length);
	if (r == 0 && entry->forward)
		r = buf_append(&record, entry->forward, entry->forward_size);
	if (r == 0 && entry->reverse)
		r = buf_append(&record, entry->reverse, entry->reverse_size);
	return r == 0 ? record_seal(text, buf_bytes(&record), record.length) : r;
}

int history_file_put_configuration(
	struct buf *text, uint32_t id, const struct lyd_node *tree, struct err *err)
{
	_cleanup_(buf_done) struct buf record = { 0 };
	struct head head = { .kind = KIND_CONFIGURATION, .id = id };
	int r = buf_append(&record, &head, sizeof(head));

	if (r == 0 && tree)
		r = format_print(
			&record, tree, FORMAT_JSON, true, WITH_DEFAULTS_EXPLICIT, false, err);
	if (r == 0 && record.length == sizeof(head))
		r = buf_append_str(&record, "{}");
	return r == 0 ? record_seal(text, buf_bytes(&record), record.length) : r;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The next of the texts, which end with a zero byte; an empty one is none. */
static char *take_text(const char **at)
{
	const char *text = *at;

	*at += strlen(text) + 1;
	return *text ? xstrdup(text) : NULL;
}

static bool has_three_texts(const char *texts, size_t size)
{
	unsigned count = 0;

	for (size_t i = 0; i < size; i++)
		count += !texts[i];
	return count == 3 && !texts[size - 1];
}

static int take_entry(
	struct history_file *file, const struct head *head, const char *content, size_t size)
{
	const char *texts = content;
	struct history_entry *entry;

	if (head->texts_size > size || head->forward_size > size - head->texts_size ||
		head->reverse_size != size - head->texts_size - head->forward_size ||
		!has_three_texts(texts, head->texts_size))
		return -EBADMSG;
	ARRAY_GROW(file->entries, file->count, file->room);
	entry = &file->entries[file->count++];
	memset(entry, 0, sizeof(*entry));
	entry->shown = (struct ds_history_entry){
		.id = head->id, .time = (time_t)head->time, .session = head->session
	};
	entry->shown.user = take_text(&texts);
	entry->shown.protocol = take_text(&texts);
	entry->shown.comment = take_text(&texts);
	if (head->has_forward)
		entry->forward = xmemdup(texts, head->forward_size);
	entry->forward_size = head->forward_size;
	texts += head->forward_size;
	if (head->has_reverse)
		entry->reverse = xmemdup(texts, head->reverse_size);
	entry->reverse_size = head->reverse_size;
	entry->is_written = true;
	return 0;
}

static int take_record(struct history_file *file, const char *data, size_t size)
{
	struct head head;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, data, sizeof(head));
	if (head.kind == KIND_ENTRY) {
		/* A chain without gaps. */
		if (file->count && head.id != file->entries[file->count - 1].shown.id + 1)
			return -EBADMSG;
		return take_entry(file, &head, data + sizeof(head), size - sizeof(head));
	}
	if (head.kind != KIND_CONFIGURATION)
		return -EBADMSG;
	file->configuration_at = (size_t)(data + sizeof(head) - file->text);
	file->configuration_size = size - sizeof(head);
	file->configuration_id = head.id;
	return 0;
}

int history_file_read(struct history_file *file, struct err *err)
{
	_cleanup_free_ char *path = history_file_path();
	const char *data;
	size_t size, at = sizeof(MAGIC) - 1;
	int r = file_read(path, FILE_MAX, &file->text, &file->size, err);

	if (r < 0)
		return r;
	if (file->size < at || memcmp(file->text, MAGIC, at) != 0)
		return err_set(err, -EBADMSG, NULL, "%s is no file of history", path);
	file->good = at;
	while (record_unseal(file->text, file->size, &at, &data, &size) > 0 &&
		take_record(file, data, size) == 0)
		file->good = at;
	return 0;
}

static int replay(struct edit *edit, const struct history_entry *entry, struct err *err)
{
	size_t at = 0;
	int r;

	do
		r = record_replay(edit, entry->forward, entry->forward_size, &at, err);
	while (r == 1);
	return r;
}

int history_file_tree(const struct history_file *file, struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct lyd_node *tree = NULL;
	struct edit edit;
	int r;

	if (!file->configuration_size)
		return err_set(err, -EBADMSG, NULL, "it holds no whole configuration");
	text = xstrndup(file->text + file->configuration_at, file->configuration_size);
	r = format_parse_config(text, file->configuration_size, FORMAT_JSON, &tree, err);
	if (r < 0) {
		lyd_free_all(tree);
		return r;
	}
	edit_begin(&edit, &tree, NULL);
	for (size_t i = 0; r == 0 && i < file->count; i++) {
		const struct history_entry *entry = &file->entries[i];

		if (entry->shown.id <= file->configuration_id)
			continue;
		r = entry->forward ? replay(&edit, entry, err)
				   : err_set(err, -EBADMSG, NULL, "a change is missing in it");
	}
	edit_keep(&edit);
	if (r < 0)
		lyd_free_all(tree);
	else
		*ret_tree = tree;
	return r;
}
