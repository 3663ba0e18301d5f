/*
 * Preconditions. All resources of a datastore have its generation as entity-tag, with a letter for the
 * representation; a change may name the tag of either. An entity-tag goes before a date (RFC 9110
 * section 13.2.2); a date that cannot be read is as if it were not there.
 */
#include <stdio.h>
#include <string.h>

#include "rc-match.h"

struct tag {
	char text[24];
	size_t size;
};

static struct tag make_tag(uint64_t generation, char format)
{
	struct tag tag;

	tag.size = (size_t)snprintf(
		tag.text, sizeof(tag.text), "%llx-%c", (unsigned long long)generation, format);
	return tag;
}

static bool is_tag(struct http_text text, struct tag tag)
{
	return text.size == tag.size && memcmp(text.at, tag.text, tag.size) == 0;
}

/* Is "*" the list? */
static bool is_any(const struct http_lines *lines)
{
	return lines->count == 1 && http_text_is(lines->line[0], "*");
}

/* Is the generation's tag in the list? @format 0: of either representation. */
static bool is_listed(const struct http_lines *lines, uint64_t generation, char format, bool weak)
{
	struct tag json = make_tag(generation, format ? format : 'j');
	struct tag xml = make_tag(generation, format ? format : 'x');
	struct http_text text;
	bool is_weak;
	size_t i;

	for (i = 0; i < lines->count; i++) {
		struct http_text rest = lines->line[i];

		while (http_etag_next(&rest, &text, &is_weak) == 1)
			if ((weak || !is_weak) && (is_tag(text, json) || is_tag(text, xml)))
				return true;
	}
	return false;
}

/* Was it modified after the date? False without one. */
static bool is_newer(struct http_text date, enum ds ds, bool *ret_has_date)
{
	time_t when;

	*ret_has_date = http_date_parse(date, &when);
	return *ret_has_date && ds_last_modified(ds) > when;
}

unsigned rc_match_read(const struct rc_request *req, enum ds ds)
{
	const struct http_head *head = &req->head;
	uint64_t generation = ds_generation(ds);
	char format = req->out_format == FORMAT_JSON ? 'j' : 'x';
	bool has_date, is_modified;

	if (head->if_match.count && !is_any(&head->if_match) &&
		!is_listed(&head->if_match, generation, format, false))
		return 412;
	if (!head->if_match.count && is_newer(head->if_unmodified_since, ds, &has_date))
		return 412;
	/* Tag and date are the configuration's (RFC 8040 section 3.5): state may have changed since. */
	if (req->params.content != DS_CONTENT_CONFIG && !req->uri.is_ds)
		return 0;
	if (head->if_none_match.count)
		return is_any(&head->if_none_match) ||
				is_listed(&head->if_none_match, generation, format, true)
			? 304
			: 0;
	is_modified = is_newer(head->if_modified_since, ds, &has_date);
	return has_date && !is_modified ? 304 : 0;
}

unsigned rc_match_edit(const struct rc_request *req, enum ds ds, bool exists,
	uint64_t *ret_generation, bool *ret_create_only)
{
	const struct http_head *head = &req->head;
	uint64_t generation = ds_generation(ds);
	bool has_date = false;

	*ret_generation = 0;
	*ret_create_only = false;
	if (is_any(&head->if_match)) {
		if (!exists)
			return 412;
	} else if (head->if_match.count) {
		if (!is_listed(&head->if_match, generation, 0, false))
			return 412;
		*ret_generation = generation;
	} else {
		if (is_newer(head->if_unmodified_since, ds, &has_date))
			return 412;
		*ret_generation = has_date ? generation : 0;
	}
	if (is_any(&head->if_none_match)) {
		*ret_create_only = true;
		return exists ? 412 : 0;
	}
	if (!head->if_none_match.count)
		return 0;
	if (is_listed(&head->if_none_match, generation, 0, true))
		return 412;
	return 0;
}
