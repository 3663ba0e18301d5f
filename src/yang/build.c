/* Typed writes of operational trees and replies. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/yang.h"

#include "compat.h"

/* "module:name" below a parent → that module and the bare name. */
static const struct lys_module *module_of(const struct lyd_node *parent, const char **name)
{
	const char *colon = strchr(*name, ':');
	_cleanup_free_ char *module = NULL;

	if (!colon)
		return NULL;
	module = xstrndup(*name, (size_t)(colon - *name));
	*name = colon + 1;
	return ly_ctx_get_module_implemented(LYD_CTX(parent), module);
}

int build_leaf(struct lyd_node *parent, const char *name, const char *value, struct err *err)
{
	struct lyd_node *node = (struct lyd_node *)node_child(parent, name);
	const struct lys_module *module = module_of(parent, &name);
	LY_ERR rc;

	if (!node)
		return lyd_new_term(parent, module, name, value, 0, NULL) == LY_SUCCESS
			? 0
			: yang_err(err, -EINVAL);
	rc = lyd_change_term(node, value);
	if (rc != LY_SUCCESS && rc != LY_EEXIST && rc != LY_ENOT)
		return yang_err(err, -EINVAL);
	node->flags &= ~(uint32_t)LYD_DEFAULT;
	return 0;
}

int build_leaff(struct lyd_node *parent, struct err *err, const char *name, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return build_leaf(parent, name, text, err);
}

int build_bool(struct lyd_node *parent, const char *name, bool value, struct err *err)
{
	return build_leaf(parent, name, value ? "true" : "false", err);
}

int build_u64(struct lyd_node *parent, const char *name, uint64_t value, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return build_leaf(parent, name, text, err);
}

int build_output(struct lyd_node *parent, const char *name, const char *value, struct err *err)
{
	const struct lys_module *module = module_of(parent, &name);

	if (lyd_new_term(parent, module, name, value, 1, NULL) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	return 0;
}

int build_output_entry(struct lyd_node *parent, const char *name, const char *key,
	struct lyd_node **ret_node, struct err *err)
{
	const struct lys_module *module = module_of(parent, &name);

	if (lyd_new_list(parent, module, name, 1, ret_node, key) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	return 0;
}

int build_item(struct lyd_node *parent, const char *name, const char *value, struct err *err)
{
	const struct lys_module *module = module_of(parent, &name);

	if (lyd_new_term(parent, module, name, value, 0, NULL) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	return 0;
}

int build_any(struct lyd_node *parent, const char *name, const char *xml, struct err *err)
{
	const struct lys_module *module = module_of(parent, &name);
	struct lyd_node *tree = NULL;

	if (*xml &&
		lyd_parse_data_mem(yang_ctx(), xml, LYD_XML, LYD_PARSE_ONLY | LYD_PARSE_OPAQ, 0,
			&tree) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	if (compat_new_any_of(parent, module, name, tree) == LY_SUCCESS)
		return 0;
	lyd_free_all(tree);
	return yang_err(err, -EINVAL);
}

int build_container(
	struct lyd_node *parent, const char *name, struct lyd_node **ret_node, struct err *err)
{
	struct lyd_node *node = (struct lyd_node *)node_child(parent, name);
	const struct lys_module *module = module_of(parent, &name);

	if (!node && lyd_new_inner(parent, module, name, 0, &node) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	*ret_node = node;
	return 0;
}

/*
 * To libyang all entries without keys have the same hash, so that each that is added is compared with all
 * that are there. Those made here get one each: nobody looks for one by its hash.
 */
static LY_ERR add_keyless(
	struct lyd_node *parent, const struct lyd_node *first, struct lyd_node **ret_node)
{
	static uint32_t serial;
	struct lyd_node *node;
	LY_ERR rc = lyd_dup_single(first, NULL, LYD_DUP_NO_META, &node);

	if (rc != LY_SUCCESS)
		return rc;
	node->hash += ++serial * 2654435761U; /* spreads what counts up */
	rc = lyd_insert_child(parent, node);
	if (rc != LY_SUCCESS)
		lyd_free_tree(node);
	*ret_node = node;
	return rc;
}

int build_entry(struct lyd_node *parent, const char *name, const char *key,
	struct lyd_node **ret_node, struct err *err)
{
	struct lyd_node *node = key ? (struct lyd_node *)node_entry(parent, name, key) : NULL;
	const struct lyd_node *first = key ? NULL : node_child(parent, name);
	const struct lys_module *module = module_of(parent, &name);
	LY_ERR rc = LY_SUCCESS;

	if (first)
		rc = add_keyless(parent, first, &node);
	else if (!node && key)
		rc = lyd_new_list(parent, module, name, 0, &node, key);
	else if (!node)
		rc = lyd_new_list(parent, module, name, 0, &node);
	if (rc != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	*ret_node = node;
	return 0;
}

int build_learned(struct lyd_node *node, struct err *err)
{
	const struct lys_module *module =
		ly_ctx_get_module_implemented(LYD_CTX(node), "ietf-origin");

	if (!module ||
		lyd_new_meta(NULL, node, module, "origin", "ietf-origin:learned", 0, NULL) ==
			LY_SUCCESS)
		return 0;
	return yang_err(err, -EINVAL);
}
