/*
 * The chain of entries. What an entry needs to be taken back is recorded by the transaction that made it
 * (txn.c); here it is kept, limited and saved.
 *
 * The file is appended to, some seconds after the first entry that it lacks, from a forked child: flash is
 * spared, and no commit waits for a disk. When it has grown to more than what is kept is worth, or when an
 * entry's own change was too large to be recorded, it is written anew, with running as a whole: between two
 * transactions, so that it is what the latest entry led to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "difference.h"
#include "history-file.h"
#include "queue.h"
#include "record.h"
#include "store.h"

#define SAVE_DELAY_MS	5000
#define SAVE_RETRY_MS	60000
#define SAVE_TIMEOUT_MS 60000
#define GROWTH_MIN	(1024 * 1024) /* the file may always grow by that before it is written anew */

static const struct ds_client self = { .user = "", .protocol = "internal", .is_recovery = true };

static struct {
	struct history_entry entries[HISTORY_ENTRIES_MAX + 1];
	size_t count;
	size_t bytes; /* of the records */
	uint32_t last_id;
	/* The file. */
	size_t file_size, first_size; /* now, and when it was written anew */
	bool is_void;		      /* it is to be written anew */
	bool is_queued;		      /* a job is to do that */
	struct loop_timer *timer;
	struct child *child;
	uint32_t saving_id; /* up to which entry the child saves */
	bool was_void;	    /* the child writes it anew */
	bool is_failing;    /* said already */
	/* At start. */
	struct history_file loaded;
	char *comment;
	ds_done_fn done;
	void *arg;
} history;

/* --- the chain -------------------------------------------------------------------------------- */

size_t history_count(void)
{
	return history.count;
}

const struct history_entry *history_at(size_t index)
{
	return &history.entries[index];
}

const struct ds_history_entry *ds_history(size_t index)
{
	return index < history.count ? &history.entries[index].shown : NULL;
}

long history_find(uint32_t id)
{
	for (size_t i = 0; i < history.count; i++) {
		if (history.entries[i].shown.id == id)
			return (long)i;
	}
	return -1;
}

static void forget_forward(struct history_entry *entry)
{
	history.bytes -= entry->forward_size;
	free(TAKE(entry->forward));
	entry->forward_size = 0;
}

/* The way back from the oldest leads nowhere. */
static void forget_reverse_of_oldest(void)
{
	history.bytes -= history.entries[0].reverse_size;
	free(TAKE(history.entries[0].reverse));
	history.entries[0].reverse_size = 0;
}

static void drop_oldest(void)
{
	struct history_entry *oldest = &history.entries[0];

	if (!oldest->is_written)
		history.is_void = true; /* the file's chain would have a gap */
	history.bytes -= oldest->forward_size + oldest->reverse_size;
	history_entry_done(oldest);
	history.count--;
	memmove(oldest, oldest + 1, history.count * sizeof(*oldest));
	memset(&history.entries[history.count], 0, sizeof(*oldest));
	if (history.count)
		forget_reverse_of_oldest();
}

static void keep_limits(void)
{
	/* What the file is to have of changes can be had as a whole configuration. */
	for (size_t i = 0; i < history.count && history.bytes > HISTORY_BYTES_MAX; i++) {
		if (!history.entries[i].forward)
			continue;
		forget_forward(&history.entries[i]);
		history.is_void = true;
	}
	while (history.count > HISTORY_ENTRIES_MAX ||
		(history.count > 1 && history.bytes > HISTORY_BYTES_MAX))
		drop_oldest();
}

static void clear(void)
{
	while (history.count)
		history_entry_done(&history.entries[--history.count]);
	history.bytes = 0;
}

/* Takes the entry; without a way back to what was before it, that is over. */
static void append(struct history_entry *entry)
{
	if (!entry->reverse)
		clear();
	history.entries[history.count++] = *entry;
	history.bytes += entry->forward_size + entry->reverse_size;
	history.last_id = entry->shown.id;
	if (!entry->is_written && !entry->forward)
		history.is_void = true;
	keep_limits();
}

