/*
 * The datastores: trees by name, transactions, reads, locks, access control. What NETCONF and
 * RESTCONF both stand on.
 *
 * One transaction runs at a time and may take several turns of the loop; what is asked meanwhile waits
 * its turn. Every ds_* with a done callback calls it exactly once, possibly before it returns, unless
 * ds_forget() came first.
 */
#ifndef ASHLAR_DATASTORE_H
#define ASHLAR_DATASTORE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ashlar/buf.h"
#include "ashlar/err.h"
#include "ashlar/yang.h"

enum ds {
	DS_RUNNING,
	DS_STARTUP,
	DS_CANDIDATE,	/* shared; running itself until it is edited */
	DS_FACTORY,	/* read only: what the device starts from without startup */
	DS_OPERATIONAL, /* read only: running plus what is observed */
};

/* Who asks. Borrowed for the call. */
struct ds_client {
	const char *user;
	uint32_t session;     /* session-id; 0: none (RESTCONF) */
	const char *protocol; /* "netconf", "restconf", "internal" */
	const char *comment;  /* why, in the client's words, for history; NULL: none */
	const char *host;     /* where it comes from, an address; NULL: this machine */
	/* Access control does not apply: root's local session, or the daemon itself (session 0), for
	 * which locks do not count either. */
	bool is_recovery;
};

/* --- life ------------------------------------------------------------------------------------- */

struct ds_config {
	const char *config_dir, *run_dir, *state_dir, *yang_dir;
	const char *startup_dir; /* that holds the startup configuration */
};

/* Loads the schema, prepares trees, index, access rules. After the targets' init. */
int ds_init(const struct ds_config *config, struct err *err) WARN_UNUSED;
/*
 * Brings running up: from the checkpoint and journal in run_dir if this boot has one, else from
 * startup, else from the factory configuration; converges (best effort). @done when finished.
 */
void ds_start(void (*done)(const struct err *err, void *arg), void *arg);
void ds_done(void);
/* Loads and validates a startup file as a boot would, applying nothing (--check). */
int ds_check_file(const char *path, struct err *err) WARN_UNUSED;

/* --- edits ------------------------------------------------------------------------------------ */

typedef void (*ds_done_fn)(const struct err *err, void *arg); /* err NULL: done */

/* One act of a plan: what would be done to the device. */
struct ds_step {
	const char *operation; /* "add", "change", "remove" */
	const char *kind, *key;
	const char
		*owner; /* instance path of what asks for the object, or did; NULL: nothing did */
};
/*
 * An operation with such a callback is only planned: it is checked as if it were to be done, and undone; then
 * this is called with what would be done to the device, in order. On failure it is done() that is called.
 */
typedef void (*ds_planned_fn)(const struct ds_step *steps, size_t count, void *arg);
/* Appends the steps as output of an RPC: XML elements, or a JSON object (nothing when there are none). */
int ds_print_steps(struct buf *out, const struct ds_step *steps, size_t count, enum format format,
	struct err *err) WARN_UNUSED;

enum ds_default_operation {
	DS_DEFAULT_MERGE,
	DS_DEFAULT_REPLACE,
	DS_DEFAULT_NONE,
};

enum ds_test_option {
	DS_TEST_THEN_SET,
	/* Running and startup are validated all the same: they are always valid (section 8.6.5). */
	DS_SET,
	DS_TEST_ONLY,
};

struct ds_edit {
	enum ds target; /* running, candidate or startup */
	/* From format_parse_edit(); top-level siblings with ietf-netconf:operation metadata. Taken. */
	struct lyd_node *tree;
	/* Instead of a tree, for a large request that merges or says its operations itself: taken; NULL. */
	struct portions *portions;
	enum ds_default_operation default_operation;
	enum ds_test_option test_option;
	/* Also reaches startup, written behind (RESTCONF {+restconf}/data); in-use when that is locked. */
	bool save;
	uint64_t if_match; /* refuse with -ESTALE when the target's generation is another; 0: any */
	ds_planned_fn planned; /* only plan it; NULL: do it */
};

void ds_edit(const struct ds_client *client, struct ds_edit *edit, ds_done_fn done, void *arg);
/*
 * For who sees by himself that an edit cannot be made: access-denied when access control would refuse it
 * whatever is there, which goes first (RFC 8341 section 3.2.5). A request as in ds_edit(), DS_DEFAULT_NONE.
 */
int ds_may_edit(const struct ds_client *client, const struct lyd_node *request,
	struct err *err) WARN_UNUSED;

