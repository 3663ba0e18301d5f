/*
 * One NETCONF operation: the message, what it asks, its one reply. Handlers are in op-*.c; none runs
 * without passing op_run(), which checks that the operation is known and allowed.
 */
#ifndef ASHLAR_SERVER_OP_H
#define ASHLAR_SERVER_OP_H

#include "ashlar/datastore.h"
#include "ashlar/loop.h"

#include "nc-rpc.h"
#include "session.h"

struct op {
	struct session *session;
	struct ds_client client;
	struct buf message;		  /* what rpc points into */
	struct buf scratch;		  /* a payload that had to be completed */
	const struct nc_element *element; /* the operation; in rpc */
	struct nc_rpc_scan *scan; /* of a large message that is being looked through; NULL: none */
	struct loop_task *task;	  /* goes on with that */
	char *comment;		  /* the client's, of a transaction; owned; may be NULL */
	struct url *url;	  /* under way; NULL: none */
	const struct nc_element *url_target; /* where a configuration is to go; in rpc */
	struct buf fetched; /* the content of the configuration that a URL stands for */
	bool has_fetched;
	bool is_bad_rpc;
	bool closes;	/* the session ends with the reply */
	bool has_begun; /* a part of the reply is out */
	struct nc_rpc rpc;
};

/* Moves the message. */
struct op *op_new(struct session *session, struct buf *message);
/* Answers now or later; the op is gone once it is answered. */
void op_run(struct op *op);
/* There is room for the next part of the reply. */
void op_drained(struct op *op);
/* The session is over: no answer. */
void op_cancel(struct op *op);

/* --- for handlers ----------------------------------------------------------------------------- */

/* Exactly one of these answers; the op is gone afterwards. */
void op_reply_ok(struct op *op);
void op_reply_error(struct op *op, const struct err *err);
/* @before, the data, @after within the reply. Takes the data's bytes. */
void op_reply_data(struct op *op, const char *before, struct buf *data, const char *after);
/*
 * A part of the data, and before the first @before; op_reply_data() ends it then. Takes the bytes; asks
 * for the next part of the operation's read when there is room for it.
 */
void op_reply_part(struct op *op, const char *before, struct buf *part);
/* The output nodes among the operation's children; ok when there are none. */
void op_reply_output(struct op *op, const struct lyd_node *operation);
/* A ds_done_fn: ok or the error. */
void op_on_done(const struct err *err, void *arg);
/* A ds_planned_fn. */
void op_on_planned(const struct ds_step *steps, size_t count, void *arg);

/* A parameter an operation takes. */
struct op_param {
	const char *name;
	const char *ns; /* NULL: the base namespace */
	bool is_mandatory;
	bool is_list; /* may be there more than once: ret_elements has the first */
};
/*
 * The parameters by their place in the table; NULL: absent. Refuses unknown, repeated and missing ones.
 */
int op_params(struct op *op, const struct op_param *params, size_t count,
	const struct nc_element **ret_elements, struct err *err) WARN_UNUSED;
/*
 * <source> or <target>: which datastore; @allowed has a bit per enum ds, and OP_BY_IDENTITY where NMDA's
 * <datastore> is possible, too.
 */
#define OP_BY_IDENTITY (1U << 31)
#define OP_BY_URL      (1U << 30) /* of op_source(): *ret_config may be a <url> */
int op_datastore(struct op *op, const struct nc_element *element, unsigned allowed, enum ds *ret_ds,
	struct err *err) WARN_UNUSED;
/* The same where <config> is possible, too: then *ret_config is that. */
int op_source(struct op *op, const struct nc_element *element, unsigned allowed, enum ds *ret_ds,
	const struct nc_element **ret_config, struct err *err) WARN_UNUSED;
/*
 * The datastore whose identity the element holds; invalid-value when it is none of @allowed. Intended is
 * running where it is read: *ret_is_intended; NULL: it is refused.
 */
int op_identity(struct op *op, const struct nc_element *element, unsigned allowed, enum ds *ret_ds,
	bool *ret_is_intended, struct err *err) WARN_UNUSED;
/*
 * The name of the identity that the element holds, if it is of the module with that namespace; malloc'd;
 * invalid-value.
 */
int op_identity_name(struct op *op, const struct nc_element *element, const char *ns,
	char **ret_name, struct err *err) WARN_UNUSED;
/* The index of the element's value in @values, which ends with NULL. */
int op_enum(struct op *op, const struct nc_element *element, const char *const *values,
	struct err *err) WARN_UNUSED;
/* What ashlar-history lets be said of a transaction, as parameters. */
#define OP_TRANSACTION_PARAMS                                                                      \
	{ "comment", NC_NS_HISTORY, false },                                                       \
	{                                                                                          \
		"plan", NC_NS_HISTORY, false                                                       \
	}
/* Takes them: @elements are of these two. *ret_planned is what planning asks for, or NULL. */
int op_transaction(struct op *op, const struct nc_element *const *elements,
	ds_planned_fn *ret_planned, struct err *err) WARN_UNUSED;
