/* What the running image is made of (ashlar-software). */
#include "ashlar/feature.h"
#include "ashlar/sbom.h"

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	add(arg, NULL);
}

static int show_package(struct lyd_node *node, const struct sbom_package *package, struct err *err)
{
	struct lyd_node *entry = NULL;
	int r = build_entry(node, "package", package->name, &entry, err);

	if (r == 0)
		r = build_leaf(entry, "version", package->version, err);
	if (r == 0 && package->sha256)
		r = build_leaf(entry, "sha256", package->sha256, err);
	if (r == 0 && package->licence)
		r = build_leaf(entry, "licence", package->licence, err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct sbom_package *packages;
	size_t count;
	int r = sbom_packages(&packages, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = show_package(node, &packages[i], err);
	return r;
}

#define ROOT "/ietf-system:system-state/infix-system:software/ashlar-software:packages"

const struct feature feature_packages = {
	.name = "packages",
	.modules = (const struct feature_module[]){ { "ashlar-software", NULL }, { NULL, NULL } },
	.units = units,
	.show = show,
	.state_roots = (const char *const[]){ ROOT, NULL },
	.silent = (const char *const[]){ ROOT, NULL },
};
