/* The loop: order within turns, freeing anything anywhere, timers, signals, timing. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "ashlar/clock.h"
#include "ashlar/loop.h"

/* What happened, a letter each. */
static char story[256];
static size_t story_length;

static void tell(char letter)
{
	assert_true(story_length < sizeof(story) - 1);
	story[story_length++] = letter;
	story[story_length] = '\0';
}

static int setup(void **state)
{
	story_length = 0;
	story[0] = '\0';
	loop_init();
	return 0;
}

static int teardown(void **state)
{
	loop_done();
	return 0;
}

struct pair {
	int fds[2];
	struct loop_watch *watch, *other;
};

static void pair_init(struct pair *pair)
{
	memset(pair, 0, sizeof(*pair));
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fds), 0);
}

static void pair_done(struct pair *pair)
{
	loop_watch_free(pair->watch);
	loop_watch_free(pair->other);
	close(pair->fds[0]);
	close(pair->fds[1]);
}

static void on_pair(unsigned events, void *arg)
{
	if (events & LOOP_READ)
		tell('r');
	if (events & LOOP_WRITE)
		tell('w');
}

static void test_watch(void **state)
{
	struct pair pair;

	pair_init(&pair);
	pair.watch = loop_watch_new("pair", pair.fds[0], LOOP_READ, on_pair, NULL);
	loop_turn(0);
	assert_string_equal(story, "");
	assert_int_equal(write(pair.fds[1], "x", 1), 1);
	loop_turn(-1);
	loop_turn(-1);
	assert_string_equal(story, "rr"); /* level-triggered */
	loop_watch_set(pair.watch, LOOP_WRITE);
	loop_turn(-1);
	assert_string_equal(story, "rrw");
	loop_watch_set(pair.watch, 0);
	loop_turn(0);
	assert_string_equal(story, "rrw");
	loop_watch_set(pair.watch, LOOP_READ | LOOP_WRITE);
	loop_turn(-1);
	assert_int_equal(story_length, 5);
	assert_non_null(strchr(story + 3, 'r'));
	assert_non_null(strchr(story + 3, 'w'));
	pair_done(&pair);
}

/* Frees both watches, whichever runs first. */
static void on_free_both(unsigned events, void *arg)
{
	struct pair *pair = arg;

	tell('f');
	loop_watch_free(TAKE(pair->watch));
	loop_watch_free(TAKE(pair->other));
}

static void on_end(unsigned events, void *arg)
{
	on_pair(events, NULL);
	if (events & LOOP_ENDED)
		tell('e');
	if (events & LOOP_GONE)
		tell('g');
}

/* Nothing is asked for, there is input, and still the two ends are told, once each. */
static void test_end(void **state)
{
	struct pair pair;

	pair_init(&pair);
	pair.watch = loop_watch_new("pair", pair.fds[0], 0, on_end, NULL);
	loop_watch_end(pair.watch);
	assert_int_equal(write(pair.fds[1], "x", 1), 1);
	loop_turn(0);
	assert_string_equal(story, "");
	assert_int_equal(shutdown(pair.fds[1], SHUT_WR), 0);
	loop_turn(-1);
	loop_turn(0);
	assert_string_equal(story, "e");
	close(pair.fds[1]);
	loop_turn(-1);
	loop_turn(0);
	assert_string_equal(story, "eg");
	loop_watch_free(pair.watch);
	close(pair.fds[0]);
}

static void test_two_ends_at_once(void **state)
{
	struct pair pair, second;

	pair_init(&pair);
	pair_init(&second);
	pair.watch = loop_watch_new("one", pair.fds[0], 0, on_free_both, &pair);
	pair.other = loop_watch_new("two", second.fds[0], 0, on_free_both, &pair);
	loop_watch_end(pair.watch);
	loop_watch_end(pair.other);
	close(pair.fds[1]);
	close(second.fds[1]);
	loop_turn(-1);
	loop_turn(0);
	assert_string_equal(story, "f");
	close(pair.fds[0]);
	close(second.fds[0]);
}

static void test_watch_freed_in_callback(void **state)
{
	struct pair pair;

	pair_init(&pair);
	pair.watch =
		loop_watch_new("one", pair.fds[0], LOOP_READ | LOOP_WRITE, on_free_both, &pair);
	pair.other =
		loop_watch_new("two", pair.fds[1], LOOP_READ | LOOP_WRITE, on_free_both, &pair);
	loop_watch_kick(pair.watch, LOOP_READ);
	loop_watch_kick(pair.other, LOOP_READ);
	assert_int_equal(write(pair.fds[0], "x", 1), 1);
	assert_int_equal(write(pair.fds[1], "x", 1), 1);
	loop_turn(-1);
	loop_turn(0);
	assert_string_equal(story, "f");
	pair_done(&pair);
}

