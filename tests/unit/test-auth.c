/* Passwords and keys against users, through the real worker process. */
#include <crypt.h>
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/clock.h"
#include "ashlar/datastore.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"

#include "auth.h"

#define DEADLINE_MS 20000
#define SETTING	    "$6$rounds=1000$saltsaltsalt$"
#define BLOB	    "AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER"

static struct lyd_node *tree;

const struct lyd_node *ds_tree(enum ds ds)
{
	assert_int_equal(ds, DS_RUNNING);
	return tree;
}

static void set_password(const char *user, const char *password)
{
	_cleanup_free_ char *path =
		xasprintf("/ietf-system:system/authentication/user[name='%s']/password", user);

	assert_int_equal(lyd_new_path(tree, yang_ctx(), path, crypt(password, SETTING),
				 LYD_NEW_PATH_UPDATE, tree ? NULL : &tree),
		LY_SUCCESS);
}

static int set_up(void **state)
{
	static const char *const features[] = { "authentication", "local-users", NULL };
	static const struct yang_module modules[] = { { "ietf-system", features } };

	loop_init();
	assert_int_equal(yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), NULL), 0);
	set_password("fred", "secret");
	assert_int_equal(
		lyd_new_path(tree, yang_ctx(),
			"/ietf-system:system/authentication/user[name='keys']/authorized-key"
			"[name='k']/key-data",
			BLOB, 0, NULL),
		LY_SUCCESS);
	assert_int_equal(auth_prepare(NULL), 0);
	auth_start();
	return 0;
}

static int tear_down(void **state)
{
	auth_done();
	lyd_free_all(tree);
	yang_done();
	loop_done();
	return 0;
}

/* How many answers of each kind came. */
static unsigned answers[3];

static void on_answer(enum auth_result result, void *arg)
{
	answers[result]++;
	if (arg)
		*(bool *)arg = true;
}

static void wait_for(unsigned count)
{
	uint64_t end_ms = clock_ms() + DEADLINE_MS;

	while (answers[0] + answers[1] + answers[2] < count) {
		assert_true(clock_ms() < end_ms);
		loop_turn(100);
	}
}

/* The result, and whether it was known at once. */
static enum auth_result ask(
	const char *user, const char *password, const char *source, bool *ret_at_once)
{
	enum auth_result result;
	size_t i;

	memset(answers, 0, sizeof(answers));
	*ret_at_once = !auth_password(user, password, source, on_answer, NULL, &result);
	if (*ret_at_once)
		return result;
	wait_for(1);
	for (i = 0; !answers[i];)
		i++;
	return (enum auth_result)i;
}

static void test_passwords(void **state)
{
	_cleanup_free_ char *long_password = xmalloc(AUTH_PASSWORD_MAX + 100);
	char long_user[AUTH_USER_MAX + 10];
	bool at_once;

	memset(long_password, 'x', AUTH_PASSWORD_MAX + 99);
	long_password[AUTH_PASSWORD_MAX + 99] = '\0';
	memset(long_user, 'u', sizeof(long_user) - 1);
	long_user[sizeof(long_user) - 1] = '\0';
	assert_int_equal(ask("fred", "wrong", "a", &at_once), AUTH_DENIED);
	assert_false(at_once);
	assert_int_equal(ask("fred", "", "a", &at_once), AUTH_DENIED);
	assert_int_equal(ask("", "secret", "a", &at_once), AUTH_DENIED);
	assert_int_equal(ask("nobody", "secret", "a", &at_once), AUTH_DENIED);
	assert_int_equal(ask("keys", "secret", "a", &at_once), AUTH_DENIED);
	assert_int_equal(ask("fred", long_password, "a", &at_once), AUTH_DENIED);
	assert_int_equal(ask(long_user, "secret", "a", &at_once), AUTH_DENIED);
	assert_int_equal(ask("fred", "secret", "a", &at_once), AUTH_OK);
	assert_false(at_once);
	assert_int_equal(ask("fred", "secret", "b", &at_once), AUTH_OK);
	assert_true(at_once);
	/* A new password ends what was remembered of the old one. */
	set_password("fred", "other");
	assert_int_equal(ask("fred", "secret", "a", &at_once), AUTH_DENIED);
	assert_int_equal(ask("fred", "other", "a", &at_once), AUTH_OK);
	set_password("fred", "secret");
}

