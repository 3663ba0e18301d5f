/* Documents of images: each input as index, manifest, configuration and what is noted of an unpacked one. */
#include <assert.h>
#include <string.h>

#include "oci.h"
#include "unpacked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct oci_descriptor descriptor;
	struct oci_manifest manifest = { 0 };
	struct unpacked unpacked = { 0 };
	struct oci_config config = { 0 };

	if (oci_parse_index(text, size, NULL, &descriptor, NULL) == 0)
		assert(strlen(descriptor.digest) == OCI_DIGEST_MAX - 1);
	(void)!oci_parse_index(text, size, "latest", &descriptor, NULL);
	if (oci_parse_manifest(text, size, &manifest, NULL) == 0)
		assert(manifest.layer_count && manifest.layer_count <= OCI_LAYERS_MAX);
	if (oci_parse_config(text, size, &config, NULL) == 0)
		assert(config.entrypoint && config.cmd && config.env && config.volumes &&
			config.workdir[0] == '/' && config.stop_signal > 0);
	if (unpacked_parse(text, size, &unpacked, NULL) == 0)
		assert(unpacked.group_count <= UNPACKED_GROUPS_MAX);
	oci_manifest_done(&manifest);
	oci_config_done(&config);
	unpacked_done(&unpacked);
	return 0;
}
