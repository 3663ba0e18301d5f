/* Child processes: output, input, environment, deadline, cancel, and what they inherit. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "ashlar/child.h"
#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/loop.h"

#define WAIT_MS 20000

/* What done() was told. */
static struct {
	unsigned calls;
	struct child_result result;
	char *output;
	struct child *cancel; /* cancelled within done() */
} seen;

static int setup(void **state)
{
	loop_init();
	return 0;
}

static int teardown(void **state)
{
	free(seen.output);
	memset(&seen, 0, sizeof(seen));
	loop_done();
	return 0;
}

static void on_done(const struct child_result *result, void *arg)
{
	assert_ptr_equal(arg, &seen);
	assert_int_equal(strlen(result->output) <= result->output_size, 1);
	assert_int_equal(result->output[result->output_size], 0);
	seen.calls++;
	seen.result = *result;
	free(seen.output);
	seen.output = xmemdup(result->output, result->output_size + 1);
	child_cancel(seen.cancel);
}

static void wait_for_done(void)
{
	uint64_t deadline_ms = clock_ms() + WAIT_MS;

	while (!seen.calls) {
		assert_true(clock_ms() < deadline_ms);
		loop_turn(WAIT_MS);
	}
	assert_int_equal(seen.calls, 1);
}

/* Runs it to its end. */
static void run(struct child_opts opts)
{
	struct child *child = NULL;

	seen.calls = 0;
	opts.done = on_done;
	opts.arg = &seen;
	assert_int_equal(child_start(&opts, &child, NULL), 0);
	assert_true(child_pid(child) > 0);
	wait_for_done();
	/* It is reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

#define SHELL(...) ((const char *const[]){ "sh", "-c", __VA_ARGS__, NULL })

static int no_setup(void *arg)
{
	return 0;
}

/* Both ways to start: each test that takes one runs with both. */
static int (*const ways[])(void *arg) = { NULL, no_setup };

static void test_output_and_status(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		run((struct child_opts){ .argv = SHELL("echo out; echo err >&2; exit 3"),
			.output_max = 100,
			.setup = ways[i] });
		assert_string_equal(seen.output, "out\nerr\n");
		assert_int_equal(seen.result.status, 3);
		assert_false(seen.result.truncated || seen.result.timed_out);
		run((struct child_opts){ .argv = SHELL("kill -TERM $$"), .setup = ways[i] });
		assert_int_equal(seen.result.status, 128 + SIGTERM);
		assert_int_equal(seen.result.output_size, 0);
	}
}

static void test_output_is_bounded(void **state)
{
	run((struct child_opts){
		.argv = SHELL("head -c 1000000 /dev/zero | tr '\\0' x"), .output_max = 70000 });
	assert_int_equal(seen.result.status, 0);
	assert_int_equal(seen.result.output_size, 70000);
	assert_int_equal(strspn(seen.output, "x"), 70000);
	assert_true(seen.result.truncated);
	run((struct child_opts){ .argv = SHELL("printf 12345"), .output_max = 5 });
	assert_string_equal(seen.output, "12345");
	assert_false(seen.result.truncated);
}

/* What output() was given, of which it takes a little each time. */
static struct {
	struct buf taken;
	size_t most, step; /* held at most, taken each time */
	struct child *child;
	bool cancels;
} flow;

static void on_output(struct buf *output, void *arg)
{
	size_t size = output->length < flow.step ? output->length : flow.step;

	assert_ptr_equal(arg, &seen);
	if (output->length > flow.most)
		flow.most = output->length;
	assert_int_equal(buf_append(&flow.taken, buf_bytes(output), size), 0);
	buf_consume(output, size);
	if (flow.cancels)
		child_cancel(TAKE(flow.child));
	else
		child_go_on(flow.child);
}

static struct child *start_flow(const char *script, size_t step)
{
	struct child_opts opts = {
		.argv = SHELL(script),
		.output_max = 10000,
		.output = on_output,
		.done = on_done,
		.arg = &seen,
	};

	seen.calls = 0;
	buf_clear(&flow.taken);
	flow.most = 0;
	flow.step = step;
	assert_int_equal(child_start(&opts, &flow.child, NULL), 0);
	return flow.child;
}

