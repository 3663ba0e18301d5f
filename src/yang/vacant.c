/* See vacant.h. */
#include <string.h>

#include "ashlar/str.h"

#include "compat.h"
#include "vacant.h"

/* Begins with a character for private use, which a configuration has no use for. */
#define HIDDEN                                                                                     \
	"\xee\x80\x80"                                                                             \
	"empty array"

#define BLANKS " \t\r\n"

/* Behind the string that begins at @at. */
static const char *skip_string(const char *at)
{
	for (at++; *at && *at != '"'; at++) {
		if (*at == '\\' && at[1])
			at++;
	}
	return *at ? at + 1 : at;
}

/* The next empty array; *ret_end is what stands behind it. */
static const char *find(const char *at, const char **ret_end)
{
	while (*at) {
		if (*at == '"') {
			at = skip_string(at);
			continue;
		}
		if (*at == '[' && at[1 + strspn(at + 1, BLANKS)] == ']') {
			*ret_end = at + strspn(at + 1, BLANKS) + 2;
			return at;
		}
		at++;
	}
	return NULL;
}

bool vacant_hide(const char *text, struct buf *out)
{
	const char *end, *array = find(text, &end);

	if (!array)
		return false;
	for (; array; array = find(text, &end)) {
		(void)!buf_append(out, text, (size_t)(array - text)); /* no ceiling */
		(void)!buf_append_str(out, "\"" HIDDEN "\"");
		text = end;
	}
	(void)!buf_append_str(out, text);
	return true;
}

static bool is_hidden(const struct lyd_node *node)
{
	return !node->schema && str_equal(((const struct lyd_node_opaq *)node)->value, HIDDEN);
}

void vacant_restore(struct lyd_node **tree)
{
	struct lyd_node *node, *next, *child;

	for (node = *tree; node; node = next) {
		next = node->next;
		child = lyd_child(node);
		vacant_restore(&child);
		if (!is_hidden(node))
			continue;
		if (!format_opaque_schema(node)) {
			compat_print_bare(node, "[]");
			continue;
		}
		if (*tree == node)
			*tree = next;
		lyd_free_tree(node);
	}
}
