/*
 * Runs a fuzz target over files: the corpus as an ordinary test, or an input that crashed. Each argument
 * is a file or a folder of files; none found is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ashlar/file.h"
#include "ashlar/mem.h"

#define INPUT_MAX ((size_t)16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned run_file(const char *path)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_err_ struct err err = { 0 };
	uint8_t *exact;
	size_t size;

	if (file_read(path, INPUT_MAX, &data, &size, &err) < 0) {
		fprintf(stderr, "%s\n", err_text(&err));
		exit(1);
	}
	printf("%s\n", path);
	fflush(stdout);
	/* Of exactly that size, so that reading beyond it is noticed. */
	exact = xmalloc(size ? size : 1);
	for (size_t i = 0; i < size; i++)
		exact[i] = (uint8_t)data[i];
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 1;
}

static unsigned run_path(const char *path)
{
	struct stat st;
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return run_file(path);
	dir = opendir(path);
	if (!dir) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *file = file_join(path, entry->d_name);

		if (entry->d_name[0] != '.')
			count += run_file(file);
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int i;

	for (i = 1; i < argc; i++)
		count += run_path(argv[i]);
	printf("%u inputs\n", count);
	return count ? 0 : 1;
}
