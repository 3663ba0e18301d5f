/*
 * The schema: one libyang context, loaded once at start from a folder of modules named
 * name@revision.yang. The folder is listed once and every import is answered from that list, so that
 * loading does not read the folder again for each module.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/file.h"
#include "ashlar/map.h"
#include "ashlar/str.h"
#include "ashlar/yang.h"

#include "compat.h"

#define SOURCE_MAX (1024 * 1024) /* bytes of one module */

static struct {
	struct ly_ctx *ctx;
	char *dir;
	char **names; /* "name@revision", sorted: the latest revision of a name is its last */
	size_t count;
	char content_id[17];
} schema;

const struct ly_ctx *yang_ctx(void)
{
	return schema.ctx;
}

const char *yang_content_id(void)
{
	return schema.content_id;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_dir(const char *dir, struct err *err)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t room = 0;

	if (!d)
		return err_set(err, -errno, NULL, "cannot read %s: %s", dir, strerror(errno));
	while ((entry = readdir(d))) {
		if (!str_ends(entry->d_name, ".yang"))
			continue;
		ARRAY_GROW(schema.names, schema.count, room);
		schema.names[schema.count++] =
			xstrndup(entry->d_name, strlen(entry->d_name) - strlen(".yang"));
	}
	closedir(d);
	if (schema.count)
		qsort(schema.names, schema.count, sizeof(*schema.names), compare_names);
	return 0;
}

/* The file stem of a module; @revision NULL: the latest. */
static const char *find_name(const char *name, const char *revision)
{
	size_t length = strlen(name);

	for (size_t i = schema.count; i-- > 0;) {
		const char *stem = schema.names[i];

		if (strncmp(stem, name, length) || (stem[length] && stem[length] != '@'))
			continue;
		if (!revision || !stem[length] || str_equal(stem + length + 1, revision))
			return stem;
	}
	return NULL;
}

/* What libyang brings along itself has no file. */
static char *print_module(const char *name, const char *revision)
{
	const struct lys_module *module;
	uint32_t at = 0;
	char *text = NULL;

	while (schema.ctx && (module = ly_ctx_get_module_iter(schema.ctx, &at))) {
		if (!str_equal(module->name, name) ||
			(revision &&
				!str_equal(module->revision ? module->revision : "", revision)))
			continue;
		(void)lys_print_mem(&text, module, LYS_OUT_YANG, 0); /* text stays NULL */
		break;
	}
	return text;
}

int yang_source(const char *name, const char *revision, char **ret_text, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	const char *stem;
	size_t size;

	if (revision && !*revision)
		revision = NULL;
	stem = find_name(name, revision);
	if (!stem) {
		*ret_text = print_module(name, revision);
		if (*ret_text)
			return 0;
	}
	if (!stem)
		return err_set(err, -ENOENT, NULL, "no module %s%s%s", name, revision ? "@" : "",
			revision ? revision : "");
	path = xasprintf("%s/%s.yang", schema.dir, stem);
	return file_read(path, SOURCE_MAX, ret_text, &size, err);
}

static void free_source(void *data, void *arg)
{
	free(data);
}

static LY_ERR import_clb(const char *name, const char *revision, const char *submodule,
	const char *submodule_revision, void *arg, LYS_INFORMAT *format, const char **ret_text,
	void (**free_text)(void *text, void *arg))
{
	char *text;

	if (submodule)
		name = submodule, revision = submodule_revision;
	if (yang_source(name, revision, &text, NULL) < 0)
		return LY_ENOT;
	*format = LYS_IN_YANG;
	*ret_text = text;
	*free_text = free_source;
	return LY_SUCCESS;
}

static bool has_feature(const char **list, size_t count, const char *feature)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(list[i], feature))
			return true;
	}
	return false;
}

/* Loads one module with the features that all rows of @modules give it. */
static int load(const struct yang_module *modules, size_t count, const char *name, struct err *err)
{
	const char *features[64] = { NULL };
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (!str_equal(modules[i].name, name))
			continue;
		for (size_t k = 0; modules[i].features && modules[i].features[k]; k++) {
			if (used + 1 < ARRAY_SIZE(features) &&
				!has_feature(features, used, modules[i].features[k]))
				features[used++] = modules[i].features[k];
		}
	}
	if (!ly_ctx_load_module(schema.ctx, name, NULL, features)) {
		yang_err(err, -EINVAL);
		return err_wrap(err, "module %s", name);
	}
	return 0;
}

static void make_content_id(void)
{
	uint64_t hash = 14695981039346656037ULL; /* FNV-1a: an identifier, not a secret */
	const struct lys_module *module;
	uint32_t at = 0;

	while ((module = ly_ctx_get_module_iter(schema.ctx, &at))) {
		_cleanup_free_ char *text = xasprintf("%s@%s%d", module->name,
			module->revision ? module->revision : "", module->implemented);
		const struct lysp_feature *feature = NULL;
		uint32_t index = 0;

		for (const char *c = text; *c; c++)
			hash = (hash ^ (uint8_t)*c) * 1099511628211ULL;
		while ((feature = lysp_feature_next(feature, module->parsed, &index))) {
			if (!(feature->flags & LYS_FENABLED))
				continue;
			for (const char *c = feature->name; *c; c++)
				hash = (hash ^ (uint8_t)*c) * 1099511628211ULL;
		}
	}
	snprintf(schema.content_id, sizeof(schema.content_id), "%016llx", (unsigned long long)hash);
}

int yang_init(const char *dir, const struct yang_module *modules, size_t count, struct err *err)
{
	int r;

	ly_log_options(LY_LOSTORE_LAST);
	schema.dir = xstrdup(dir);
	r = list_dir(dir, err);
	if (r < 0)
		return r;
	if (ly_ctx_new(NULL,
		    LY_CTX_EXPLICIT_COMPILE | LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIR_CWD |
			    LY_CTX_DISABLE_SEARCHDIRS,
		    &schema.ctx) != LY_SUCCESS)
		return err_set(err, -ENOMEM, NULL, "libyang makes no context");
	ly_ctx_set_module_imp_clb(schema.ctx, import_clb, NULL);
	for (size_t i = 0; i < count && modules[i].name; i++) {
		const struct lys_module *known =
			ly_ctx_get_module_implemented(schema.ctx, modules[i].name);

		if (known && !modules[i].features)
			continue;
		r = load(modules, count, modules[i].name, err);
		if (r < 0)
			return r;
	}
	if (ly_ctx_compile(schema.ctx) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	make_content_id();
	return 0;
}

void yang_done(void)
{
	ly_ctx_destroy(schema.ctx);
	for (size_t i = 0; i < schema.count; i++)
		free(schema.names[i]);
	free(schema.names);
	free(schema.dir);
	memset(&schema, 0, sizeof(schema));
}
