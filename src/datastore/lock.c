/* Global locks by session. A session that ends takes its locks with it. */
#include <errno.h>
#include <stdio.h>

#include "candidate.h"
#include "commit.h"
#include "confirm.h"
#include "lock.h"
#include "partial.h"
#include "reset.h"

static struct {
	uint32_t session; /* 0: unlocked */
	time_t since;
} locks[DS_OPERATIONAL];

static int held(struct err *err, enum err_tag tag, uint32_t session)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", session);
	err_tagged(err, tag, NULL, "locked by session %u", session);
	err_add_info(err, "session-id", text);
	return err ? err->code : -EBUSY;
}

static bool is_lockable(enum ds ds)
{
	return ds == DS_RUNNING || ds == DS_STARTUP || ds == DS_CANDIDATE;
}

static int check_lockable(enum ds ds, struct err *err)
{
	if (is_lockable(ds))
		return 0;
	return err_tagged(
		err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL, "this datastore cannot be locked");
}

int lock_take(const struct ds_client *client, enum ds ds, struct err *err)
{
	int r = check_lockable(ds, err);

	if (r < 0)
		return r;
	if (locks[ds].session)
		return held(err, ERR_TAG_LOCK_DENIED, locks[ds].session);
	if (ds == DS_CANDIDATE && candidate_is_edited()) {
		err_tagged(err, ERR_TAG_LOCK_DENIED, NULL,
			"the candidate holds changes that are not committed");
		err_add_info(err, "session-id", "0");
		return -EBUSY;
	}
	if (ds == DS_RUNNING && partial_holder())
		return held(err, ERR_TAG_LOCK_DENIED, partial_holder());
	if (ds == DS_RUNNING && confirm_session() && confirm_session() != client->session)
		return held(err, ERR_TAG_LOCK_DENIED, confirm_session());
	locks[ds].session = client->session;
	locks[ds].since = time(NULL);
	return 0;
}

int ds_unlock(const struct ds_client *client, enum ds ds, struct err *err)
{
	int r = check_lockable(ds, err);

	if (r < 0)
		return r;
	if (!locks[ds].session)
		return err_tagged(
			err, ERR_TAG_OPERATION_FAILED, NULL, "the datastore is not locked");
	if (locks[ds].session != client->session)
		return held(err, ERR_TAG_OPERATION_FAILED, locks[ds].session);
	locks[ds].session = 0;
	return 0;
}

uint32_t ds_lock_holder(enum ds ds, time_t *ret_since)
{
	if (!is_lockable(ds))
		return 0;
	if (ret_since)
		*ret_since = locks[ds].since;
	return locks[ds].session;
}

void ds_session_closed(uint32_t session)
{
	for (size_t i = 0; session && i < ARRAY_SIZE(locks); i++) {
		if (locks[i].session != session)
			continue;
		locks[i].session = 0;
		if (i == DS_CANDIDATE)
			commit_discard_soon();
	}
	if (session)
		confirm_session_closed(session);
	if (session)
		partial_session_closed(session);
}

int lock_check(const struct ds_client *client, enum ds ds, struct err *err)
{
	bool is_daemon = client->is_recovery && !client->session;

	if (is_daemon)
		return 0;
	if (reset_check(err) < 0)
		return -EBUSY;
	if (!locks[ds].session || locks[ds].session == client->session)
		return 0;
	return held(err, ERR_TAG_IN_USE, locks[ds].session);
}
