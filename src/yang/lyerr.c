/*
 * libyang's errors as ours. libyang tells a class, a text and a path; the error-tag a client is owed
 * (RFC 6241 appendix A) follows from class and text.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/yang.h"

#include "compat.h"

/* Text of a libyang message → tag, where the class does not tell. First match counts. */
static const struct {
	const char *text;
	enum err_tag tag;
} message_tags[] = {
	{ "No module with namespace", ERR_TAG_UNKNOWN_NAMESPACE },
	{ "No module named", ERR_TAG_UNKNOWN_NAMESPACE },
	{ "Unknown XML prefix", ERR_TAG_UNKNOWN_NAMESPACE },
	{ "missing its key", ERR_TAG_MISSING_ELEMENT },
	{ "not found as a child", ERR_TAG_UNKNOWN_ELEMENT },
	{ "not found in the", ERR_TAG_UNKNOWN_ELEMENT },
	{ "Unexpected data", ERR_TAG_UNKNOWN_ELEMENT },
	{ "Mandatory node", ERR_TAG_MISSING_ELEMENT },
	{ "Unknown (or not implemented) YANG module", ERR_TAG_UNKNOWN_NAMESPACE },
	{ "annotation definition", ERR_TAG_UNKNOWN_ATTRIBUTE },
};

static enum err_tag tag_of(const struct ly_err_item *item)
{
	for (size_t i = 0; i < ARRAY_SIZE(message_tags); i++) {
		if (item->msg && strstr(item->msg, message_tags[i].text))
			return message_tags[i].tag;
	}
	switch (item->vecode) {
	case LYVE_SYNTAX_XML:
	case LYVE_SYNTAX_JSON:
	case LYVE_SYNTAX:
		return ERR_TAG_MALFORMED_MESSAGE;
	case LYVE_REFERENCE:
		return ERR_TAG_UNKNOWN_ELEMENT;
	default:
		return ERR_TAG_INVALID_VALUE;
	}
}

/* 2.1 says: Data location "/a:b/c", line number 1. */
static char *bare_path(const char *text)
{
	const char *start = text ? strchr(text, '/') : NULL;
	const char *end;

	if (!start)
		return NULL;
	if (start == text)
		return xstrdup(text);
	end = strstr(start, "\", ");
	if (!end)
		end = strstr(start, "\".");
	return xstrndup(start, end ? (size_t)(end - start) : strlen(start));
}

int yang_err(struct err *err, int code)
{
	const struct ly_err_item *item = compat_last_error(yang_ctx());
	_cleanup_free_ char *path = NULL;

	if (!item)
		return err_set(err, code, NULL, "libyang failed without a reason");
	path = bare_path(compat_error_path(item));
	err_tagged(err, tag_of(item), path, "%s", item->msg ? item->msg : "unknown error");
	if (item->apptag && *item->apptag)
		err_app_tag(err, item->apptag);
	if (err)
		err->code = code;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return code;
}