/* However much it writes, little is held; what nobody takes makes it wait. */
static void test_output_that_flows(void **state)
{
	pid_t pid;
	size_t i;

	start_flow("head -c 1000000 /dev/zero | tr '\\0' x", 3000);
	wait_for_done();
	assert_int_equal(flow.taken.length + seen.result.output_size, 1000000);
	assert_true(flow.most < 10000 + 20000);
	assert_false(seen.result.truncated);

	start_flow("head -c 1000000 /dev/zero; exit 3", 0);
	for (i = 0; i < 20; i++)
		loop_turn(10);
	assert_int_equal(seen.calls, 0);
	assert_true(flow.most >= 10000 && flow.most < 10000 + 20000);
	flow.step = SIZE_MAX;
	child_go_on(flow.child);
	wait_for_done();
	assert_int_equal(flow.taken.length + seen.result.output_size, 1000000);
	assert_int_equal(seen.result.status, 3);

	flow.cancels = true;
	pid = child_pid(start_flow("head -c 1000000 /dev/zero", 5));
	while (kill(pid, 0) == 0)
		loop_turn(10);
	assert_null(flow.child);
	assert_int_equal(seen.calls, 0);
	buf_done(&flow.taken);
	memset(&flow, 0, sizeof(flow));
}

static void test_input(void **state)
{
	size_t size = 300000, i;
	_cleanup_free_ char *input = xmalloc(size);

	memset(input, 'y', size);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		run((struct child_opts){ .argv = SHELL("cat"),
			.input = input,
			.input_size = size,
			.output_max = size,
			.setup = ways[i] });
		assert_int_equal(seen.result.output_size, size);
		assert_memory_equal(seen.output, input, size);
		run((struct child_opts){
			.argv = SHELL("cat; echo end"), .output_max = 10, .setup = ways[i] });
		assert_string_equal(seen.output, "end\n");
	}
	/* Never read: nothing waits, nothing is raised here. */
	run((struct child_opts){ .argv = SHELL("exit 0"), .input = input, .input_size = size });
	assert_int_equal(seen.result.status, 0);
}

static void test_environment_and_cwd(void **state)
{
	const char *const own[] = { "PATH=/bin:/usr/bin", "COLOUR=blue", NULL };

	setenv("ASHLAR_SECRET", "x", 1);
	setenv("LANG", "C", 1);
	run((struct child_opts){
		.argv = (const char *const[]){ "env", NULL }, .output_max = 4096 });
	assert_non_null(strstr(seen.output, "PATH="));
	assert_non_null(strstr(seen.output, "LANG=C\n"));
	assert_null(strstr(seen.output, "ASHLAR_SECRET"));
	run((struct child_opts){
		.argv = SHELL("echo $COLOUR; pwd"), .env = own, .cwd = "/dev", .output_max = 100 });
	assert_string_equal(seen.output, "blue\n/dev\n");
	run((struct child_opts){ .argv = SHELL("pwd"), .output_max = 100, .setup = no_setup });
	assert_string_equal(seen.output, "/\n");
}

/* The mask behind @name in the text of /proc/PID/status. */
static uint64_t signal_mask(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 16);
}

/* No descriptors of ours, no blocked or ignored signals, a process group of its own. */
static void test_clean_start(void **state)
{
	static const char *const script = "echo $(ls /proc/self/fd | wc -l); cat /proc/self/status;"
					  "test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo leader";
	/* glibc's own two, which posix_spawn(3) leaves ignored. */
	const uint64_t reserved = UINT64_C(3) << 31;
	int leak = dup(STDIN_FILENO); /* deliberately without O_CLOEXEC */
	sigset_t blocked;
	size_t i;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	signal(SIGHUP, SIG_IGN);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		run((struct child_opts){
			.argv = SHELL(script), .output_max = 4096, .setup = ways[i] });
		/* 0, 1, 2 and the one with which ls reads the directory. */
		assert_int_equal(strncmp(seen.output, "4\n", 2), 0);
		assert_int_equal(signal_mask(seen.output, "SigBlk:"), 0);
		assert_int_equal(signal_mask(seen.output, "SigIgn:") & ~reserved, 0);
		assert_non_null(strstr(seen.output, "\nleader\n"));
	}
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	signal(SIGHUP, SIG_DFL);
	close(leak);
}

static void test_not_executable(void **state)
{
	struct child_opts opts = { .argv = (const char *const[]){ "no-such-program", NULL } };
	struct child *child = NULL;
	_cleanup_err_ struct err err = { 0 };

	assert_int_equal(child_start(&opts, &child, &err), -ENOENT);
	assert_non_null(strstr(err_text(&err), "no-such-program"));
	assert_null(child);
	opts.setup = no_setup;
	run(opts);
	assert_int_equal(seen.result.status, 127);
}

static int refuse(void *arg)
{
	return -EPERM;
}

static int add(void *arg)
{
	const int *numbers = arg;

	dprintf(STDOUT_FILENO, "%d + %d", numbers[0], numbers[1]);
	return numbers[0] + numbers[1];
}

