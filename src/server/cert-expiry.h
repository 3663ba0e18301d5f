/* Subscribers are told of certificates that are about to end: certificate-expiration of RFC 9640. */
#ifndef ASHLAR_SERVER_CERT_EXPIRY_H
#define ASHLAR_SERVER_CERT_EXPIRY_H

#include <time.h>

#include "ashlar/server-options.h"

void cert_expiry_start(void);
void cert_expiry_stop(void);
/* A key or trust has changed: it is told of at once if its time has come. */
void cert_expiry_changed(const struct object_kind *kind, const char *name);
/* When it is told of them, the longest anchor first; copied. None: as RFC 9640 recommends. */
void cert_expiry_set(const struct server_interval *intervals, size_t count);
/* The first moment after @now at which a certificate that ends at @expiry is told of. */
time_t cert_expiry_next(time_t expiry, time_t now);

#endif
