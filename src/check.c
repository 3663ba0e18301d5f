/* What a boot would set aside is no fault of the file: it is told, and the file is valid. */
#include <stdio.h>

#include "ashlar/datastore.h"

#include "check.h"

int check_file(const char *path, struct err *err)
{
	const char *at, *reason;
	int r = ds_check_file(path, err);

	if (r < 0)
		return r;
	printf("%s: valid\n", path);
	for (size_t i = 0; ds_not_applied(i, &at, &reason); i++)
		printf("%s  %s: %s\n", i ? "" : "This device would not apply:\n", at, reason);
	return 0;
}
