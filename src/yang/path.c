/* Instance paths and schema paths. */
#include <string.h>

#include "ashlar/yang.h"

char *path_of(const struct lyd_node *node)
{
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

	(void)!buf_append_str(out, "/"); /* no ceiling, here and below */
	if (!parent || parent->schema->module != node->schema->module)
		(void)!buf_printf(out, "%s:", node->schema->module->name);
	(void)!buf_append_str(out, node->schema->name);
	if (node->schema->nodetype == LYS_LEAFLIST) {
		(void)!buf_append_str(out, "=");
		put_encoded(out, lyd_get_value(node));
		return;
	}
	if (node->schema->nodetype != LYS_LIST)
		return;
	for (key = lyd_child(node); key && lysc_is_key(key->schema); key = key->next) {
		(void)!buf_append_str(out, separator);
		put_encoded(out, lyd_get_value(key));
		separator = ",";
	}
}
