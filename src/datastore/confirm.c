/*
 * The file "confirm" in the run directory is a head line and reverse records, each behind its size and
 * checksum. A reverse is on record before the change is in the journal: one whose change never came to be
 * does nothing when it is applied.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "confirm.h"
#include "notify-base.h"
#include "record.h"
#include "store.h"

#define FILE_MAX    (256 * 1024 * 1024)
#define PERSIST_MAX 256
#define RETRY_MS    10000

static struct {
	enum { IDLE, ANNOUNCED, PENDING, GOING_BACK } state;
	uint32_t session;
	char *user, *host; /* whose session it is; NULL: a restart has made us forget */
	char *persist;	   /* NULL: ends with the session */
	uint64_t deadline_ms;
	uint32_t timeout_s;
	struct buf records;
	size_t *starts; /* of each record in records */
	size_t count, room;
	size_t left; /* records that are still to be undone */
	size_t at;   /* offset within the one that is being undone */
	int fd;
	struct loop_timer *timer;
	void (*on_expiry)(void);
} confirm = { .fd = -1 };

static char *file_path(void)
{
	return file_join(store_config.run_dir, "confirm");
}

bool confirm_is_pending(void)
{
	return confirm.state != IDLE;
}

uint32_t confirm_session(void)
{
	return confirm.state == IDLE ? 0 : confirm.session;
}

void confirm_on_expiry(void (*callback)(void))
{
	confirm.on_expiry = callback;
}

static void forget(void)
{
	_cleanup_free_ char *path = file_path();

	(void)unlink(path); /* it may not be there */
	if (confirm.fd >= 0)
		close(TAKE_FD(confirm.fd));
	free(TAKE(confirm.user));
	free(TAKE(confirm.host));
	free(TAKE(confirm.persist));
	buf_done(&confirm.records);
	buf_init(&confirm.records, 0);
	free(TAKE(confirm.starts));
	confirm.count = confirm.room = confirm.at = 0;
	confirm.session = 0;
	loop_timer_stop(confirm.timer);
	confirm.state = IDLE;
}

void confirm_done(void)
{
	if (confirm.fd >= 0)
		close(TAKE_FD(confirm.fd));
	free(TAKE(confirm.user));
	free(TAKE(confirm.host));
	free(TAKE(confirm.persist));
	buf_done(&confirm.records);
	free(TAKE(confirm.starts));
	loop_timer_free(TAKE(confirm.timer));
	memset(&confirm, 0, sizeof(confirm));
	confirm.fd = -1;
}

/* --- who may ------------------------------------------------------------------------------------ */

int confirm_check(const struct ds_client *client, const char *persist_id, struct err *err)
{
	char session[16];

	if (confirm.state != IDLE && confirm.persist) {
		if (persist_id && str_equal(persist_id, confirm.persist))
			return 0;
		if (persist_id)
			return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
				"the persist-id is not that of the pending confirmed commit");
		return err_tagged(err, ERR_TAG_IN_USE, NULL,
			"a confirmed commit is pending that is confirmed with its persist-id");
	}
	if (persist_id)
		return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
			"no confirmed commit with a persist-id is pending");
	if (confirm.state == IDLE || confirm.session == client->session)
		return 0;
	snprintf(session, sizeof(session), "%u", confirm.session);
	err_tagged(
		err, ERR_TAG_IN_USE, NULL, "a confirmed commit of session %s is pending", session);
	err_add_info(err, "session-id", session);
	return -EBUSY;
}

/* --- the record --------------------------------------------------------------------------------- */

static void add_record(const char *data, size_t size)
{
	ARRAY_GROW(confirm.starts, confirm.count, confirm.room);
	confirm.starts[confirm.count++] = confirm.records.length;
	(void)!buf_append(&confirm.records, data, size); /* no ceiling */
}

/* The whole file, when the head changes. */
static int write_file(struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_free_ char *path = file_path();
	int r;

	r = buf_printf(&text, "%" PRIu64 " %u %s\n", confirm.deadline_ms, confirm.session,
		confirm.persist ? confirm.persist : "");
	for (size_t i = 0; r == 0 && i < confirm.count; i++) {
		size_t end = i + 1 < confirm.count ? confirm.starts[i + 1] : confirm.records.length;

		r = record_seal(&text, buf_bytes(&confirm.records) + confirm.starts[i],
			end - confirm.starts[i]);
	}
	if (confirm.fd >= 0)
		close(TAKE_FD(confirm.fd));
	if (r == 0)
		r = file_replace(path, buf_bytes(&text), text.length, 0600, err);
	if (r < 0)
		return r;
	confirm.fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	return confirm.fd < 0
		? err_set(err, -errno, NULL, "cannot open %s: %s", path, strerror(errno))
		: 0;
}

int confirm_note(const struct buf *reverse, struct err *err)
{
	_cleanup_(buf_done) struct buf sealed = { 0 };
	int r;

	if (confirm.state == IDLE || confirm.state == GOING_BACK || !reverse->length)
		return 0;
	r = record_seal(&sealed, buf_bytes(reverse), reverse->length);
	if (r == 0)
		r = file_write_all(confirm.fd, buf_bytes(&sealed), sealed.length);
	if (r < 0)
		return err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL,
			"cannot record in %s how to go back: %s", store_config.run_dir,
			strerror(-r));
	add_record(buf_bytes(reverse), reverse->length);
	return 0;
}

