/*
 * All that is wrong with a tree, found by going through the whole of it with nothing but libyang's XPath and types:
 * what full validation would find if it went on after the first error.
 */
#ifndef TESTS_UNIT_VIOLATIONS_H
#define TESTS_UNIT_VIOLATIONS_H

#include "ashlar/yang.h"

/* One, with what the client is owed for it (RFC 7950 sections 8.3 and 15). */
struct violation {
	enum err_tag tag;
	char *app_tag; /* may be NULL */
	char *path;
	char *word; /* that the message has to have; may be NULL */
};

struct violations {
	struct violation *items;
	size_t count, room;
};

/* Of the configuration in @tree, whose defaults are in place. */
void violations_find(struct violations *violations, const struct lyd_node *tree);
/*
 * The one that the error tells: tag, app-tag, path and message; NULL: there is none. @can_be_schema: of what is
 * missing the path may lead to the schema node alone, as libyang has it.
 */
const struct violation *violations_told(
	const struct violations *violations, const struct err *err, bool can_be_schema);
/* All as text, for the report of a failure; malloc'd. */
char *violations_text(const struct violations *violations);
void violations_done(struct violations *violations);

#endif