static void test_setup_and_run(void **state)
{
	int numbers[] = { 20, 22 };

	run((struct child_opts){ .argv = SHELL("echo never"), .setup = refuse, .output_max = 100 });
	assert_int_equal(seen.result.status, 126);
	assert_string_equal(seen.output, "");
	run((struct child_opts){ .run = add, .run_arg = numbers, .output_max = 100 });
	assert_int_equal(seen.result.status, 42);
	assert_string_equal(seen.output, "20 + 22");
	run((struct child_opts){ .run = refuse });
	assert_int_equal(seen.result.status, 1);
}

static void test_log(void **state)
{
	char dir[] = "/tmp/test-child.XXXXXX";
	_cleanup_free_ char *path = NULL, *text = NULL, *nowhere = NULL;
	struct child_opts opts = { .argv = SHELL("echo line") };
	_cleanup_err_ struct err err = { 0 };
	struct child *child;
	struct stat st;
	size_t size;

	assert_non_null(mkdtemp(dir));
	path = file_join(dir, "log");
	opts.log_path = path;
	run(opts);
	assert_int_equal(seen.result.output_size, 0);
	run(opts);
	assert_int_equal(file_read(path, 100, &text, &size, NULL), 0);
	assert_string_equal(text, "line\nline\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	nowhere = file_join(dir, "no/log");
	opts.log_path = nowhere;
	assert_int_equal(child_start(&opts, &child, &err), -ENOENT);
	assert_non_null(strstr(err_text(&err), nowhere));
	assert_int_equal(file_remove_tree(dir, NULL), 0);
}

static void test_deadline_kills_the_group(void **state)
{
	char path[] = "/tmp/test-child.XXXXXX", command[128];
	_cleanup_close_ int fd = mkstemp(path);
	uint64_t began_ms = clock_ms();

	/* The grandchild holds a lock: when it can be had, the grandchild is gone. */
	snprintf(command, sizeof(command), "flock %s sleep 1000 & echo started; wait", path);
	run((struct child_opts){ .argv = SHELL(command), .output_max = 100, .deadline_ms = 200 });
	assert_true(clock_ms() - began_ms < WAIT_MS);
	assert_true(seen.result.timed_out);
	assert_int_equal(seen.result.status, 128 + SIGKILL);
	assert_string_equal(seen.output, "started\n");
	run((struct child_opts){ .argv = (const char *const[]){ "flock", path, "true", NULL },
		.deadline_ms = WAIT_MS });
	assert_int_equal(seen.result.status, 0);
	unlink(path);
}

/* A grandchild that keeps the pipe open does not hold up the end. */
static void test_grandchild_keeps_pipe(void **state)
{
	pid_t pid;

	run((struct child_opts){
		.argv = SHELL("sleep 1000 & echo $!; exit 5"), .output_max = 100 });
	assert_int_equal(seen.result.status, 5);
	pid = (pid_t)atoi(seen.output);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0); /* it was still there */
}

static void test_cancel(void **state)
{
	uint64_t deadline_ms = clock_ms() + WAIT_MS;
	struct child_opts opts = {
		.argv = SHELL("sleep 1000"), .output_max = 10, .deadline_ms = 1, .done = on_done
	};
	struct child *child = NULL;
	pid_t pid;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		opts.setup = ways[i];
		assert_int_equal(child_start(&opts, &child, NULL), 0);
		pid = child_pid(child);
		child_cancel(child);
		/* Reaped by the loop, with nobody told. */
		while (kill(pid, 0) == 0) {
			assert_true(clock_ms() < deadline_ms);
			loop_turn(WAIT_MS);
		}
		assert_int_equal(errno, ESRCH);
		assert_int_equal(seen.calls, 0);
	}
	child_cancel(NULL);
}

static void test_cancel_within_done(void **state)
{
	struct child_opts opts = { .argv = SHELL("exit 0"), .done = on_done, .arg = &seen };
	struct child *child = NULL;

	assert_int_equal(child_start(&opts, &child, NULL), 0);
	seen.cancel = child;
	wait_for_done();
	assert_int_equal(seen.result.status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_output_and_status),
		TEST(test_output_is_bounded),
		TEST(test_output_that_flows),
		TEST(test_input),
		TEST(test_environment_and_cwd),
		TEST(test_clean_start),
		TEST(test_not_executable),
		TEST(test_setup_and_run),
		TEST(test_log),
		TEST(test_deadline_kills_the_group),
		TEST(test_grandchild_keeps_pipe),
		TEST(test_cancel),
		TEST(test_cancel_within_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