/* --- life --------------------------------------------------------------------------------------- */

static void tell(enum notify_confirm event)
{
	struct ds_client client = {
		.user = confirm.user ? confirm.user : "",
		.host = confirm.host,
		.session = confirm.session,
	};

	notify_confirm(&client, event,
		event == NOTIFY_CONFIRM_START || event == NOTIFY_CONFIRM_EXTEND ? confirm.timeout_s
										: 0);
}

static void expire(void *arg)
{
	if (confirm.state == PENDING) {
		log_notice("confirm", "event=confirm-timeout session=%u", confirm.session);
		tell(NOTIFY_CONFIRM_TIMEOUT);
	}
	confirm.state = GOING_BACK;
	/* Should going back fail, it is tried again. */
	loop_timer_start(confirm.timer, RETRY_MS);
	confirm.on_expiry();
}

int confirm_begin(
	const struct ds_client *client, uint32_t timeout_s, const char *persist, struct err *err)
{
	bool is_first = confirm.state == IDLE;
	int r;

	if (persist && (strlen(persist) > PERSIST_MAX || strchr(persist, '\n')))
		return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
			"a persist-id is one line of at most %u bytes", PERSIST_MAX);
	if (!confirm.timer)
		confirm.timer = loop_timer_new("confirm", expire, NULL);
	free(confirm.persist);
	confirm.persist = persist ? xstrdup(persist) : NULL;
	confirm.session = client->session;
	free(confirm.user);
	free(confirm.host);
	confirm.user = xstrdup(client->user);
	confirm.host = xstrdup(client->host);
	confirm.timeout_s = timeout_s;
	confirm.deadline_ms = clock_ms() + (uint64_t)timeout_s * 1000;
	r = write_file(err);
	if (r < 0) {
		if (is_first)
			forget();
		return r;
	}
	if (is_first)
		confirm.state = ANNOUNCED;
	return 0;
}

void confirm_start(void)
{
	tell(confirm.state == ANNOUNCED ? NOTIFY_CONFIRM_START : NOTIFY_CONFIRM_EXTEND);
	confirm.state = PENDING;
	loop_timer_start(confirm.timer, (uint64_t)confirm.timeout_s * 1000);
}

void confirm_withdraw(void)
{
	if (confirm.state == ANNOUNCED)
		forget();
}

void confirm_end(void)
{
	forget();
}

void confirm_session_closed(uint32_t session)
{
	if (confirm.state != PENDING || confirm.persist || confirm.session != session)
		return;
	log_notice("confirm", "event=confirm-session-ended session=%u", session);
	tell(NOTIFY_CONFIRM_CANCEL);
	confirm.state = GOING_BACK;
	expire(NULL);
}

/* --- going back --------------------------------------------------------------------------------- */

void confirm_build_start(void)
{
	confirm.left = confirm.count;
	confirm.at = 0;
	confirm.state = GOING_BACK;
}

int confirm_build(struct edit *edit, struct err *err)
{
	while (confirm.left > 0) {
		size_t start = confirm.starts[confirm.left - 1];
		size_t end = confirm.left < confirm.count ? confirm.starts[confirm.left]
							  : confirm.records.length;
		int r = record_replay(
			edit, buf_bytes(&confirm.records) + start, end - start, &confirm.at, err);

		if (r != 0)
			return r;
		confirm.at = 0;
		confirm.left--;
	}
	return 0;
}

/* --- after a restart ---------------------------------------------------------------------------- */

static int parse_file(const char *text, size_t size)
{
	const char *end = memchr(text, '\n', size);
	int at = 0;
	size_t offset;
	const char *data;
	size_t record_size;

	if (!end ||
		sscanf(text, "%" SCNu64 " %u %n", &confirm.deadline_ms, &confirm.session, &at) != 2)
		return -EBADMSG;
	if (text + at < end)
		confirm.persist = xstrndup(text + at, (size_t)(end - text) - (size_t)at);
	offset = (size_t)(end + 1 - text);
	while (record_unseal(text, size, &offset, &data, &record_size) > 0)
		add_record(data, record_size);
	return 0;
}

void confirm_restore(bool is_same_boot)
{
	_cleanup_free_ char *path = file_path(), *text = NULL;
	_cleanup_err_ struct err err = { 0 };
	uint64_t now = clock_ms();
	size_t size;
	int r = file_read(path, FILE_MAX, &text, &size, &err);

	if (r == 0 && is_same_boot)
		r = parse_file(text, size);
	if (r < 0 || !is_same_boot) {
		if (r < 0 && r != -ENOENT)
			log_error("confirm",
				"the pending confirmed commit is lost: %s cannot be "
				"read",
				path);
		forget();
		return;
	}
	confirm.timer = loop_timer_new("confirm", expire, NULL);
	confirm.state = PENDING;
	if (!confirm.persist || confirm.deadline_ms <= now || write_file(&err) < 0) {
		expire(NULL);
		return;
	}
	log_notice("confirm", "event=confirm-resumed left-ms=%" PRIu64, confirm.deadline_ms - now);
	loop_timer_start(confirm.timer, confirm.deadline_ms - now);
}
