/*
 * Configurations at URLs (RFC 6241 section 8.8): file:///NAME is a file of CONFIG-DIR/url, https://… is
 * another server's. All of it is a child process's work.
 */
#ifndef ASHLAR_SERVER_URL_H
#define ASHLAR_SERVER_URL_H

#include "ashlar/buf.h"
#include "ashlar/err.h"
#include "ashlar/mem.h"

#define URL_BYTES_MAX	((size_t)32 << 20) /* of one configuration */
#define URL_ANCHORS_MAX ((size_t)4 << 20)  /* of the truststore, as PEM text */

struct url;

enum url_act {
	URL_GET,
	URL_PUT,
	URL_DELETE,
};

/* @content: what was got; NULL on failure, and after the other acts. It may be moved away. */
typedef void (*url_fn)(struct buf *content, const struct err *err, void *arg);

void url_init(const char *config_dir);
void url_done(void);
/*
 * Begins; @done is called from a later turn, after which the url is gone. @content (of URL_PUT) is taken.
 * -EINVAL for a URL that is none of ours.
 */
int url_start(enum url_act act, const char *text, struct buf *content, url_fn done, void *arg,
	struct url **ret_url, struct err *err) WARN_UNUSED;
/* Ends it without a call; what was begun to be written may be there. NULL is fine. */
void url_cancel(struct url *url);

#endif
