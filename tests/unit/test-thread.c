/* Work beside the loop: told of from the loop, waited for within bounds, never told of twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "ashlar/loop.h"
#include "ashlar/thread.h"

struct job {
	int fds[2]; /* the work ends when something can be read */
	int begun, done;
};

static void wait_for_byte(void *arg)
{
	struct job *job = arg;
	char byte;

	job->begun++;
	while (read(job->fds[0], &byte, 1) != 1)
		;
}

static void count_done(void *arg)
{
	struct job *job = arg;

	job->done++;
}

static int setup(void **state)
{
	static struct job job;

	loop_init();
	job = (struct job){ 0 };
	*state = &job;
	return pipe(job.fds);
}

static int teardown(void **state)
{
	struct job *job = *state;

	close(job->fds[0]);
	close(job->fds[1]);
	loop_done();
	return 0;
}

static void test_done_comes_from_the_loop(void **state)
{
	struct job *job = *state;
	struct thread *thread = thread_new("test");

	for (int i = 1; i <= 3; i++) {
		assert_int_equal(thread_run(thread, wait_for_byte, count_done, job), 0);
		assert_true(thread_is_busy(thread));
		assert_int_equal(write(job->fds[1], "x", 1), 1);
		assert_int_equal(job->done, i - 1);
		while (job->done < i)
			loop_turn(1000);
		assert_int_equal(job->begun, i);
		assert_false(thread_is_busy(thread));
	}
	thread_free(thread);
}

static void test_waiting_is_bounded(void **state)
{
	struct job *job = *state;
	struct thread *thread = thread_new("test");

	thread_wait(thread, 1000); /* nothing is at hand */
	assert_int_equal(thread_run(thread, wait_for_byte, count_done, job), 0);
	thread_wait(thread, 20);
	assert_int_equal(job->done, 0);
	thread_wait(thread, 1); /* counts from the beginning of the work: over at once */
	assert_true(thread_is_busy(thread));

	/* it ends while it is waited for: done() has been called, and is not called again */
	assert_int_equal(write(job->fds[1], "x", 1), 1);
	thread_wait(thread, 600000);
	assert_int_equal(job->done, 1);
	assert_false(thread_is_busy(thread));
	loop_turn(0);
	loop_turn(0);
	assert_int_equal(job->done, 1);

	/* what is left of that does not tell of other work that has begun since */
	assert_int_equal(thread_run(thread, wait_for_byte, count_done, job), 0);
	loop_turn(0);
	assert_int_equal(job->done, 1);
	assert_int_equal(write(job->fds[1], "x", 1), 1);
	while (job->done < 2)
		loop_turn(1000);
	thread_free(thread);
}

static void test_freeing_waits_and_tells_nobody(void **state)
{
	struct job *job = *state;
	struct thread *thread = thread_new("test");

	assert_int_equal(thread_run(thread, wait_for_byte, count_done, job), 0);
	assert_int_equal(write(job->fds[1], "x", 1), 1);
	thread_free(thread);
	assert_int_equal(job->begun, 1);
	assert_int_equal(job->done, 0);
	loop_turn(0);
	assert_int_equal(job->done, 0);
	thread_free(thread_new("idle"));
	thread_free(NULL);
}

static void test_leaving_waits_only_so_long(void **state)
{
	static struct thread *left; /* nobody frees it */
	struct job *job = *state;
	struct thread *thread = thread_new("test");

	assert_true(thread_leave(NULL, 1));
	assert_true(thread_leave(thread_new("idle"), 1));
	assert_int_equal(thread_run(thread, wait_for_byte, count_done, job), 0);
	assert_int_equal(write(job->fds[1], "x", 1), 1);
	assert_true(thread_leave(thread, 600000));
	assert_int_equal(job->begun, 1);
	left = thread_new("left");
	assert_int_equal(thread_run(left, wait_for_byte, count_done, job), 0);
	assert_false(thread_leave(left, 10));
	loop_turn(0);
	assert_int_equal(job->done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_done_comes_from_the_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_freeing_waits_and_tells_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaving_waits_only_so_long, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