static void on_kicked(unsigned events, void *arg)
{
	struct pair *pair = arg;

	on_pair(events, NULL);
	if (story_length < 3)
		loop_watch_kick(pair->watch, LOOP_READ);
}

static void test_kick(void **state)
{
	struct pair pair;

	pair_init(&pair);
	pair.watch = loop_watch_new("pair", pair.fds[0], LOOP_READ, on_kicked, &pair);
	loop_watch_kick(pair.watch, LOOP_READ);
	loop_watch_kick(pair.watch, LOOP_READ);
	loop_turn(-1);
	assert_string_equal(story, "r"); /* once a turn, though it kicked itself */
	loop_turn(-1);
	loop_turn(-1);
	assert_string_equal(story, "rrr");
	loop_turn(0);
	assert_string_equal(story, "rrr");
	/* Really ready and kicked: called once. */
	loop_watch_kick(pair.watch, LOOP_READ);
	assert_int_equal(write(pair.fds[1], "x", 1), 1);
	loop_turn(-1);
	assert_string_equal(story, "rrrr");
	pair_done(&pair);
}

struct chain {
	struct loop_task *first, *second;
};

static void on_first(void *arg)
{
	struct chain *chain = arg;

	tell('1');
	loop_task_schedule(chain->first);
	loop_task_schedule(chain->second);
}

static void on_second(void *arg)
{
	tell('2');
}

static void test_tasks(void **state)
{
	struct chain chain;

	chain.first = loop_task_new("first", on_first, &chain);
	chain.second = loop_task_new("second", on_second, &chain);
	loop_task_schedule(chain.first);
	loop_task_schedule(chain.first);
	assert_true(loop_task_scheduled(chain.first));
	assert_false(loop_task_scheduled(chain.second));
	loop_turn(-1);
	assert_string_equal(story, "1"); /* what it scheduled is the next turn's */
	loop_turn(-1);
	assert_string_equal(story, "112");
	/* The first asked for both again; the second was still to run in that turn. */
	assert_true(loop_task_scheduled(chain.first));
	assert_false(loop_task_scheduled(chain.second));
	loop_task_free(chain.first);
	loop_turn(0);
	assert_string_equal(story, "112");
	loop_task_free(chain.second);
	assert_false(loop_task_scheduled(NULL));
}

static void on_free_tasks(void *arg)
{
	struct chain *chain = arg;

	tell('f');
	loop_task_free(TAKE(chain->first));
	loop_task_free(TAKE(chain->second));
}

static void test_task_freed_in_task(void **state)
{
	struct chain chain;

	chain.first = loop_task_new("first", on_free_tasks, &chain);
	chain.second = loop_task_new("second", on_free_tasks, &chain);
	loop_task_schedule(chain.first);
	loop_task_schedule(chain.second);
	loop_turn(-1);
	assert_string_equal(story, "f");
}

struct clockwork {
	struct loop_timer *timer, *other;
	uint64_t started_us, fired_us;
	unsigned count;
};

static void on_time(void *arg)
{
	struct clockwork *work = arg;

	tell('t');
	work->fired_us = clock_us();
	work->count++;
}

static void test_timer_is_never_early(void **state)
{
	struct clockwork work = { 0 };
	uint64_t ms;

	work.timer = loop_timer_new("timer", on_time, &work);
	assert_false(loop_timer_active(work.timer));
	for (ms = 0; ms < 12; ms++) {
		work.started_us = clock_us();
		loop_timer_start(work.timer, ms);
		assert_true(loop_timer_active(work.timer));
		loop_turn(-1);
		assert_int_equal(work.count, ms + 1);
		assert_true(work.fired_us - work.started_us >= ms * 1000);
		assert_false(loop_timer_active(work.timer));
	}
	loop_timer_free(work.timer);
}

static void test_timer_moves(void **state)
{
	struct clockwork work = { 0 };

	work.timer = loop_timer_new("timer", on_time, &work);
	/* Later: the first moment passes without a call. */
	loop_timer_start(work.timer, 5);
	work.started_us = clock_us();
	loop_timer_start(work.timer, 30);
	loop_turn(-1);
	assert_int_equal(work.count, 1);
	assert_true(work.fired_us - work.started_us >= 30000);
	/* Earlier. */
	loop_timer_start(work.timer, 1000000000);
	loop_timer_start(work.timer, 5);
	loop_turn(-1);
	assert_int_equal(work.count, 2);
	/* Stopped, and the end of time. */
	loop_timer_start(work.timer, 1);
	loop_timer_stop(work.timer);
	loop_turn(10);
	assert_int_equal(work.count, 2);
	loop_timer_start(work.timer, UINT64_MAX);
	assert_true(loop_timer_active(work.timer));
	loop_turn(5);
	assert_int_equal(work.count, 2);
	loop_timer_free(work.timer);
}

