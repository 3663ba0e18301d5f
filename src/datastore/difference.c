/* See difference.h. */
#include "difference.h"

/* What only stands there by default is made again where it belongs. */
static void drop_defaults(struct lyd_node **first)
{
	struct lyd_node *node, *next;

	for (node = *first; node; node = next) {
		struct lyd_node *child = (struct lyd_node *)lyd_child(node);

		next = node->next;
		if (!(node->flags & LYD_DEFAULT)) {
			drop_defaults(&child);
			continue;
		}
		if (*first == node)
			*first = next;
		lyd_free_tree(node);
	}
}

int difference_apply(
	struct edit *edit, struct lyd_node **from, struct lyd_node *to, struct err *err)
{
	int r;

	drop_defaults(&to);
	edit_begin(edit, from, NULL);
	edit->is_any = true;
	r = edit_apply(edit, &to, EDIT_REPLACE, err);
	lyd_free_all(to);
	return r;
}
