/* Intrusive lists: order, removal, and removal while walking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/list.h"

struct item {
	char letter;
	struct list node;
};

static void assert_letters(struct list *head, const char *letters)
{
	struct item *item;
	size_t i = 0;

	LIST_FOREACH (item, head, node)
		assert_int_equal(item->letter, letters[i++]);
	assert_int_equal(letters[i], 0);
}

static void test_order(void **state)
{
	struct list head = LIST_INIT(head);
	struct item a = { .letter = 'a' }, b = { .letter = 'b' }, c = { .letter = 'c' };

	assert_true(list_empty(&head));
	list_append(&head, &b.node);
	list_append(&head, &c.node);
	list_prepend(&head, &a.node);
	assert_false(list_empty(&head));
	assert_letters(&head, "abc");
	list_remove(&b.node);
	assert_letters(&head, "ac");
	list_remove(&b.node); /* in no list: nothing */
	list_prepend(&head, &b.node);
	assert_letters(&head, "bac");
}

static void test_remove_while_walking(void **state)
{
	struct item items[5] = { 0 }, *item, *next;
	struct list head;
	size_t i;

	list_init(&head);
	for (i = 0; i < 5; i++) {
		items[i].letter = (char)('a' + i);
		list_append(&head, &items[i].node);
	}
	LIST_FOREACH_SAFE (item, next, &head, node) {
		if ((item->letter - 'a') % 2 == 0) {
			list_remove(&item->node);
			memset(item, 0xff, sizeof(*item));
		}
	}
	assert_letters(&head, "bd");
	list_remove(&items[1].node);
	list_remove(&items[3].node);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_remove_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
