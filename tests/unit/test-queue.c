/* The queue of operations: what waits for what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ashlar/loop.h"

#include "../../src/datastore/queue.h"

/* "a" began, "A" ended. */
static char story[64];
static struct job *jobs['z' + 1]; /* under way */

struct told {
	struct job job;
	char name;
};

static void say(char letter)
{
	size_t length = strlen(story);

	assert_true(length + 1 < sizeof(story));
	story[length] = letter;
}

static void check(const char *expected)
{
	loop_turn(0);
	loop_turn(0);
	assert_string_equal(story, expected);
	memset(story, 0, sizeof(story));
}

static void start(struct job *job)
{
	char name = ((struct told *)job)->name;

	jobs[(unsigned char)name] = job;
	say(name);
}

static void report(struct job *job, const struct err *err)
{
	say((char)(((struct told *)job)->name + 'A' - 'a'));
}

static void cancel(struct job *job)
{
	job_end(job, NULL);
}

static const struct job_kind reading = {
	.name = "read",
	.is_read = true,
	.start = start,
	.cancel = cancel,
};
static const struct job_kind writing = { .name = "write", .start = start, .cancel = cancel };

static void submit(char name, const struct job_kind *kind)
{
	static const struct ds_client client = { .user = "", .host = "" };
	struct told *told = job_new(kind, sizeof(*told), &client, &jobs[(unsigned char)name]);

	told->name = name;
	told->job.report = report;
	job_submit(&told->job);
}

static void end(char name)
{
	job_end(jobs[(unsigned char)name], NULL);
}

static void test_reads(void **state)
{
	/* Reads go on beside each other, and end in any order. */
	submit('a', &reading);
	submit('b', &reading);
	check("ab");
	submit('w', &writing);
	submit('c', &reading);
	check(""); /* nobody overtakes the change */
	end('b');
	check("B");
	end('a');
	check("Aw");
	submit('d', &reading);
	check("");
	end('w');
	check("Wcd");
	end('c');
	end('d');
	check("CD");
	/* changes do not */
	submit('w', &writing);
	submit('x', &writing);
	check("w");
	end('w');
	check("Wx");
	end('x');
	check("X");
}

static void test_detached(void **state)
{
	submit('a', &reading);
	submit('b', &reading);
	submit('w', &writing);
	job_detach(jobs['a']);
	check("ab");
	assert_ptr_equal(job_detached(&jobs['a']), jobs['a']);
	assert_null(job_detached(&jobs['b']));
	job_detach(jobs['b']);
	check("w");
	end('a');
	end('w');
	check("AW");
	end('b');
	check("B");
}

/* What is forgotten is not reported, and is in nobody's way. */
static void test_forgotten(void **state)
{
	submit('a', &reading);
	submit('b', &reading);
	submit('w', &writing);
	job_forget(&jobs['b']);
	check("ab");
	job_forget(&jobs['a']);
	check("w");
	submit('c', &reading);
	job_forget(&jobs['c']);
	end('w');
	check("W");
	/* and all at the end */
	submit('a', &reading);
	submit('w', &writing);
	queue_done();
	check("a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_forgotten),
	};
	int failed;

	loop_init();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	loop_done();
	return failed;
}
