/*
 * Errors: an errno for the program, and beside it what RFC 6241 appendix A owes a client. All texts
 * are owned by the error. New texts are made before old ones are freed, so that an error may be
 * rebuilt from its own parts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/err.h"
#include "ashlar/str.h"

/* The name on the wire and the errno that stands for the tag. */
static const struct {
	const char *name;
	int code;
} tags[] = {
	[ERR_TAG_NONE] = { "operation-failed", -EIO },
	[ERR_TAG_IN_USE] = { "in-use", -EBUSY },
	[ERR_TAG_INVALID_VALUE] = { "invalid-value", -EINVAL },
	[ERR_TAG_TOO_BIG] = { "too-big", -E2BIG },
	[ERR_TAG_MISSING_ATTRIBUTE] = { "missing-attribute", -EINVAL },
	[ERR_TAG_BAD_ATTRIBUTE] = { "bad-attribute", -EINVAL },
	[ERR_TAG_UNKNOWN_ATTRIBUTE] = { "unknown-attribute", -EINVAL },
	[ERR_TAG_MISSING_ELEMENT] = { "missing-element", -EINVAL },
	[ERR_TAG_BAD_ELEMENT] = { "bad-element", -EINVAL },
	[ERR_TAG_UNKNOWN_ELEMENT] = { "unknown-element", -EINVAL },
	[ERR_TAG_UNKNOWN_NAMESPACE] = { "unknown-namespace", -EINVAL },
	[ERR_TAG_ACCESS_DENIED] = { "access-denied", -EACCES },
	[ERR_TAG_LOCK_DENIED] = { "lock-denied", -ENOLCK },
	[ERR_TAG_RESOURCE_DENIED] = { "resource-denied", -ENOBUFS },
	[ERR_TAG_ROLLBACK_FAILED] = { "rollback-failed", -ENOTRECOVERABLE },
	[ERR_TAG_DATA_EXISTS] = { "data-exists", -EEXIST },
	[ERR_TAG_DATA_MISSING] = { "data-missing", -ENOENT },
	[ERR_TAG_OPERATION_NOT_SUPPORTED] = { "operation-not-supported", -EOPNOTSUPP },
	[ERR_TAG_OPERATION_FAILED] = { "operation-failed", -EIO },
	[ERR_TAG_MALFORMED_MESSAGE] = { "malformed-message", -EBADMSG },
};

static const char *const types[] = {
	[ERR_TYPE_APPLICATION] = "application",
	[ERR_TYPE_TRANSPORT] = "transport",
	[ERR_TYPE_RPC] = "rpc",
	[ERR_TYPE_PROTOCOL] = "protocol",
};

void err_done(struct err *err)
{
	size_t i;

	if (!err)
		return;
	free(err->info_xml);
	free(err->app_tag);
	free(err->path);
	free(err->message);
	for (i = 0; i < ERR_INFO_MAX; i++)
		free(err->info[i].value);
	*err = (struct err){ 0 };
}

/* The code to return for an error that is being added to: never 0, a caller has failed. */
static int code_of(const struct err *err)
{
	return err && err->code ? err->code : -EINVAL;
}

static char *format_text(const char *format, va_list ap) PRINTF(1, 0);

static char *format_text(const char *format, va_list ap)
{
	char *text;

	if (vasprintf(&text, format, ap) < 0)
		return xstrdup(format);
	return text;
}

static void fill(struct err *err, int code, enum err_tag tag, const char *path, const char *format,
	va_list ap) PRINTF(5, 0);

static void fill(struct err *err, int code, enum err_tag tag, const char *path, const char *format,
	va_list ap)
{
	struct err fresh = {
		.code = code,
		.tag = tag,
		/* RFC 6241 appendix A: the one of our tags that is never of the application */
		.type = tag == ERR_TAG_LOCK_DENIED ? ERR_TYPE_PROTOCOL : ERR_TYPE_APPLICATION,
		.path = xstrdup(path),
		.message = format_text(format, ap),
	};

	err_done(err);
	*err = fresh;
}

int err_vset(struct err *err, int code, const char *path, const char *format, va_list ap)
{
	if (err)
		fill(err, code, ERR_TAG_NONE, path, format, ap);
	return code;
}

int err_set(struct err *err, int code, const char *path, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	err_vset(err, code, path, format, ap);
	va_end(ap);
	return code;
}

