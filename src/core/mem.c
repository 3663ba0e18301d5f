/*
 * Memory. Running out of it ends the process (a supervisor restarts it into the running
 * configuration), so nobody tests a result. An arena is a chain of zeroed chunks; what is too large
 * for a chunk gets one of its own.
 */
#include <assert.h>
#include <malloc.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/mem.h"

#define CHUNK_MIN ((size_t)2048)
#define CHUNK_MAX ((size_t)512 * 1024) /* such are mapped by themselves, and go back when freed */

struct chunk {
	struct chunk *next;
	size_t used, size; /* of data[] */
	alignas(max_align_t) char data[];
};

struct arena {
	struct chunk *chunks; /* the first one is being filled */
	size_t chunk_size;    /* of the next one */
};

static _Noreturn void out_of_memory(size_t size)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "out of memory (%zu bytes wanted)\n", size);

	if (write(STDERR_FILENO, text, (size_t)length) < 0)
		abort();
	abort();
}

void *xmalloc(size_t size)
{
	void *ptr = malloc(size ? size : 1);

	if (!ptr)
		out_of_memory(size);
	return ptr;
}

void *xcalloc(size_t count, size_t size)
{
	void *ptr = calloc(count ? count : 1, size ? size : 1);

	if (!ptr)
		out_of_memory(size);
	return ptr;
}

void *xrealloc(void *ptr, size_t size)
{
	void *grown = realloc(ptr, size ? size : 1);

	if (!grown)
		out_of_memory(size);
	return grown;
}

void *xreallocarray(void *ptr, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory(SIZE_MAX);
	return xrealloc(ptr, bytes);
}

char *xstrdup(const char *text)
{
	return text ? xmemdup(text, strlen(text) + 1) : NULL;
}

char *xstrndup(const char *text, size_t max)
{
	size_t length = strnlen(text, max);
	char *copy = xmalloc(length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

void *xmemdup(const void *data, size_t size)
{
	void *copy = xmalloc(size);

	if (size)
		memcpy(copy, data, size);
	return copy;
}

char *xasprintf(const char *format, ...)
{
	va_list ap;
	char *text;
	int length;

	va_start(ap, format);
	length = vasprintf(&text, format, ap);
	va_end(ap);
	if (length < 0)
		out_of_memory(0);
	return text;
}

void mem_tune(void)
{
	/* With fastbins, freeing a large tree ends in one consolidation of milliseconds. */
	mallopt(M_MXFAST, 0);
	/* Left to itself it follows the largest block that was freed: a 16 MiB message would stay. */
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

void mem_trim(void)
{
	malloc_trim(0);
}

struct arena *arena_new(void)
{
	struct arena *arena = XNEW(struct arena);

	arena->chunk_size = CHUNK_MIN;
	return arena;
}

void arena_free(struct arena *arena)
{
	struct chunk *chunk, *next;

	if (!arena)
		return;
	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(arena);
}

static struct chunk *chunk_new(size_t size)
{
	struct chunk *chunk = xcalloc(1, sizeof(*chunk) + size);

	chunk->size = size;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct chunk *chunk = arena->chunks;
	void *memory;

	assert(size <= SIZE_MAX / 2);
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!size)
		size = alignof(max_align_t);

	if (!chunk || chunk->size - chunk->used < size) {
		if (chunk && size > arena->chunk_size / 4) {
			/* Behind the first one, which still has room for small ones. */
			struct chunk *own = chunk_new(size);

			own->used = size;
			own->next = chunk->next;
			chunk->next = own;
			return own->data;
		}
		chunk = chunk_new(size > arena->chunk_size ? size : arena->chunk_size);
		chunk->next = arena->chunks;
		arena->chunks = chunk;
		if (arena->chunk_size < CHUNK_MAX)
			arena->chunk_size *= 2;
	}
	memory = chunk->data + chunk->used;
	chunk->used += size;
	return memory;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	size_t size;
	char *copy;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	copy = arena_alloc(arena, size);
	memcpy(copy, text, size);
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list ap, again;
	int length;
	char *text;

	va_start(ap, format);
	va_copy(again, ap);
	length = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (length < 0)
		out_of_memory(0);
	text = arena_alloc(arena, (size_t)length + 1);
	(void)vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	return text;
}