/* A datastore or a whole configuration given in the request. */
struct ds_source {
	bool is_tree;
	enum ds ds;	       /* if not a tree */
	struct lyd_node *tree; /* from format_parse_edit(); taken; may be NULL (empty) */
};

void ds_copy(const struct ds_client *client, enum ds target, struct ds_source *source,
	ds_done_fn done, void *arg);
/* Startup only; running cannot be deleted (RFC 6241 section 7.4). */
void ds_delete(const struct ds_client *client, enum ds target, ds_done_fn done, void *arg);
void ds_validate(
	const struct ds_client *client, struct ds_source *source, ds_done_fn done, void *arg);

/*
 * The candidate (RFC 6241 section 8.3) becomes running. A confirmed commit is taken back when neither a
 * further commit nor an extension comes in time (section 8.4); persist and persist_id are taken.
 */
struct ds_commit {
	bool is_confirmed;
	uint32_t timeout_s; /* 0: the default, 600 */
	char *persist; /* it may be confirmed by whoever knows this; NULL: it ends with the session */
	char *persist_id;      /* of the pending one; NULL: none */
	ds_planned_fn planned; /* only plan it; NULL: do it */
};
void ds_commit(
	const struct ds_client *client, struct ds_commit *commit, ds_done_fn done, void *arg);
/* Takes the pending confirmed commit back; takes @persist_id. */
void ds_cancel_commit(const struct ds_client *client, char *persist_id, ds_done_fn done, void *arg);
/* The candidate becomes what running is. */
void ds_discard(const struct ds_client *client, ds_done_fn done, void *arg);

/*
 * Makes running what the factory configuration says; with @is_reset (RFC 8808 section 2) the candidate and
 * startup, too, whoever holds a lock, and once that is done has the daemon restarted (ds_on_restart()), so
 * that the next one starts by removing what else was kept. Access control has been asked for the RPC.
 */
void ds_factory(bool is_reset, ds_done_fn done, void *arg);
/*
 * For a device that is wiped when it starts next: nothing is changed any more (in-use), as after the former; unless
 * it has come to nothing. in-use: one has begun already.
 */
int ds_reset_begin(struct err *err) WARN_UNUSED;
void ds_reset_failed(void);
/* Called when the daemon is to stop and start anew: a moment after done(), so that the answer gets out. */
void ds_on_restart(void (*callback)(void));
/* Before anything else is read from those directories: ends a reset that the last daemon began. */
int ds_finish_reset(const struct ds_config *config, struct err *err) WARN_UNUSED;

/* Counts changes of a datastore; never 0, and begins anywhere with each start. */
uint64_t ds_generation(enum ds ds);
/*
 * Since when the datastore is what it is. It may be later than now: when it has changed again within this
 * second, and while the clock cannot be believed.
 */
