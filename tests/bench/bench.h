/* What the measuring programs share: time, files, TCP without Nagle's delay on 127.0.0.1. */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARK	    "@N@" /* in a request: replaced by a number that differs each time */
#define MARK_DIGITS 8

__attribute__((format(printf, 1, 2), noreturn)) static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The whole file, NUL-terminated, the process's for good. */
static inline char *read_file(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0, room = 0;

	if (!file)
		die("cannot open %s", path);
	do {
		room = room ? 2 * room : 65536;
		text = realloc(text, room);
		if (!text)
			die("out of memory");
		size += fread(text + size, 1, room - size - 1, file);
	} while (size == room - 1);
	fclose(file);
	text[size] = '\0';
	*ret_size = size;
	return text;
}

/* The file with every MARK widened to MARK_DIGITS digits; request_number() writes them. */
struct request {
	char *text;
	size_t size;
	size_t places[4];
	unsigned count;
};

static inline void request_read(struct request *request, const char *path)
{
	size_t size, fill = 0;
	const char *text = read_file(path, &size), *at = text, *mark;

	request->text = malloc(size + 4 * MARK_DIGITS + 1);
	if (!request->text)
		die("out of memory");
	while ((mark = strstr(at, MARK))) {
		if (request->count == 4)
			die("%s: too many numbers", path);
		memcpy(request->text + fill, at, (size_t)(mark - at));
		fill += (size_t)(mark - at);
		request->places[request->count++] = fill;
		fill += MARK_DIGITS;
		at = mark + strlen(MARK);
	}
	strcpy(request->text + fill, at);
	request->size = fill + strlen(at);
}

static inline void request_number(struct request *request)
{
	static unsigned number;
	char digits[16];

	if (!number)
		number = (unsigned)getpid() << 12;
	snprintf(digits, sizeof(digits), "%08u", number++ % 100000000);
	for (unsigned i = 0; i < request->count; i++)
		memcpy(request->text + request->places[i], digits, MARK_DIGITS);
}

static inline void set_nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		die("TCP_NODELAY: %m");
}

static inline int connect_to(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect to port %u: %m", port);
	set_nodelay(fd);
	return fd;
}

/* Listens on a port of the kernel's choice and prints it. */
static inline int listen_anywhere(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 64) < 0 || getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		die("listen: %m");
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

#endif
