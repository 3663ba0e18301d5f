/* See library.h. */
#include <errno.h>
#include <string.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/notify.h"
#include "ashlar/str.h"

#include "library.h"
#include "store.h"

#define MODULE	       "ietf-yang-library"
#define CONTENT_ID_MAX 64

/* libyang does not know what datastores there are; all have the one schema that it tells of. */
static int add_datastores(struct lyd_node *library, struct err *err)
{
	static const char *const names[] = { "ietf-datastores:running", "ietf-datastores:candidate",
		"ietf-datastores:startup", "ietf-datastores:intended",
		"ietf-datastores:operational", "ietf-factory-default:factory-default" };
	const char *schema = node_text(node_child(library, "schema"), "name", NULL);
	struct lyd_node *entry;
	int r = 0;

	if (!schema || !ly_ctx_get_module_implemented(yang_ctx(), "ietf-datastores"))
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *module = xstrndup(names[i], strcspn(names[i], ":"));

		if (!ly_ctx_get_module_implemented(yang_ctx(), module))
			continue;
		r = build_entry(library, "datastore", names[i], &entry, err);
		if (r == 0)
			r = build_leaf(entry, "schema", schema, err);
	}
	return r;
}

int library_show(struct lyd_node *container, struct err *err)
{
	struct lyd_node *all = NULL, *from, *child, *next;
	LY_ERR rc = ly_ctx_get_yanglib_data(yang_ctx(), &all, "%s", yang_content_id());

	if (rc != LY_SUCCESS)
		return yang_err(err, -EIO);
	LY_LIST_FOR (all, from) {
		if (from->schema != container->schema)
			continue;
		LY_LIST_FOR_SAFE(lyd_child(from), next, child)
		{
			lyd_unlink_tree(child);
			if (lyd_insert_child(container, child) != LY_SUCCESS)
				lyd_free_tree(child);
		}
	}
	lyd_free_all(all);
	return str_equal(container->schema->name, "yang-library") ? add_datastores(container, err)
								  : 0;
}

/* --- when it changes -------------------------------------------------------------------------- */

/* What is deprecated is told as well, to those who only know that. */
static void post(const char *name, const char *leaf)
{
	const struct lys_module *module = ly_ctx_get_module_implemented(yang_ctx(), MODULE);
	struct lyd_node *notification = NULL;

	if (!module || !lys_find_child(NULL, module, name, 0, LYS_NOTIF, 0) ||
		lyd_new_inner(NULL, module, name, 0, &notification) != LY_SUCCESS)
		return;
	if (build_leaf(notification, leaf, yang_content_id(), NULL) < 0)
		lyd_free_tree(notification);
	else
		notify_post(notification);
}

void library_started(void)
{
	_cleanup_free_ char *path = file_join(store_config.state_dir, "content-id");
	_cleanup_free_ char *last = NULL;
	_cleanup_err_ struct err err = { 0 };
	size_t size;
	int r = file_read(path, CONTENT_ID_MAX, &last, &size, NULL);

	if (r == 0 && str_equal(last, yang_content_id()))
		return;
	if (r == 0) {
		log_notice("datastore", "event=schema-changed content-id=%s", yang_content_id());
		post("yang-library-update", "content-id");
		post("yang-library-change", "module-set-id");
	}
	if (file_write_atomic(path, yang_content_id(), strlen(yang_content_id()), 0644, &err) < 0)
		log_warning("datastore", "%s; a change of the schema would be told again",
			err_text(&err));
}
