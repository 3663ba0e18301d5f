/* Memory: allocation that never fails, cleanup attributes, and handing ownership on. */
#ifndef ASHLAR_MEM_H
#define ASHLAR_MEM_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Every x* function aborts the process when memory is out (a supervisor restarts it into the
 * running configuration): callers never test their result. Sizes that a peer controls are compared
 * with a named limit before they reach these.
 */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *ptr, size_t size) __attribute__((returns_nonnull));
/* realloc of an array; aborts when count * size overflows. */
void *xreallocarray(void *ptr, size_t count, size_t size) __attribute__((returns_nonnull));
/* xstrdup(NULL) is NULL. */
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t max);
void *xmemdup(const void *data, size_t size);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* Settings of the allocator for a daemon that frees large trees; main() calls it first. */
void mem_tune(void);

#define XNEW(type) ((type *)xcalloc(1, sizeof(type)))

/* Makes room for one more element in a growing array (doubling). */
#define ARRAY_GROW(array, count, room)                                                             \
	do {                                                                                       \
		if ((count) == (room)) {                                                           \
			(room) = (room) ? (room)*2 : 8;                                            \
			(array) = xreallocarray((array), (room), sizeof(*(array)));                \
		}                                                                                  \
	} while (0)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define WARN_UNUSED	  __attribute__((warn_unused_result))
#define PRINTF(f, a)	  __attribute__((format(printf, f, a)))

/* Declares thing_freep() for use with _cleanup_(); goes next to thing_free() in a header. */
#define DEFINE_CLEANUP(type, func)                                                                 \
	static inline void func##p(type *ptr)                                                      \
	{                                                                                          \
		if (*ptr)                                                                          \
			func(*ptr);                                                                \
	}

static inline void mem_freep(void *ptr)
{
	free(*(void **)ptr);
}

static inline void mem_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_(func) __attribute__((cleanup(func)))
#define _cleanup_free_	_cleanup_(mem_freep)
#define _cleanup_close_ _cleanup_(mem_closep)

/* Ownership leaves a variable: its value, with NULL left behind. */
#define TAKE(ptr)                                                                                  \
	({                                                                                         \
		__typeof__(ptr) _take = (ptr);                                                     \
		(ptr) = NULL;                                                                      \
		_take;                                                                             \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int _take_fd = (fd);                                                               \
		(fd) = -1;                                                                         \
		_take_fd;                                                                          \
	})

/* Much was freed: the system gets back what it can. */
void mem_trim(void);

/* Many small allocations that live exactly as long as one operation, freed by one call. */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *arena);
/* Zeroed memory, aligned for any type, valid until arena_free(). */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF(2, 3);
DEFINE_CLEANUP(struct arena *, arena_free)

#endif