int err_tagged(struct err *err, enum err_tag tag, const char *path, const char *format, ...)
{
	int code = err_errno_by_tag(tag);
	va_list ap;

	va_start(ap, format);
	if (err)
		fill(err, code, tag, path, format, ap);
	va_end(ap);
	return code;
}

int err_app_tag(struct err *err, const char *app_tag)
{
	if (err) {
		char *copy = xstrdup(app_tag);

		free(err->app_tag);
		err->app_tag = copy;
	}
	return code_of(err);
}

int err_add_info(struct err *err, const char *name, const char *value)
{
	size_t i;

	for (i = 0; err && i < ERR_INFO_MAX; i++) {
		struct err_info *info = &err->info[i];

		if (!info->name || strcmp(info->name, name) == 0) {
			char *copy = xstrdup(value);

			free(info->value);
			*info = (struct err_info){ .name = name, .value = copy };
			break;
		}
	}
	return code_of(err);
}

int err_wrap(struct err *err, const char *format, ...)
{
	if (err) {
		_cleanup_free_ char *context = NULL;
		char *message;
		va_list ap;

		va_start(ap, format);
		context = format_text(format, ap);
		va_end(ap);
		message = xasprintf("%s: %s", context, err_text(err));
		free(err->message);
		err->message = message;
	}
	return code_of(err);
}

void err_prefix(struct err *err, const char *prefix)
{
	char *path;

	if (!err || (err->path && err->path[0] == '/'))
		return;
	path = err->path && err->path[0] ? xasprintf("%s/%s", prefix, err->path) : xstrdup(prefix);
	free(err->path);
	err->path = path;
}

int err_move(struct err *to, struct err *from)
{
	int code;

	if (!from)
		return code_of(to);
	code = code_of(from);
	if (to == from)
		return code;
	if (!to) {
		err_done(from);
		return code;
	}
	err_done(to);
	*to = *from;
	*from = (struct err){ 0 };
	return code;
}

void err_copy(struct err *to, const struct err *from)
{
	size_t i;

	if (!to || to == from)
		return;
	err_done(to);
	*to = *from;
	to->app_tag = xstrdup(from->app_tag);
	to->path = xstrdup(from->path);
	to->message = xstrdup(from->message);
	for (i = 0; i < ERR_INFO_MAX; i++)
		to->info[i].value = xstrdup(from->info[i].value);
	to->info_xml = xstrdup(from->info_xml);
}

const char *err_tag_name(enum err_tag tag)
{
	return tags[tag].name;
}

enum err_tag err_tag_by_name(const char *name)
{
	enum err_tag tag;

	for (tag = ERR_TAG_IN_USE; tag < ARRAY_SIZE(tags); tag++)
		if (str_equal(tags[tag].name, name))
			return tag;
	return ERR_TAG_NONE;
}

enum err_tag err_effective_tag(const struct err *err)
{
	return err->tag != ERR_TAG_NONE ? err->tag : err_tag_by_errno(err->code);
}

enum err_tag err_tag_by_errno(int code)
{
	switch (-code) {
	case EINVAL:
	case ERANGE:
	case EDOM:
	case EILSEQ:
	case ENAMETOOLONG:
		return ERR_TAG_INVALID_VALUE;
	case EACCES:
	case EPERM:
		return ERR_TAG_ACCESS_DENIED;
	case EBUSY:
	case EADDRINUSE:
		return ERR_TAG_IN_USE;
	case EEXIST:
		return ERR_TAG_DATA_EXISTS;
	case ENOENT:
		return ERR_TAG_DATA_MISSING;
	case EOPNOTSUPP:
	case ENOSYS:
		return ERR_TAG_OPERATION_NOT_SUPPORTED;
	case E2BIG:
	case EFBIG:
	case EMSGSIZE:
		return ERR_TAG_TOO_BIG;
	case ENOMEM:
	case ENOSPC:
	case ENOBUFS:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
		return ERR_TAG_RESOURCE_DENIED;
	case ENOLCK:
		return ERR_TAG_LOCK_DENIED;
	case EBADMSG:
		return ERR_TAG_MALFORMED_MESSAGE;
	case ENOTRECOVERABLE:
		return ERR_TAG_ROLLBACK_FAILED;
	default:
		return ERR_TAG_OPERATION_FAILED;
	}
}

int err_errno_by_tag(enum err_tag tag)
{
	return tags[tag].code;
}

const char *err_type_name(enum err_type type)
{
	return types[type];
}

const char *err_text(const struct err *err)
{
	return err->message ? err->message : strerror(-err->code);
}
