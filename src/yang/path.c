/* Instance paths and schema paths. */
#include <string.h>

#include "ashlar/yang.h"

static void put(struct buf *out, const char *text)
{
	(void)!buf_append_str(out, text); /* no ceiling */
}

static void put_predicate(struct buf *out, const char *name, const char *value)
{
	const char *quote = strchr(value, '\'') ? "\"" : "'";

	put(out, "[");
	put(out, name);
	put(out, "=");
	put(out, quote);
	put(out, value);
	put(out, quote);
	put(out, "]");
}

/* False: the place of a node among its siblings is part of its path, or there is no schema to name it. */
static bool put_steps(struct buf *out, const struct lyd_node *node)
{
	const struct lyd_node *parent = lyd_parent(node), *key;

	if (!node->schema || lysc_is_dup_inst_list(node->schema) ||
		(parent && !put_steps(out, parent)))
		return false;
	put(out, "/");
	if (!parent || parent->schema->module != node->schema->module) {
		put(out, node->schema->module->name);
		put(out, ":");
	}
	put(out, node->schema->name);
	if (node->schema->nodetype == LYS_LEAFLIST)
		put_predicate(out, ".", lyd_get_value(node));
	if (node->schema->nodetype != LYS_LIST)
		return true;
	for (key = lyd_child(node); key && lysc_is_key(key->schema); key = key->next)
		put_predicate(out, key->schema->name, lyd_get_value(key));
	return true;
}

char *path_of(const struct lyd_node *node)
{
	struct buf out = { 0 };

	/* lyd_path() says the same, in ten times the time */
	if (put_steps(&out, node))
		return buf_take(&out);
	buf_done(&out);
	return lyd_path(node, LYD_PATH_STD, NULL, 0);
}

bool path_go_up(char *path)
{
	size_t slash = 0, i;
	char quote = '\0';

	for (i = 0; path[i]; i++) {
		if (quote)
			quote = path[i] == quote ? '\0' : quote;
		else if (path[i] == '\'' || path[i] == '"')
			quote = path[i];
		else if (path[i] == '/')
			slash = i;
	}
	path[slash] = '\0';
	return slash > 0;
}

const struct lysc_node *path_schema(const char *path)
{
	const struct lysc_node *node = lys_find_path(yang_ctx(), NULL, path, 0);

	if (!node)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return node;
}

/* Percent-encoded, but for what RFC 3986 calls unreserved. */
static void put_encoded(struct buf *out, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
			strchr("-._~", c)) {
			(void)!buf_append(out, value, 1);
		} else {
			char text[] = { '%', hex[c >> 4], hex[c & 15] };

			(void)!buf_append(out, text, sizeof(text));
		}
	}
}

void path_append_step(struct buf *out, const struct lyd_node *node, const struct lyd_node *parent)
{
	const char *separator = "=";
	const struct lyd_node *key;

	put(out, "/");
	if (!parent || parent->schema->module != node->schema->module)
		(void)!buf_printf(out, "%s:", node->schema->module->name);
	put(out, node->schema->name);
	if (node->schema->nodetype == LYS_LEAFLIST) {
		put(out, "=");
		put_encoded(out, lyd_get_value(node));
		return;
	}
	if (node->schema->nodetype != LYS_LIST)
		return;
	for (key = lyd_child(node); key && lysc_is_key(key->schema); key = key->next) {
		put(out, separator);
		put_encoded(out, lyd_get_value(key));
		separator = ",";
	}
}
