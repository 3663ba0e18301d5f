/* Instance paths and schema paths. */
#include "ashlar/yang.h"

char *path_of(const struct lyd_node *node)
{
	return lyd_path(node, LYD_PATH_STD, NULL, 0);
}

const struct lysc_node *path_schema(const char *path)
{
	const struct lysc_node *node = lys_find_path(yang_ctx(), NULL, path, 0);

	if (!node)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return node;
}
