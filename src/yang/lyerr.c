/*
 * libyang's errors as ours. libyang tells a class, a text and a path; the error-tag a client is owed
 * (RFC 6241 appendix A) follows from class and text.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/yang.h"

#include "compat.h"

/*
 * Text of a libyang message → tag, where the class does not tell, and the error-info element that holds
 * what the message quotes first. First match counts.
 */
static const struct message {
	const char *text;
	enum err_tag tag;
	const char *info; /* may be NULL */
} messages[] = {
	{ "No module with namespace", ERR_TAG_UNKNOWN_NAMESPACE, "bad-namespace" },
	{ "No module named", ERR_TAG_UNKNOWN_NAMESPACE, "bad-namespace" },
	{ "Unknown XML prefix", ERR_TAG_UNKNOWN_NAMESPACE, NULL },
	{ "missing its key", ERR_TAG_MISSING_ELEMENT, "bad-element" },
	{ "not found as a child", ERR_TAG_UNKNOWN_ELEMENT, "bad-element" },
	{ "not found in the", ERR_TAG_UNKNOWN_ELEMENT, "bad-element" },
	{ "Unexpected data", ERR_TAG_UNKNOWN_ELEMENT, NULL },
	{ "Mandatory node", ERR_TAG_MISSING_ELEMENT, "bad-element" },
	{ "Unknown (or not implemented) YANG module", ERR_TAG_UNKNOWN_NAMESPACE, NULL },
	{ "annotation definition", ERR_TAG_UNKNOWN_ATTRIBUTE, NULL },
	{ "Missing mandatory prefix for XML metadata", ERR_TAG_UNKNOWN_ATTRIBUTE, "bad-attribute" },
};

static const struct message *find_message(const char *text)
{
	for (size_t i = 0; text && i < ARRAY_SIZE(messages); i++) {
		if (strstr(text, messages[i].text))
			return &messages[i];
	}
	return NULL;
}

/* Adds what the text quotes first. */
static void add_quoted(struct err *err, const char *info, const char *text)
{
	const char *start = strchr(text, '"');
	const char *end = start ? strchr(start + 1, '"') : NULL;
	_cleanup_free_ char *value = end ? xstrndup(start + 1, (size_t)(end - start - 1)) : NULL;

	if (value)
		err_add_info(err, info, value);
}

static enum err_tag tag_of(const struct ly_err_item *item)
{
	const struct message *message = find_message(item->msg);

	if (message)
		return message->tag;
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
	const struct message *message;
	_cleanup_free_ char *path = NULL;

	if (!item)
		return err_set(err, code, NULL, "libyang failed without a reason");
	path = bare_path(compat_error_path(item));
	err_tagged(err, tag_of(item), path, "%s", item->msg ? item->msg : "unknown error");
	if (item->apptag && *item->apptag)
		err_app_tag(err, item->apptag);
	message = find_message(item->msg);
	if (message && message->info)
		add_quoted(err, message->info, item->msg);
	if (err)
		err->code = code;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return code;
}
