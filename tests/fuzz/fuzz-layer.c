/* Layers of images: whatever an archive says, nothing is made beside the root it is unpacked to. */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "ashlar/file.h"
#include "digest.h"
#include "unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct unpack_limits limits = { 1 << 16, 100, 8 };
	struct oci_descriptor layer = { .media = OCI_MEDIA_LAYER, .size = size };
	char dir[] = "/tmp/fuzz-layer.XXXXXX", sum[DIGEST_TEXT_MAX];
	int blob = memfd_create("layer", MFD_CLOEXEC), root;
	struct unpack unpack;
	struct digest digest;

	assert(mkdtemp(dir));
	_cleanup_free_ char *top = file_join(dir, "root");
	assert(mkdir(top, 0755) == 0 && file_write_all(blob, data, size) == 0);
	root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(digest_init(&digest, "sha256") == 0);
	digest_add(&digest, data, size);
	digest_text(&digest, sum);
	digest_done(&digest);
	memcpy(layer.digest, sum, sizeof(layer.digest));
	unpack_init(&unpack, root, &limits);
	for (int i = 0; i < 2; i++) /* over itself, as a layer over another */
		if (lseek(blob, 0, SEEK_SET) == 0)
			(void)!unpack_layer(&unpack, blob, &layer, NULL);
	unpack_done(&unpack);
	close(root);
	close(blob);
	assert(count_entries(dir) == 3); /* ".", ".." and the root */
	assert(file_remove_tree(dir, NULL) == 0);
	return 0;
}