static void save_soon(void)
{
	if (!history.child && !loop_timer_active(history.timer))
		loop_timer_start(history.timer, SAVE_DELAY_MS);
}

static const char *protocol_of(const struct ds_client *client)
{
	return client && !str_equal(client->protocol, "internal") ? client->protocol : "server";
}

void history_add(const struct ds_client *client, const char *comment, struct buf *forward,
	struct buf *reverse)
{
	bool is_client = client && !str_equal(client->protocol, "internal");
	struct history_entry entry = {
		.shown = {
			.id = history.last_id + 1,
			.time = time(NULL),
			.user = is_client ? xstrdup(client->user) : NULL,
			.session = is_client ? client->session : 0,
			.protocol = xstrdup(protocol_of(client)),
			.comment = comment ? xstrdup(comment) : NULL,
		},
		.forward_size = forward->length,
		.reverse_size = reverse->length,
	};

	entry.forward = forward->length ? buf_take(forward) : NULL;
	entry.reverse = reverse->length ? buf_take(reverse) : NULL;
	append(&entry);
	save_soon();
}

/* --- saving ----------------------------------------------------------------------------------- */

static const struct history_entry *first_unwritten(void)
{
	for (size_t i = 0; i < history.count; i++) {
		if (!history.entries[i].is_written)
			return &history.entries[i];
	}
	return NULL;
}

static int open_file(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* What a write that was cut off has left hides what comes behind it. */
	if (fd < 0 || ftruncate(fd, (off_t)history.file_size) < 0 || lseek(fd, 0, SEEK_END) < 0) {
		err_set(err, -errno, NULL, "cannot write %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err ? err->code : -EIO;
	}
	return fd;
}

/* Returns how much there is in the file now. */
static ssize_t append_to_file(struct err *err)
{
	_cleanup_free_ char *path = history_file_path();
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_close_ int fd = open_file(path, err);
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; r == 0 && i < history.count; i++) {
		if (!history.entries[i].is_written)
			r = history_file_put(&text, &history.entries[i]);
	}
	if (fd < 0 || r < 0)
		return r;
	r = file_write_all(fd, buf_bytes(&text), text.length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, NULL, "cannot write %s: %s", path, strerror(-r));
	return (ssize_t)(history.file_size + text.length);
}

static ssize_t write_anew(struct err *err)
{
	_cleanup_free_ char *path = history_file_path();
	_cleanup_(buf_done) struct buf text = { 0 };
	int r = history_file_begin(&text);

	for (size_t i = 0; r == 0 && i < history.count; i++)
		r = history_file_put(&text, &history.entries[i]);
	if (r == 0)
		r = history_file_put_configuration(&text, history.last_id, *store_running(), err);
	if (r == 0)
		r = file_write_atomic(path, buf_bytes(&text), text.length, 0600, err);
	return r < 0 ? r : (ssize_t)text.length;
}

static int save_in_child(void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	ssize_t size = history.is_void ? write_anew(&err) : append_to_file(&err);

	if (size < 0)
		dprintf(STDOUT_FILENO, "%s", err_text(&err));
	else
		dprintf(STDOUT_FILENO, "%zd", size);
	return size < 0;
}

static void note_saved(size_t size, uint32_t up_to, bool was_void)
{
	history.file_size = size;
	if (was_void)
		history.first_size = size;
	for (size_t i = 0; i < history.count && history.entries[i].shown.id <= up_to; i++) {
		history.entries[i].is_written = true;
		forget_forward(&history.entries[i]);
	}
	history.is_failing = false;
	if (history.file_size > 2 * history.first_size + GROWTH_MIN)
		history.is_void = true; /* with the next entry */
}

static void note_failed(const char *reason)
{
	if (!history.is_failing)
		log_warning("history",
			"%s; trying again every minute, until then a restart loses it", reason);
	history.is_failing = true;
}

