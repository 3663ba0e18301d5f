/* SPDX 2.3 in JSON, as far as packages go. */
#include <errno.h>
#include <jansson.h>

#include "ashlar/file.h"
#include "ashlar/sbom.h"
#include "ashlar/str.h"

#define FILE_MAX     ((size_t)8 << 20)
#define PACKAGES_MAX 4096

static struct {
	char *path;
	struct sbom_package *packages;
	size_t count;
} sbom;

void sbom_free(struct sbom_package *packages, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(packages[i].name);
		free(packages[i].version);
		free(packages[i].sha256);
		free(packages[i].licence);
	}
	free(packages);
}

void sbom_init(const char *share_dir)
{
	sbom.path = file_join(share_dir, "sbom.json");
}

void sbom_done(void)
{
	sbom_free(TAKE(sbom.packages), sbom.count);
	sbom.count = 0;
	free(TAKE(sbom.path));
}

static char *take_text(const json_t *object, const char *name)
{
	return xstrdup(json_string_value(json_object_get(object, name)));
}

static char *take_digest(const json_t *package)
{
	const json_t *sums = json_object_get(package, "checksums");

	for (size_t i = 0; i < json_array_size(sums); i++) {
		const json_t *sum = json_array_get(sums, i);

		if (str_equal(json_string_value(json_object_get(sum, "algorithm")), "SHA256"))
			return take_text(sum, "checksumValue");
	}
	return NULL;
}

static bool take_package(const json_t *from, struct sbom_package *package)
{
	package->name = take_text(from, "name");
	package->version = take_text(from, "versionInfo");
	package->sha256 = take_digest(from);
	package->licence = take_text(from, "licenseDeclared");
	if (!package->licence)
		package->licence = take_text(from, "licenseComments");
	return package->name && package->version;
}

int sbom_parse(const char *text, size_t size, struct sbom_package **ret_packages, size_t *ret_count,
	struct err *err)
{
	json_t *root = json_loadb(text, size, 0, NULL);
	const json_t *list = json_object_get(root, "packages");
	size_t count = json_array_size(list);
	struct sbom_package *packages;
	bool is_good = json_is_array(list) && count <= PACKAGES_MAX;

	packages = xcalloc(is_good ? count + 1 : 1, sizeof(*packages));
	for (size_t i = 0; is_good && i < count; i++)
		is_good = take_package(json_array_get(list, i), &packages[i]);
	json_decref(root);
	if (!is_good) {
		sbom_free(packages, count <= PACKAGES_MAX ? count : 0);
		return err_set(err, -EBADMSG, NULL, "the image's bill of materials cannot be read");
	}
	*ret_packages = packages;
	*ret_count = count;
	return 0;
}

int sbom_packages(const struct sbom_package **ret_packages, size_t *ret_count, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = 0;

	if (!sbom.packages && sbom.path && file_exists(sbom.path)) {
		r = file_read(sbom.path, FILE_MAX, &text, &size, err);
		if (r == 0)
			r = sbom_parse(text, size, &sbom.packages, &sbom.count, err);
	}
	*ret_packages = sbom.packages;
	*ret_count = sbom.count;
	return r;
}
