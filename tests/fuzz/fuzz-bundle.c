/* What upgrades bring: each input as manifest, release, boot image, registry's manifest, challenge and URL. */
#include <assert.h>
#include <string.h>

#include "manifest.h"
#include "registry.h"
#include "uki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell(const char *name, const char *old, const char *new, void *arg)
{
	assert(name && (old || new));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size), *url = NULL;
	struct registry_place place = { NULL, NULL, "" };
	struct registry registry = { .token = NULL };
	struct manifest manifest;
	struct release release;
	const uint8_t *section;
	size_t length;

	if (manifest_parse((const char *)data, size, &manifest, NULL) == 0) {
		assert(manifest.files[MANIFEST_ROOT].size <= MANIFEST_ROOT_MAX &&
			manifest.blocks * 4096 <= manifest.files[MANIFEST_ROOT].size);
		release_compare(&manifest.release, &manifest.release, tell, NULL);
		manifest_done(&manifest);
	}
	if (release_parse((const char *)data, size, &release, NULL) == 0)
		release_done(&release);
	if (uki_section(data, size, ".linux", &section, &length) == 0)
		assert(section >= data && section + length <= data + size);
	if (registry_parse_manifest((const char *)data, size, &registry, NULL) == 0)
		assert(registry.count <= REGISTRY_FILES_MAX);
	if (registry_parse_url(text, &place, NULL) == 0)
		assert(strncmp(place.base, "https://", 8) == 0);
	registry_place_done(&place);
	url = registry_token_url(text);
	assert(!url || strncmp(url, "https://", 8) == 0);
	(void)!manifest_verify(data, size, data, size, text, text, NULL);
	return 0;
}