static void test_keys(void **state)
{
	assert_true(auth_public_key("keys", BLOB));
	assert_false(auth_public_key("keys", BLOB "A"));
	assert_false(auth_public_key("keys", ""));
	assert_false(auth_public_key("fred", BLOB));
	assert_false(auth_public_key("nobody", BLOB));
	assert_true(auth_user_exists("keys"));
	assert_false(auth_user_exists("nobody"));
	assert_false(auth_user_exists(""));
}

/* Equal questions share a check; too many different ones are turned away. */
static void test_queue(void **state)
{
	enum auth_result result;
	unsigned asked = 0, refused = 0;
	char password[32];
	int i;

	memset(answers, 0, sizeof(answers));
	for (i = 0; i < 100; i++, asked++)
		assert_non_null(auth_password("fred", "same", "q", on_answer, NULL, &result));
	for (i = 0; i < 20; i++) {
		(void)snprintf(password, sizeof(password), "guess-%d", i);
		if (auth_password("fred", password, "r", on_answer, NULL, &result))
			asked++;
		else if (result == AUTH_BUSY)
			refused++;
	}
	assert_in_range(refused, 8, 19);
	wait_for(asked);
	assert_int_equal(answers[AUTH_DENIED], asked);
}

static void test_hold(void **state)
{
	enum auth_result result = AUTH_OK;
	bool at_once;
	int i;

	for (i = 0; i < 30 && result != AUTH_BUSY; i++)
		result = ask("fred", "wrong", "h", &at_once);
	assert_in_range(i, 5, 29);
	/* One source's failures are not another's. */
	assert_int_equal(ask("fred", "wrong", "other", &at_once), AUTH_DENIED);
	assert_int_equal(ask("fred", "wrong", "h", &at_once), AUTH_BUSY);
}

static void test_cancel(void **state)
{
	struct auth_request *requests[4];
	enum auth_result result;
	bool is_called = false;
	int i;

	memset(answers, 0, sizeof(answers));
	for (i = 0; i < 4; i++) {
		char password[32];

		(void)snprintf(password, sizeof(password), "cancel-%d", i / 2);
		requests[i] = auth_password(
			"fred", password, "c", on_answer, i == 3 ? NULL : &is_called, &result);
		assert_non_null(requests[i]);
	}
	for (i = 0; i < 3; i++)
		auth_cancel(requests[i]);
	auth_cancel(NULL);
	wait_for(1);
	assert_false(is_called);
	assert_int_equal(answers[AUTH_DENIED], 1);
}

/* Our only child process. */
static pid_t find_worker(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *path = xasprintf("/proc/%s/stat", entry->d_name);
		FILE *file = fopen(path, "r");
		int pid, parent;
		char status;

		if (file && fscanf(file, "%d (%*[^)]) %c %d", &pid, &status, &parent) == 3 &&
			parent == getpid() && status != 'Z')
			found = pid;
		if (file)
			fclose(file);
	}
	closedir(dir);
	return found;
}

/* What it was asked is asked again. */
static void test_worker_dies(void **state)
{
	enum auth_result result;
	pid_t worker = find_worker();

	assert_int_not_equal(worker, 0);
	memset(answers, 0, sizeof(answers));
	set_password("fred", "fresh");
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_non_null(auth_password("fred", "fresh", "d", on_answer, NULL, &result));
	wait_for(1);
	assert_int_equal(answers[AUTH_OK], 1);
	assert_int_not_equal(find_worker(), worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_worker_dies),
	};

	log_open(false, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
