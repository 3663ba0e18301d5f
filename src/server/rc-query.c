/*
 * Query parameters. Each may come once; what a server does not know, or the resource does not take, is
 * an error and never ignored: a client that asked for less must not get more.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/xml.h"

#include "rc-query.h"
#include "rc-uri.h"

#define WITH_ORIGIN "with-origin"
#define PLAN	    "plan"

static const char *const content_names[] = {
	[DS_CONTENT_ALL] = "all",
	[DS_CONTENT_CONFIG] = "config",
	[DS_CONTENT_NONCONFIG] = "nonconfig",
	NULL,
};

static const char *const defaults_names[] = {
	[WITH_DEFAULTS_EXPLICIT] = "explicit",
	[WITH_DEFAULTS_TRIM] = "trim",
	[WITH_DEFAULTS_ALL] = "report-all",
	[WITH_DEFAULTS_ALL_TAGGED] = "report-all-tagged",
	NULL,
};

static const char *const insert_names[] = {
	[RC_INSERT_NONE] = "",
	[RC_INSERT_FIRST] = "first",
	[RC_INSERT_LAST] = "last",
	[RC_INSERT_BEFORE] = "before",
	[RC_INSERT_AFTER] = "after",
	NULL,
};

/* The value's index among @names. */
static int choose(const char *const *names, const char *name, const char *value, struct err *err)
{
	_cleanup_free_ char *allowed = NULL;
	int i;

	for (i = 0; names[i]; i++)
		if (names[i][0] && str_equal(names[i], value))
			return i;
	allowed = str_alternatives(names);
	return err_set(err, -EINVAL, NULL,
		"\"%s\" is no value of the query parameter \"%s\": allowed is %s", value, name,
		allowed);
}

static int take_content(struct rc_query *query, char *value, struct err *err)
{
	int ret = choose(content_names, "content", value, err);

	query->content = (enum ds_content)(ret < 0 ? 0 : ret);
	return ret;
}

static int take_depth(struct rc_query *query, char *value, struct err *err)
{
	uint64_t depth = 0;

	if (!str_equal(value, "unbounded") && str_u64(value, 1, 65535, &depth) < 0)
		return err_set(err, -EINVAL, NULL,
			"the depth \"%s\" is neither 1 to 65535 nor \"unbounded\"", value);
	query->depth = (unsigned)depth;
	return 0;
}

static int take_limit(struct rc_query *query, char *value, struct err *err)
{
	uint64_t limit = 0;

	if (str_u64(value, 1, UINT32_MAX, &limit) < 0)
		return err_set(
			err, -EINVAL, NULL, "the limit \"%s\" is not 1 to 4294967295", value);
	query->limit = (uint32_t)limit;
	return 0;
}

static int take_offset(struct rc_query *query, char *value, struct err *err)
{
	uint64_t offset = 0;

	if (str_u64(value, 0, UINT32_MAX, &offset) < 0)
		return err_set(
			err, -EINVAL, NULL, "the offset \"%s\" is not 0 to 4294967295", value);
	query->offset = (uint32_t)offset;
	return 0;
}

static int take_fields(struct rc_query *query, char *value, struct err *err)
{
	if (!value[0])
		return err_set(err, -EINVAL, NULL, "\"fields\" names no field");
	query->fields = value;
	return 0;
}

static int take_defaults(struct rc_query *query, char *value, struct err *err)
{
	int ret = choose(defaults_names, "with-defaults", value, err);

	query->has_defaults = true;
	query->defaults = (enum with_defaults)(ret < 0 ? 0 : ret);
	return ret;
}

static int take_insert(struct rc_query *query, char *value, struct err *err)
{
	int ret = choose(insert_names, "insert", value, err);

	query->insert = (enum rc_insert)(ret < 0 ? 0 : ret);
	return ret;
}

static int take_point(struct rc_query *query, char *value, struct err *err)
{
	query->point = value;
	return 0;
}

/* It has no value (RFC 8527 section 3.2.2). */
static int take_origin(struct rc_query *query, char *value, struct err *err)
{
	if (value[0])
		return err_set(
			err, -EINVAL, NULL, "the query parameter \"with-origin\" has no value");
	query->with_origin = true;
	return 0;
}

static int take_comment(struct rc_query *query, char *value, struct err *err)
{
	size_t characters = str_characters(value);

	if (!characters || characters > DS_COMMENT_MAX || !xml_is_text(value, strlen(value)))
		return err_set(err, -EINVAL, NULL, "\"comment\" is no text of 1 to 255 characters");
	query->comment = value;
	return 0;
}