static void saved(const struct child_result *result, void *arg)
{
	uint64_t size = 0;

	history.child = NULL;
	if (result->status == 0 && str_u64(result->output, 1, SIZE_MAX, &size) == 0) {
		note_saved((size_t)size, history.saving_id, history.was_void);
		if (first_unwritten())
			save_soon();
		return;
	}
	history.is_void = true;
	note_failed(result->output_size ? result->output : "history could not be saved");
	loop_timer_start(history.timer, SAVE_RETRY_MS);
}

static void start_saving(void)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.run = save_in_child,
		.output_max = 1024,
		.deadline_ms = SAVE_TIMEOUT_MS,
		.done = saved,
	};

	history.saving_id = history.last_id;
	history.was_void = history.is_void;
	if (child_start(&opts, &history.child, &err) < 0) {
		note_failed(err_text(&err));
		loop_timer_start(history.timer, SAVE_RETRY_MS);
		return;
	}
	history.is_void = false;
}

/* The child has running as it is now: what follows need not wait. */
static void save_start(struct job *job)
{
	history.is_queued = false;
	if (!history.child)
		start_saving();
	job_end(job, NULL);
}

static const struct job_kind save_kind = { .name = "history", .start = save_start };

static void on_time(void *arg)
{
	if (history.child || history.is_queued)
		return;
	if (!history.is_void) {
		start_saving();
		return;
	}
	history.is_queued = true;
	job_submit(job_new(&save_kind, sizeof(struct job), &self, NULL));
}

void history_save_now(bool is_settled)
{
	_cleanup_err_ struct err err = { 0 };
	ssize_t size;

	if (history.child) {
		child_cancel(TAKE(history.child)); /* what it has written may be torn */
		history.is_void = history.is_void || history.was_void;
	}
	if (!first_unwritten() || (history.is_void && !is_settled))
		return;
	size = history.is_void ? write_anew(&err) : append_to_file(&err);
	if (size < 0)
		note_failed(err_text(&err));
}

/* --- what it looks like ------------------------------------------------------------------------ */

static int show_entry(struct lyd_node *list, const struct ds_history_entry *entry, struct err *err)
{
	struct lyd_node *node = NULL;
	char text[CLOCK_TEXT_MAX];
	int r;

	snprintf(text, sizeof(text), "%u", entry->id);
	r = build_entry(list, "entry", text, &node, err);
	clock_text(text, entry->time);
	if (r >= 0)
		r = build_leaf(node, "time", text, err);
	if (r >= 0 && entry->user)
		r = build_leaf(node, "user", entry->user, err);
	if (r >= 0 && entry->session)
		r = build_u64(node, "session-id", entry->session, err);
	if (r >= 0)
		r = build_leaf(node, "protocol", entry->protocol, err);
	if (r >= 0 && entry->comment)
		r = build_leaf(node, "comment", entry->comment, err);
	return r < 0 ? r : 0;
}

static int show(struct lyd_node *container, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < history.count; i++)
		r = show_entry(container, &history.entries[i].shown, err);
	return r;
}

/* --- life --------------------------------------------------------------------------------------- */

void history_init(void)
{
	history.timer = loop_timer_new("history", on_time, NULL);
	ds_set_state_provider("/ashlar-history:history", show);
}

void history_done(void)
{
	child_cancel(TAKE(history.child));
	clear();
	history_file_done(&history.loaded);
	free(history.comment);
	loop_timer_free(history.timer);
	memset(&history, 0, sizeof(history));
}

static void started(void)
{
	ds_done_fn done = history.done;

	history_file_done(&history.loaded);
	free(TAKE(history.comment));
	history.done = NULL;
	done(NULL, history.arg);
}

/* From nothing, with running as it is. */
static void begin(const char *reason)
{
	struct buf nothing = { 0 };

	if (reason)
		log_warning("history", "event=history-lost reason=\"%s\"", reason);
	clear();
	history.is_void = true;
	history_add(NULL, history.comment, &nothing, &nothing);
	started();
}

