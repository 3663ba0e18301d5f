/* From a client's certificate to the name of a user: RFC 7589 section 7, RFC 7407. */
#ifndef ASHLAR_SERVER_CERT_NAME_H
#define ASHLAR_SERVER_CERT_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/x509_crt.h>

#include "ashlar/endpoint.h"
#include "ashlar/key.h"

/*
 * @path: the certificates as DER, the client's first, the one that is trusted last. False when no entry of
 * @maps fits and finds a name that can be a user's.
 */
bool cert_name_find(const struct secret *path, size_t count, const struct endpoint_map *maps,
	size_t map_count, char *name, size_t size);

#endif