static int take_plan(struct rc_query *query, char *value, struct err *err)
{
	if (value[0])
		return err_set(err, -EINVAL, NULL, "\"plan\" takes no value");
	query->is_plan = true;
	return 0;
}

static int take_filter(struct rc_query *query, char *value, struct err *err)
{
	query->filter = value;
	return 0;
}

static int take_start(struct rc_query *query, char *value, struct err *err)
{
	query->start_time = value;
	return 0;
}

static int take_stop(struct rc_query *query, char *value, struct err *err)
{
	query->stop_time = value;
	return 0;
}

static const struct {
	const char *name;
	unsigned allowed; /* bit that must be given */
	int (*take)(struct rc_query *query, char *value, struct err *err);
} parameters[] = {
	{ "content", RC_QUERY_CONTENT, take_content },
	{ "depth", RC_QUERY_DEPTH, take_depth },
	{ "fields", RC_QUERY_FIELDS, take_fields },
	{ "with-defaults", RC_QUERY_DEFAULTS, take_defaults },
	{ "limit", RC_QUERY_PAGE, take_limit },
	{ "offset", RC_QUERY_PAGE, take_offset },
	{ "insert", RC_QUERY_INSERT, take_insert },
	{ "point", RC_QUERY_INSERT, take_point },
	{ "comment", RC_QUERY_TRANSACTION, take_comment },
	{ PLAN, RC_QUERY_TRANSACTION, take_plan },
	{ WITH_ORIGIN, RC_QUERY_ORIGIN, take_origin },
	{ "filter", RC_QUERY_EVENTS, take_filter },
	{ "start-time", RC_QUERY_EVENTS, take_start },
	{ "stop-time", RC_QUERY_EVENTS, take_stop },
};

static int take(struct rc_query *query, char *name, char *value, unsigned allowed, unsigned *seen,
	struct err *err)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(parameters); i++) {
		if (!str_equal(name, parameters[i].name))
			continue;
		if (!(parameters[i].allowed & allowed))
			return err_set(err, -EINVAL, NULL,
				"the query parameter \"%s\" does not fit this method and resource",
				name);
		if (*seen & 1U << i)
			return err_set(err, -EINVAL, NULL,
				"the query parameter \"%s\" is given twice", name);
		*seen |= 1U << i;
		ret = parameters[i].take(query, value, err);
		return ret < 0 ? ret : 0;
	}
	return err_set(err, -EINVAL, NULL, "the query parameter \"%s\" is not known here", name);
}

static int check_point(const struct rc_query *query, struct err *err)
{
	bool needs = query->insert == RC_INSERT_BEFORE || query->insert == RC_INSERT_AFTER;

	if (needs && !query->point)
		return err_set(
			err, -EINVAL, NULL, "\"insert\" with before or after needs \"point\"");
	if (!needs && query->point)
		return err_set(
			err, -EINVAL, NULL, "\"point\" needs \"insert\" with before or after");
	return 0;
}

/* These may come without a value. */
static bool is_flag(const char *text, size_t size)
{
	return (size == strlen(WITH_ORIGIN) && strncmp(text, WITH_ORIGIN, size) == 0) ||
		(size == strlen(PLAN) && strncmp(text, PLAN, size) == 0);
}

int rc_query_parse(char *text, unsigned allowed, struct rc_query *ret_query, struct err *err)
{
	unsigned seen = 0;
	int ret;

	memset(ret_query, 0, sizeof(*ret_query));
	while (text) {
		char *next = strchr(text, '&'), *value = strchr(text, '=');
		size_t size = next ? (size_t)(next - text) : strlen(text);

		if (!value || (next && value > next)) {
			char none[1] = "";

			if (!is_flag(text, size))
				return err_set(err, -EINVAL, NULL,
					"the query has a parameter without a value");
			text[size] = '\0';
			ret = take(ret_query, text, none, allowed, &seen, err);
		} else {
			ret = rc_uri_decode(value + 1, size - (size_t)(value + 1 - text), err);
			if (ret == 0)
				ret = rc_uri_decode(text, (size_t)(value - text), err);
			if (ret == 0)
				ret = take(ret_query, text, value + 1, allowed, &seen, err);
		}
		if (ret < 0)
			return ret;
		text = next ? next + 1 : NULL;
	}
	return check_point(ret_query, err);
}
