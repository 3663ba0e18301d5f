/* Intrusive doubly linked lists. A zeroed node is in no list. */
#ifndef ASHLAR_LIST_H
#define ASHLAR_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head || !head->next;
}

static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_prepend(struct list *head, struct list *node)
{
	node->next = head->next;
	node->prev = head;
	head->next->prev = node;
	head->next = node;
}

/* Removing a node that is in no list does nothing. */
static inline void list_remove(struct list *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}

#define LIST_FOREACH(item, head, member)                                                           \
	for ((item) = CONTAINER_OF((head)->next, __typeof__(*(item)), member);                     \
		&(item)->member != (head);                                                         \
		(item) = CONTAINER_OF((item)->member.next, __typeof__(*(item)), member))

/* The current item may be removed or freed in the body. */
#define LIST_FOREACH_SAFE(item, tmp, head, member)                                                 \
	for ((item) = CONTAINER_OF((head)->next, __typeof__(*(item)), member),                     \
	    (tmp) = CONTAINER_OF((item)->member.next, __typeof__(*(item)), member);                \
		&(item)->member != (head); (item) = (tmp),                                         \
	    (tmp) = CONTAINER_OF((item)->member.next, __typeof__(*(item)), member))

#endif
