/*
 * Requests per second over kept-alive connections, each with one request under way. The targets
 * PORT:FILE take turns in slices of MS milliseconds, so that all of them meet the same noise. A status
 * other than 2xx ends the program.
 *
 * Prints "bytes INDEX SIZE" of the last answer and "rate INDEX REQUESTS-PER-SECOND" of each slice.
 */
#include "tls.h"

#define TARGETS_MAX  4
#define RESPONSE_MAX 65536

struct peer {
	struct tls tls;
	char response[RESPONSE_MAX + 1];
	size_t size;
};

struct target {
	unsigned port;
	struct request request;
	struct peer *peers;
	struct pollfd polls[CONNS_MAX];
	size_t answer;
};

static int conn_count;

/* Whole size of the response when its head has come; 0 before. */
static size_t whole_size(const struct peer *peer)
{
	const char *end = strstr(peer->response, "\r\n\r\n"), *length;
	size_t head;

	if (!end)
		return 0;
	head = (size_t)(end - peer->response) + 4;
	if (strncmp(peer->response, "HTTP/1.1 2", 10))
		die("%s", peer->response);
	length = strcasestr(peer->response, "\r\ncontent-length:");
	return head + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

/* True when a response is complete. */
static bool receive(struct target *target, struct peer *peer)
{
	size_t whole;
	int got;

	for (;;) {
		got = mbedtls_ssl_read(&peer->tls.ssl, (unsigned char *)peer->response + peer->size,
			RESPONSE_MAX - peer->size);
		if (got == MBEDTLS_ERR_SSL_WANT_READ)
			return false;
#ifdef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
		if (got == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
			continue;
#endif
		if (got <= 0)
			die("port %u: the server ended the connection (%d)", target->port, got);
		peer->size += (size_t)got;
		peer->response[peer->size] = '\0';
		whole = whole_size(peer);
		if (whole && peer->size >= whole)
			break;
	}
	if (peer->size > whole)
		die("port %u: more than was asked for", target->port);
	target->answer = whole;
	peer->size = 0;
	return true;
}

static void request(struct target *target, struct peer *peer)
{
	request_number(&target->request);
	tls_write(&peer->tls, target->request.text, target->request.size);
}

/* Asks until @until, waits for the last answers; how many there were. */
static unsigned run_slice(struct target *target, uint64_t until)
{
	unsigned answers = 0, open = 0;

	for (int i = 0; i < conn_count; i++, open++)
		request(target, &target->peers[i]);
	while (open) {
		if (poll(target->polls, (nfds_t)conn_count, 10000) <= 0)
			die("port %u: no answer within 10 s", target->port);
		for (int i = 0; i < conn_count; i++) {
			if (!target->polls[i].revents || !receive(target, &target->peers[i]))
				continue;
			answers++;
			if (now_ns() < until)
				request(target, &target->peers[i]);
			else
				open--;
		}
	}
	return answers;
}

static void open_target(struct target *target, const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon)
		die("%s: PORT:FILE", text);
	target->port = (unsigned)atoi(text);
	request_read(&target->request, colon + 1);
	target->peers = calloc((size_t)conn_count, sizeof(*target->peers));
	if (!target->peers)
		die("out of memory");
	for (int i = 0; i < conn_count; i++) {
		tls_open(&target->peers[i].tls, connect_to(target->port));
		target->polls[i] = (struct pollfd){ target->peers[i].tls.fd, POLLIN, 0 };
	}
	/* The first request of a client pays for its password. */
	(void)run_slice(target, 0);
}

int main(int argc, char **argv)
{
	static struct target targets[TARGETS_MAX];
	int slices, count = argc - 4;
	uint64_t slice_ns;

	if (argc < 5 || count > TARGETS_MAX)
		die("usage: %s CONNECTIONS SLICES MS PORT:FILE...", argv[0]);
	conn_count = atoi(argv[1]);
	if (conn_count < 1 || conn_count > CONNS_MAX)
		die("1 to %d connections", CONNS_MAX);
	slices = atoi(argv[2]);
	slice_ns = strtoull(argv[3], NULL, 10) * 1000000;
	tls_start(MBEDTLS_SSL_IS_CLIENT);
	for (int i = 0; i < count; i++)
		open_target(&targets[i], argv[4 + i]);
	for (int at = 0; at < slices * count; at++) {
		uint64_t began = now_ns();
		unsigned answers = run_slice(&targets[at % count], began + slice_ns);

		printf("rate %d %.1f\n", at % count, answers * 1e9 / (double)(now_ns() - began));
	}
	for (int i = 0; i < count; i++)
		printf("bytes %d %zu\n", i, targets[i].answer);
	return 0;
}
