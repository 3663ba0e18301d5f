/*
 * Getting what URLs name, for programs that do nothing else: they block, and read strangers' bytes without
 * privileges. Not for the daemon.
 */
#ifndef ASHLAR_TRANSFER_H
#define ASHLAR_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ashlar/err.h"

/*
 * Whom to trust: the system's authorities (or those of SSL_CERT_FILE), and those given besides, as PEM text.
 * Reads files, so before privileges go.
 */
struct transfer_trust {
	char *pem; /* NULL: what libcurl finds by itself */
	size_t size;
};
int transfer_trust_read(
	const char *given, size_t size, struct transfer_trust *ret_trust) WARN_UNUSED;
int transfer_trust_set(CURL *curl, const struct transfer_trust *trust) WARN_UNUSED;
void transfer_trust_done(struct transfer_trust *trust);

/* What strangers' bytes are read with: nobody's identity, nothing to be gained by exec. */
int transfer_drop_privileges(void) WARN_UNUSED;

struct transfer;

struct transfer_opts {
	const char *protocols; /* "https", "https,http" */
	const struct transfer_trust *trust;
	const char *accept; /* media types; NULL: any */
	const char *bearer; /* a token for this server; NULL: none */
	uint64_t max;	    /* bytes, at most */
};

/* What the server said beside the content, once it has been read to its end. */
struct transfer_reply {
	long status;		/* of HTTP */
	char *www_authenticate; /* NULL: none; malloc'd */
};

/*
 * A stream. It goes on where it was cut, as often as needed while there is progress, with whatever @url gives
 * by then: the caller checks what it gets. All texts are borrowed until transfer_free().
 */
struct transfer *transfer_new(const char *url, const struct transfer_opts *opts);
void transfer_free(struct transfer *transfer);
DEFINE_CLEANUP(struct transfer *, transfer_free)
/* Bytes read, 0 at the end; -EFBIG, -EIO, with the server's or libcurl's reason. */
ssize_t transfer_read(
	struct transfer *transfer, void *bytes, size_t size, struct err *err) WARN_UNUSED;
/* All of it as NUL-terminated text, whatever the status is (below 400 unless @ret_reply). */
int transfer_text(const char *url, const struct transfer_opts *opts, char **ret_text,
	size_t *ret_size, struct transfer_reply *ret_reply, struct err *err) WARN_UNUSED;

#endif