time_t ds_last_modified(enum ds ds);
/* The configuration tree itself, for looking things up within one turn (users' hashes and keys). */
const struct lyd_node *ds_tree(enum ds ds);
/* Startup as its file has it, read now; an absent one is empty. The caller frees. */
int ds_startup(struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;

/* --- locks ------------------------------------------------------------------------------------ */

/*
 * RFC 6241 section 7.5: lock-denied with the holder's session-id. It is taken when all that was asked before is
 * done; what is still to be written to startup (struct ds_edit, save) is on disk before that is locked.
 */
void ds_lock(const struct ds_client *client, enum ds ds, ds_done_fn done, void *arg);
int ds_unlock(const struct ds_client *client, enum ds ds, struct err *err) WARN_UNUSED;
/* Holder's session, its time; 0: unlocked. */
uint32_t ds_lock_holder(enum ds ds, time_t *ret_since);

/* A lock on parts of running (RFC 5717). Borrowed, like all it holds, until the turn ends. */
struct ds_partial {
	uint32_t id, session;
	time_t since;
	const char *const *selects; /* expressions, prefixes resolved to module names */
	size_t select_count;
	const char *const *nodes; /* instance paths */
	size_t node_count;
};
/*
 * Locks what the expressions select now, of what the client may read, with all below; @selects and what it
 * holds are taken. Done gets the lock, or NULL and the error of section 2.4.1.1.
 */
typedef void (*ds_partial_fn)(const struct ds_partial *lock, const struct err *err, void *arg);
void ds_partial_lock(const struct ds_client *client, char **selects, size_t count,
	ds_partial_fn done, void *arg);
/* -EINVAL when the session has no such lock. */
int ds_partial_unlock(const struct ds_client *client, uint32_t id, struct err *err) WARN_UNUSED;
/* The partial locks, from index 0 on; false at the end. */
bool ds_partial_at(size_t index, struct ds_partial *ret_lock);

/* The session is over: its locks go. */
void ds_session_closed(uint32_t session);

/* --- reads ------------------------------------------------------------------------------------ */

enum ds_content {
	DS_CONTENT_ALL,
	DS_CONTENT_CONFIG,
	DS_CONTENT_NONCONFIG,
};

/* A parsed subtree filter. */
struct ds_filter;

/* Where a value of operational comes from (RFC 8342 section 5.3.4). */
enum ds_origin {
	DS_ORIGIN_NONE, /* state has no origin */
	DS_ORIGIN_INTENDED,
	DS_ORIGIN_DYNAMIC,
	DS_ORIGIN_SYSTEM,
	DS_ORIGIN_LEARNED,
	DS_ORIGIN_DEFAULT,
	DS_ORIGIN_UNKNOWN,
};
/* Its identity's name; NULL for DS_ORIGIN_NONE. */
const char *ds_origin_name(enum ds_origin origin);

/*
 * Where the text of a read has entries without keys: the content of the state container that holds them (all
 * of it), between its tags or braces.
 */
struct ds_rows {
	struct ds_row {
		char *path; /* instance path of the container */
		const struct lysc_node *schema;
		size_t start, end;
	} * list; /* in the text's order */
	size_t count, room;
};
void ds_rows_done(struct ds_rows *rows);

struct ds_read {
	enum ds ds;
	enum ds_content content;
	/* At most one of the three. */
	struct ds_filter *subtree; /* from ds_parse_filter(); taken */
	char *xpath;		   /* prefixes resolved to module names; taken */
	char *path;		   /* one data resource by instance path (RESTCONF); taken */
	/* RFC 8040 section 4.8.2, counted from the target; of a filter from each node that it selects. 0:
	 * unbounded */
	unsigned depth;
	char *fields; /* RFC 8040 section 4.8.3; taken; may be NULL */
	/*
	 * Of the list that what is asked for leads to (ashlar-paging), so many entries at most, 0: all, after
	 * so many that are left out. One of them set where it leads to no list, or by an expression that is no
	 * path, is an error.
	 */
	uint32_t limit, offset;
	/* Of operational: */
	bool is_in_use; /* what is in use (RFC 8342 section 5.3), not running with what is observed */
	bool with_origin; /* as metadata; in use only */
	unsigned
		origins; /* bits 1U << enum ds_origin of the configuration selected; 0: all; in use only */
	/* For those who follow changes: without what nobody tells of (counters), and nothing refreshed. */
	bool is_for_changes;
	/*
	 * A long answer comes in parts, of DS_PART_BYTES and more, and then the rest is what done() gets; NULL:
	 * all at once. The bytes are taken by moving *part, or they are gone. After each, the next comes when
	 * ds_read_more() was called. An error of done() after a part says no more than that the rest is missing.
	 */
	void (*part)(struct buf *part, void *arg);
	/* Filled in while it is read, unless it is by an expression; NULL: not asked for. Not with part(). */
	struct ds_rows *rows;
	enum with_defaults defaults;
	enum format format;
	/*
	 * Of an expression only: the instance paths of the nodes that it selects, each with a zero byte behind
	 * it. When it selects no nodes but a value, the error's code is -EDOM.
	 */
	bool is_paths;
};

/*
 * Done gets what was asked as text: XML elements or the members of a JSON object without the
 * enclosing <data> / {}; it takes the bytes by moving *out. Nothing found is no error, but for a path:
 * -ENOENT. What the client may not read is left out silently (RFC 8341 section 3.2.4).
 */
typedef void (*ds_read_fn)(struct buf *out, const struct err *err, void *arg);
void ds_read(const struct ds_client *client, struct ds_read *read, ds_read_fn done, void *arg);
#define DS_PART_BYTES ((size_t)65536)
/* The part that the read with this @arg came with has been dealt with: there is room for the next. */
void ds_read_more(void *arg);
/*
 * A subtree filter's elements, as they stand in <filter>, with namespace declarations of their own.
 * Without any, the filter selects nothing.
 */
int ds_parse_filter(
	const char *text, size_t size, struct ds_filter **ret_filter, struct err *err) WARN_UNUSED;
/* NULL is fine. */
void ds_filter_free(struct ds_filter *filter);
/*
 * Operational data that no feature but the server knows: @show fills the container at @schema_path
 * ("/ietf-netconf-monitoring:netconf-state"; static) whenever a read asks for it. Again: replaces it.
 */
void ds_set_state_provider(
	const char *schema_path, int (*show)(struct lyd_node *container, struct err *err));
/* Within @show: may the one who reads see the node at the instance path? */
bool ds_reader_sees(const char *path);

/* --- history ---------------------------------------------------------------------------------- */

/* One transaction that has changed running, and the configuration that it led to. */
struct ds_history_entry {
	uint32_t id; /* from 1, each one more than the one before */
	time_t time;
	const char *user;     /* NULL: the daemon itself */
	uint32_t session;     /* 0: none */
	const char *protocol; /* "netconf", "restconf", "server" */
	const char *comment;  /* NULL: none */
};
#define DS_COMMENT_MAX 255 /* characters; as the model says */

/* The entries that are kept, oldest first: index from 0; NULL at the end. Borrowed for the turn. */
const struct ds_history_entry *ds_history(size_t index);

/* --- RPCs and actions ------------------------------------------------------------------------- */

/* May the client run this protocol operation ("ietf-netconf", "edit-config")? -EACCES. */
int ds_may_execute(const struct ds_client *client, const char *module, const char *rpc,
	struct err *err) WARN_UNUSED;
/*
 * Runs an RPC or action that a feature owns. @op is from format_parse_rpc() (an action with its parents);
 * taken. Done gets the operation's node with its output children alone (borrowed; NULL on error), or instead, if it
 * is not empty, the output as text in @format: XML elements, or a JSON object (taken by moving *text).
 */
typedef void (*ds_call_fn)(
	const struct lyd_node *output, struct buf *text, const struct err *err, void *arg);
void ds_call(const struct ds_client *client, struct lyd_node *op, enum format format,
	ds_call_fn done, void *arg);
/* The RPCs that are the datastores' own; ends with path NULL. */
struct feature_action;
const struct feature_action *ds_actions(void);

/* No callback with this @arg comes any more; what has not begun is dropped. */
void ds_forget(void *arg);

/* What access control has refused since start (RFC 8341, counters of ietf-netconf-acm). */
struct ds_denied {
	uint32_t operations, data_writes, notifications;
};
const struct ds_denied *ds_denied(void);

/* How many edits were undone since start: what a feature learned from a tree before may not hold. */
uint64_t ds_undone(void);
/*
 * Configuration that a startup file holds and this version cannot apply: path and why, from index 0 on;
 * false at the end. Borrowed.
 */
bool ds_not_applied(size_t index, const char **ret_path, const char **ret_reason);

/* A source of running that a boot could not take. */
struct ds_boot_refusal {
	const char *source; /* "startup", "journal" … as in ashlar-status */
	char *path;	    /* the node at fault, or NULL */
	char *reason;
};
/* Where running came from when the daemon started; NULL: it has not. */
const char *ds_boot_source(void);
/* What was tried before that and refused; NULL: no more. */
const struct ds_boot_refusal *ds_boot_refusal(size_t index);

struct ds_provision_config {
	const char *share_dir; /* has whose signatures are taken */
	const char *cmdline;   /* the kernel's command line: a file */
	bool has_volumes;      /* volumes may bring one */
};
/*
 * A device that started from the factory's defaults, and has no startup that would have been refused, takes a
 * configuration from the first volume, and then from the URL on the kernel's command line, that brings a good one:
 * running first, then startup. Call when the device is up.
 */
void ds_provision_start(const struct ds_provision_config *config);
/* It still waits for one. */
bool ds_provision_waits(void);
/* What was brought and is not good. */
struct ds_provision_refusal {
	char *source; /* the device, "sda1", or the URL without what is secret */
	char *path;   /* of the node at fault; NULL: none */
	char *reason;
};
/* index from 0; NULL at the end. */
const struct ds_provision_refusal *ds_provision_refusal(size_t index);

/* --- what features may do within an edit (fill) ------------------------------------------------- */

struct edit;
/* Sets a leaf below @parent as if the client had left it to us: creates it when absent, with undo. */
int edit_fill(struct edit *edit, const struct lyd_node *parent, const char *path, const char *value,
	struct err *err) WARN_UNUSED;
/* Keeps another value than the client gave (the hash of a password), with undo. */
int edit_rewrite(struct edit *edit, const struct lyd_node *leaf, const char *value,
	struct err *err) WARN_UNUSED;

#endif
