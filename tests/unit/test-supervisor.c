/* What a supervisor hears, at a path or an abstract address, and that nobody listening is no trouble. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ashlar/mem.h"
#include "ashlar/supervisor.h"

static void hears(const char *address)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[32] = "";

	memcpy(un.sun_path, address, strlen(address));
	if (*address == '@')
		un.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (struct sockaddr *)&un,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address))),
		0);
	assert_int_equal(setenv("NOTIFY_SOCKET", address, 1), 0);
	supervisor_notify("READY=1\n");
	assert_int_equal(recv(fd, text, sizeof(text) - 1, 0), 8);
	assert_string_equal(text, "READY=1\n");
}

static void test_path(void **state)
{
	char path[] = "/tmp/test-supervisor.XXXXXX";

	assert_non_null(mkdtemp(path));
	assert_int_equal(rmdir(path), 0); /* a name that nobody else has */
	hears(path);
	assert_int_equal(unlink(path), 0);
	supervisor_notify("STOPPING=1\n"); /* it has gone */
}

static void test_abstract(void **state)
{
	char name[64];

	snprintf(name, sizeof(name), "@test-supervisor-%d", getpid());
	hears(name);
}

static void test_nobody(void **state)
{
	char *longest = xcalloc(1, 300);

	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	supervisor_notify("READY=1\n");
	memset(longest, 'x', 299);
	assert_int_equal(setenv("NOTIFY_SOCKET", longest, 1), 0);
	supervisor_notify("READY=1\n");
	free(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