struct change_head {
	uint32_t forward_size, reverse_size;
};

/* In a child: how running differs from what the latest entry led to; nothing when it does not. */
static int compare_in_child(void *arg)
{
	_cleanup_(buf_done) struct buf forward = { 0 }, reverse = { 0 };
	_cleanup_err_ struct err err = { 0 };
	struct lyd_node *tree = NULL;
	struct change_head head;
	struct edit edit;
	int r = history_file_tree(&history.loaded, &tree, &err);

	if (r == 0)
		r = difference_apply(&edit, store_running(), tree, &err);
	/* The edit leads back: what leads here is its reverse. */
	if (r == 0)
		r = record_changes(&reverse, &edit, &err);
	if (r == 0)
		r = record_reverse(&forward, &edit, &err);
	if (r < 0) {
		dprintf(STDOUT_FILENO, "%s", err_text(&err));
		return 1;
	}
	head = (struct change_head){ (uint32_t)forward.length, (uint32_t)reverse.length };
	if (!forward.length && !reverse.length)
		return 0;
	r = file_write_all(STDOUT_FILENO, &head, sizeof(head));
	if (r == 0)
		r = file_write_all(STDOUT_FILENO, buf_bytes(&forward), forward.length);
	if (r == 0)
		r = file_write_all(STDOUT_FILENO, buf_bytes(&reverse), reverse.length);
	return r < 0;
}

static void compared(const struct child_result *result, void *arg)
{
	_cleanup_(buf_done) struct buf forward = { 0 }, reverse = { 0 };
	struct change_head head;
	int r;

	history.child = NULL;
	if (result->status != 0 || result->truncated) {
		begin(result->truncated ? "running differs too much from what it led to"
				: result->output_size ? result->output
						      : "it cannot be compared with running");
		return;
	}
	if (!result->output_size) {
		started();
		return;
	}
	memcpy(&head, result->output, sizeof(head));
	r = buf_append(&forward, result->output + sizeof(head), head.forward_size);
	if (r == 0)
		r = buf_append(&reverse, result->output + sizeof(head) + head.forward_size,
			head.reverse_size);
	if (r == 0)
		history_add(NULL, history.comment, &forward, &reverse);
	started();
}

static void take_loaded(void)
{
	struct history_file *file = &history.loaded;
	size_t first = file->count > HISTORY_ENTRIES_MAX ? file->count - HISTORY_ENTRIES_MAX : 0;

	for (size_t i = first; i < file->count; i++) {
		struct history_entry entry = file->entries[i];

		/* The file's own are asked for once more. */
		entry.forward = NULL;
		entry.forward_size = 0;
		file->entries[i].shown.user = file->entries[i].shown.protocol =
			file->entries[i].shown.comment = NULL;
		file->entries[i].reverse = NULL;
		append(&entry);
	}
	history.file_size = file->good;
	history.first_size = file->configuration_at + file->configuration_size;
	history.is_void = false;
}

void history_start(const char *comment, ds_done_fn done, void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.run = compare_in_child,
		.output_max = HISTORY_BYTES_MAX,
		.deadline_ms = SAVE_TIMEOUT_MS,
		.done = compared,
	};
	int r = history_file_read(&history.loaded, &err);

	history.done = done;
	history.arg = arg;
	history.comment = xstrdup(comment);
	if (r < 0) {
		begin(r == -ENOENT ? NULL : err_text(&err));
		return;
	}
	if (history.loaded.good < history.loaded.size)
		log_warning("history", "event=history-torn bytes=%zu: the latest entries are lost",
			history.loaded.size - history.loaded.good);
	take_loaded();
	if (!history.count)
		begin("it has no entry");
	else if (child_start(&opts, &history.child, &err) < 0)
		begin(err_text(&err));
}
