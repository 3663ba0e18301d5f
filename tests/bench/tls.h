/*
 * One end of a TLS connection for the measuring programs: the daemon's versions and suites; one recv()
 * for all that has come, as the daemon does it.
 */
#ifndef TESTS_BENCH_TLS_H
#define TESTS_BENCH_TLS_H

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <poll.h>

#include "../../include/ashlar/crypto-compat.h"
#include "../../src/server/tls-compat.h"
#include "bench.h"

#define CONNS_MAX 64

struct tls {
	mbedtls_ssl_context ssl;
	int fd;
	unsigned char wire[17408];
	size_t at, left;
};

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;
static mbedtls_ssl_config config;

static inline void tls_start(int endpoint)
{
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&drbg);
	mbedtls_ssl_config_init(&config);
	if (tls_compat_start() ||
		mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0) ||
		mbedtls_ssl_config_defaults(&config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
			MBEDTLS_SSL_PRESET_DEFAULT))
		die("TLS does not start");
	mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &drbg);
	mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
	if (!tls_compat_configure(&config, 0, 0, false))
		die("TLS: no version");
}

static inline int tls_send(void *arg, const unsigned char *data, size_t size)
{
	struct tls *tls = arg;
	ssize_t sent = send(tls->fd, data, size, MSG_NOSIGNAL);

	return sent >= 0	  ? (int)sent
		: errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE
				  : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static inline int tls_recv(void *arg, unsigned char *data, size_t size)
{
	struct tls *tls = arg;

	if (!tls->left) {
		ssize_t got = recv(tls->fd, tls->wire, sizeof(tls->wire), 0);

		if (got <= 0)
			return got == 0		  ? 0
				: errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ
						  : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
		tls->at = 0;
		tls->left = (size_t)got;
	}
	if (size > tls->left)
		size = tls->left;
	memcpy(data, tls->wire + tls->at, size);
	tls->at += size;
	tls->left -= size;
	return (int)size;
}

/* Takes the descriptor over and shakes hands; from then on nothing blocks. */
static inline void tls_open(struct tls *tls, int fd)
{
	tls->fd = fd;
	set_nodelay(fd);
	mbedtls_ssl_init(&tls->ssl);
	if (mbedtls_ssl_setup(&tls->ssl, &config))
		die("TLS: no memory");
	mbedtls_ssl_set_bio(&tls->ssl, tls, tls_send, tls_recv, NULL);
	if (mbedtls_ssl_handshake(&tls->ssl))
		die("TLS: no handshake");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die("O_NONBLOCK: %m");
}

static inline void tls_close(struct tls *tls)
{
	mbedtls_ssl_free(&tls->ssl);
	close(tls->fd);
}

static inline void tls_write(struct tls *tls, const char *text, size_t size)
{
	while (size) {
		int sent = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)text, size);

		if (sent == MBEDTLS_ERR_SSL_WANT_WRITE) {
			poll(&(struct pollfd){ .fd = tls->fd, .events = POLLOUT }, 1, -1);
			continue;
		}
		if (sent <= 0)
			die("TLS: cannot write");
		text += sent;
		size -= (size_t)sent;
	}
}

#endif
