/* X.509 certificates and requests for them. */
#ifndef ASHLAR_CERT_H
#define ASHLAR_CERT_H

#include <time.h>

#include "ashlar/err.h"
#include "ashlar/key.h"

#define CERT_SIZE_MAX  ((size_t)65536) /* of what a cert-data leaf holds, bytes */
#define CERT_CHAIN_MAX 16

/*
 * What a cert-data leaf holds (RFC 9640: a degenerate CMS SignedData; or a bare certificate) as PEM text.
 * With @public (SubjectPublicKeyInfo), the first is the certificate of that key, followed by those that
 * have signed, each by the next; without (NULL), all in their order. -EINVAL: no certificate, none of
 * that key, or not one chain.
 */
int cert_read(const struct secret *data, const struct secret *public, char **ret_pem,
	struct err *err) WARN_UNUSED;
/* When the first one of a PEM text ends; 0: it cannot be told. */
time_t cert_expiry(const char *pem);
/* Those of a PEM text that may sign others; malloc'd, NULL: none. */
char *cert_authorities(const char *pem);
/* A new one, signed by its own key, in the name of this host, as DER. */
int cert_make(const struct key *key, struct secret *ret_der, struct err *err) WARN_UNUSED;
/* RFC 2986: signs a CertificationRequestInfo, whose key must be @key. */
int cert_request(const struct key *key, const struct secret *info, struct secret *ret_request,
	struct err *err) WARN_UNUSED;

#endif
