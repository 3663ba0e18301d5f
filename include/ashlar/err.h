/* Errors: what a user is owed beside the negative errno that functions return. */
#ifndef ASHLAR_ERR_H
#define ASHLAR_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "ashlar/mem.h"

/* error-tag values of RFC 6241 appendix A. */
enum err_tag {
	ERR_TAG_NONE, /* take the one that belongs to the errno */
	ERR_TAG_IN_USE,
	ERR_TAG_INVALID_VALUE,
	ERR_TAG_TOO_BIG,
	ERR_TAG_MISSING_ATTRIBUTE,
	ERR_TAG_BAD_ATTRIBUTE,
	ERR_TAG_UNKNOWN_ATTRIBUTE,
	ERR_TAG_MISSING_ELEMENT,
	ERR_TAG_BAD_ELEMENT,
	ERR_TAG_UNKNOWN_ELEMENT,
	ERR_TAG_UNKNOWN_NAMESPACE,
	ERR_TAG_ACCESS_DENIED,
	ERR_TAG_LOCK_DENIED,
	ERR_TAG_RESOURCE_DENIED,
	ERR_TAG_ROLLBACK_FAILED,
	ERR_TAG_DATA_EXISTS,
	ERR_TAG_DATA_MISSING,
	ERR_TAG_OPERATION_NOT_SUPPORTED,
	ERR_TAG_OPERATION_FAILED,
	ERR_TAG_MALFORMED_MESSAGE,
};

/* error-type values of RFC 6241 section 4.3. */
enum err_type {
	ERR_TYPE_APPLICATION,
	ERR_TYPE_TRANSPORT,
	ERR_TYPE_RPC,
	ERR_TYPE_PROTOCOL,
};

#define ERR_INFO_MAX 3

struct err_info {
	const char
		*name; /* static: "bad-element", "bad-attribute", "bad-namespace", "session-id" */
	char *value;   /* owned */
};

/*
 * One error. Zeroed means "none". On success functions leave it untouched; on failure they return a
 * negative errno and have filled it (if the caller passed one: every function here accepts NULL).
 */
struct err {
	int code; /* negative errno */
	enum err_tag tag;
	enum err_type type;
	char *app_tag; /* may be NULL */
	char *path;    /* instance path of the node at fault, JSON names; may be NULL */
	char *message; /* for a human: names the value and what is allowed */
	struct err_info info[ERR_INFO_MAX];
	char *info_xml; /* what a model has for error-info, an XML element; owned; may be NULL */
};

#define _cleanup_err_ _cleanup_(err_done)

/*
 * Fills @err and returns @code, so that one line does both:
 *	return err_set(err, -EINVAL, path, "%s is not an interface", name);
 * @path is an instance path, a path relative to the unit at hand (err_prefix() completes it), or
 * NULL. An error already in @err is replaced.
 */
int err_set(struct err *err, int code, const char *path, const char *format, ...) PRINTF(4, 5);
int err_vset(struct err *err, int code, const char *path, const char *format, va_list ap);
/* The same with an error-tag that the errno does not imply. */
int err_tagged(struct err *err, enum err_tag tag, const char *path, const char *format, ...)
	PRINTF(4, 5);
/* Adds to what is there; each returns err->code (-EINVAL if there is none). @app_tag is copied. */
int err_app_tag(struct err *err, const char *app_tag);
int err_add_info(struct err *err, const char *name, const char *value);
/* Puts "context: " in front of the message. */
int err_wrap(struct err *err, const char *format, ...) PRINTF(2, 3);
/* Makes a relative or absent path absolute: "prefix/path" or "prefix". */
void err_prefix(struct err *err, const char *prefix);
/* Moves @from into @to (which may be NULL) and returns its code. */
int err_move(struct err *to, struct err *from);
void err_copy(struct err *to, const struct err *from);
void err_done(struct err *err);

/* "invalid-value" …; the tag of @err, or the one its errno implies. */
const char *err_tag_name(enum err_tag tag);
/* ERR_TAG_NONE for an unknown name. */
enum err_tag err_tag_by_name(const char *name);
enum err_tag err_effective_tag(const struct err *err);
enum err_tag err_tag_by_errno(int code);
int err_errno_by_tag(enum err_tag tag);
const char *err_type_name(enum err_type type);
/* Never NULL: the message, or strerror of the code. */
const char *err_text(const struct err *err);

#endif
