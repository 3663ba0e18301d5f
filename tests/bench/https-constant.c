/*
 * The floor below RESTCONF: mbedTLS answering each record with the same SIZE bytes of HTTP, on one loop
 * for all connections.
 */
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <sys/epoll.h>

#include "tls.h"

static mbedtls_x509_crt cert;
static mbedtls_pk_context key;

static void load(const char *key_file, const char *cert_file)
{
	size_t size;
	char *text;

	mbedtls_x509_crt_init(&cert);
	mbedtls_pk_init(&key);
	text = read_file(key_file, &size);
	if (crypto_compat_parse_key(
		    &key, (const unsigned char *)text, size + 1, mbedtls_ctr_drbg_random, &drbg))
		die("%s: no key", key_file);
	if (mbedtls_x509_crt_parse_file(&cert, cert_file) ||
		mbedtls_ssl_conf_own_cert(&config, &cert, &key))
		die("%s: no certificate", cert_file);
}

static char *make_response(size_t size)
{
	char *text = malloc(size + 128);
	size_t head, body = size;

	if (!text)
		die("out of memory");
	do { /* the length's own digits count, too */
		head = (size_t)sprintf(
			text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", --body);
	} while (body && head + body > size);
	memset(text + head, 'x', body);
	text[head + body] = '\0';
	return text;
}

/* False when the peer has gone. */
static bool answer(struct tls *tls, const char *response, size_t size)
{
	static unsigned char input[16384];
	int got;

	while ((got = mbedtls_ssl_read(&tls->ssl, input, sizeof(input))) > 0)
		tls_write(tls, response, size);
	return got == MBEDTLS_ERR_SSL_WANT_READ;
}

static void add(int epoll, int fd, void *data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = data };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl: %m");
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener;
	const char *response;
	size_t size;

	if (argc != 4)
		die("usage: %s KEY CERTIFICATE SIZE", argv[0]);
	tls_start(MBEDTLS_SSL_IS_SERVER);
	load(argv[1], argv[2]);
	response = make_response(strtoul(argv[3], NULL, 10));
	size = strlen(response);
	listener = listen_anywhere();
	add(epoll, listener, NULL);
	for (;;) {
		struct epoll_event event;
		struct tls *tls;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		tls = event.data.ptr;
		if (!tls) {
			tls = calloc(1, sizeof(*tls));
			if (!tls)
				die("out of memory");
			tls_open(tls, accept(listener, NULL, NULL));
			add(epoll, tls->fd, tls);
		} else if (!answer(tls, response, size)) {
			tls_close(tls);
			free(tls);
		}
	}
}