static void on_free_timers(void *arg)
{
	struct clockwork *work = arg;

	tell('f');
	loop_timer_free(TAKE(work->timer));
	loop_timer_free(TAKE(work->other));
}

static void test_timer_freed_in_timer(void **state)
{
	struct clockwork work = { 0 };

	work.timer = loop_timer_new("one", on_free_timers, &work);
	work.other = loop_timer_new("two", on_free_timers, &work);
	loop_timer_start(work.timer, 0);
	loop_timer_start(work.other, 0);
	loop_turn(-1);
	loop_turn(10);
	assert_string_equal(story, "f");
}

static void on_stop(void *arg)
{
	struct chain *chain = arg;

	tell('s');
	loop_task_schedule(chain->second);
	loop_stop();
}

/* The turn in which the stop falls ends with its tasks. */
static void test_run_and_stop(void **state)
{
	struct chain chain = { 0 };
	struct loop_timer *timer = loop_timer_new("stop", on_stop, &chain);

	chain.second = loop_task_new("second", on_second, &chain);
	loop_timer_start(timer, 1);
	loop_run();
	assert_string_equal(story, "s2");
	loop_timer_start(timer, 1);
	loop_run();
	assert_string_equal(story, "s2s2");
	loop_timer_free(timer);
	loop_task_free(chain.second);
}

static void on_signal(int signo, void *arg)
{
	assert_int_equal(signo, SIGUSR1);
	tell(*(const char *)arg);
}

static void test_signal(void **state)
{
	static const char letter = 'g';

	loop_signal(SIGUSR1, on_signal, (void *)&letter);
	raise(SIGUSR1);
	loop_turn(-1);
	assert_string_equal(story, "g");
}

static void test_broken_pipe_is_an_error(void **state)
{
	struct pair pair;

	pair_init(&pair);
	close(pair.fds[1]);
	assert_int_equal(write(pair.fds[0], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(pair.fds[0]);
}

static void on_slow(void *arg)
{
	uint64_t until_us = clock_us() + *(const uint64_t *)arg;

	assert_false(loop_should_yield());
	while (clock_us() < until_us) {
		if (story_length == 0 && loop_should_yield())
			tell('y');
	}
}

/* The lines on stderr while @turns turns run @task. */
static unsigned lines_of(struct loop_task *task, unsigned turns)
{
	int ends[2], saved = dup(STDERR_FILENO);
	unsigned lines = 0;
	char text[4096];
	ssize_t got, i;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	while (turns--) {
		loop_task_schedule(task);
		loop_turn(-1);
	}
	dup2(saved, STDERR_FILENO);
	got = read(ends[0], text, sizeof(text));
	for (i = 0; i < got; i++)
		lines += text[i] == '\n';
	if (got > 0)
		assert_non_null(memmem(text, (size_t)got, "warning loop: callback slow took", 32));
	close(ends[0]);
	close(ends[1]);
	close(saved);
	return lines;
}

static void test_timing(void **state)
{
	uint64_t busy_us = 500;
	struct loop_task *task = loop_task_new("slow", on_slow, &busy_us);
	const char *name;

	assert_false(loop_should_yield());
	assert_int_equal(lines_of(task, 1), 0);
	(void)loop_longest_us(NULL, true);
	busy_us = 11000;
	assert_int_equal(lines_of(task, 3), 1); /* once a second */
	assert_string_equal(story, "y");
	assert_true(loop_longest_us(&name, true) >= 11000);
	assert_string_equal(name, "slow");
	assert_int_equal(loop_longest_us(&name, false), 0);
	assert_string_equal(name, "");
	assert_false(loop_should_yield());
	loop_task_free(task);
}

/* Owners may be freed after the loop has ended. */
static void test_free_after_done(void **state)
{
	struct clockwork work = { 0 };
	struct chain chain = { 0 };
	struct pair pair;

	pair_init(&pair);
	pair.watch = loop_watch_new("pair", pair.fds[0], LOOP_READ, on_pair, NULL);
	loop_watch_kick(pair.watch, LOOP_READ);
	work.timer = loop_timer_new("timer", on_time, &work);
	loop_timer_start(work.timer, 1);
	chain.second = loop_task_new("second", on_second, &chain);
	loop_task_schedule(chain.second);
	loop_done();
	pair_done(&pair);
	loop_timer_free(work.timer);
	loop_task_free(chain.second);
	assert_string_equal(story, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_watch),
		TEST(test_end),
		TEST(test_two_ends_at_once),
		TEST(test_watch_freed_in_callback),
		TEST(test_kick),
		TEST(test_tasks),
		TEST(test_task_freed_in_task),
		TEST(test_timer_is_never_early),
		TEST(test_timer_moves),
		TEST(test_timer_freed_in_timer),
		TEST(test_run_and_stop),
		TEST(test_signal),
		TEST(test_broken_pipe_is_an_error),
		TEST(test_timing),
		TEST(test_free_after_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