/* Which entries of a list are read, by ashlar-paging. */
#define OP_PAGE_PARAMS                                                                             \
	{ "limit", NC_NS_PAGING, false },                                                          \
	{                                                                                          \
		"offset", NC_NS_PAGING, false                                                      \
	}
/* Takes them: @elements are of these two, either may be NULL. */
int op_page(struct op *op, const struct nc_element *const *elements, struct ds_read *read,
	struct err *err) WARN_UNUSED;
/* Refuses an element with content. NULL is fine. */
int op_empty(struct op *op, const struct nc_element *element, struct err *err) WARN_UNUSED;
/* The element's content, NUL-terminated; it ends what can be read of the text behind it. */
int op_payload(struct op *op, const struct nc_element *element, struct xml_text *ret_text,
	struct err *err) WARN_UNUSED;
/* The element's content as the read's subtree filter; *ret_nothing: it selects nothing. */
int op_subtree(struct op *op, const struct nc_element *element, struct ds_read *read,
	bool *ret_nothing, struct err *err) WARN_UNUSED;
/* An expression as the read's; its prefixes are those declared where @element stands. */
int op_xpath(struct op *op, const struct nc_element *element, const char *text,
	struct ds_read *read, struct err *err) WARN_UNUSED;
/* The value of <with-defaults>; NULL: not given. */
int op_defaults(struct op *op, const struct nc_element *element, enum with_defaults *ret_defaults,
	struct err *err) WARN_UNUSED;
/* The content of an edit, large ones in portions, as edit->tree or edit->portions. */
int op_edit_content(struct op *op, const struct nc_element *config, struct ds_edit *edit,
	struct err *err) WARN_UNUSED;
/*
 * A <filter> as RFC 6241 has it, into @read's subtree or xpath; *ret_nothing: it is empty. What it is taken
 * from is not whole afterwards.
 */
int op_filter(struct op *op, const struct nc_element *filter, struct ds_read *read,
	bool *ret_nothing, struct err *err) WARN_UNUSED;
/* missing-element. */
int op_missing_element(const char *name, struct err *err);

/* --- URLs ------------------------------------------------------------------------------------- */

/* An edit's <config> or <url> (either may be NULL), which exclude each other. */
int op_edit_choice(const struct nc_element *config, const struct nc_element *url,
	const struct nc_element **ret_element, struct err *err) WARN_UNUSED;
/* Is it a <url>? NULL: no. */
bool op_is_url(const struct nc_element *element);
/*
 * 0: there is nothing to fetch, or it is there: op_payload() gives it. 1: it is being fetched, then the handler
 * is called anew; it must not have begun anything.
 */
int op_fetch(struct op *op, const struct nc_element *element, struct err *err) WARN_UNUSED;
/* Copies a datastore, or (if not NULL) the content of @config, to the URL; answers. */
int op_copy_to_url(struct op *op, const struct nc_element *target, enum ds ds,
	const struct nc_element *config, enum with_defaults defaults, struct err *err) WARN_UNUSED;
int op_delete_url(struct op *op, const struct nc_element *target, struct err *err) WARN_UNUSED;
/* Calls the handler anew. */
void op_go_on(struct op *op);

/* Fills in an error about an element; @format gets its name as %s. */
int op_bad_element(
	struct err *err, enum err_tag tag, const struct nc_element *element, const char *what);

/* --- handlers --------------------------------------------------------------------------------- */

/* 0: answered, or will be; an error is to be the answer. */
typedef int (*op_fn)(struct op *op, struct err *err);

int op_get(struct op *op, struct err *err);
int op_get_config(struct op *op, struct err *err);
int op_get_schema(struct op *op, struct err *err);
int op_get_data(struct op *op, struct err *err);
int op_edit_data(struct op *op, struct err *err);
int op_edit_config(struct op *op, struct err *err);
int op_copy_config(struct op *op, struct err *err);
int op_delete_config(struct op *op, struct err *err);
int op_commit(struct op *op, struct err *err);
int op_cancel_commit(struct op *op, struct err *err);
int op_discard_changes(struct op *op, struct err *err);
int op_validate(struct op *op, struct err *err);
int op_lock(struct op *op, struct err *err);
int op_unlock(struct op *op, struct err *err);
int op_partial_lock(struct op *op, struct err *err);
int op_partial_unlock(struct op *op, struct err *err);
int op_close_session(struct op *op, struct err *err);
int op_kill_session(struct op *op, struct err *err);
int op_create_subscription(struct op *op, struct err *err);
int op_establish_subscription(struct op *op, struct err *err);
int op_modify_subscription(struct op *op, struct err *err);
int op_delete_subscription(struct op *op, struct err *err);
int op_kill_subscription(struct op *op, struct err *err);
int op_resync_subscription(struct op *op, struct err *err);
/* RPCs and actions of other modules. */
int op_call(struct op *op, struct err *err);

#endif
