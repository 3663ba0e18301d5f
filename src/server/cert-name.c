/*
 * Entries are asked in the order of their ids. One fits when its fingerprint is that of a certificate on
 * the verified path; if it then finds no name, the next is asked (RFC 7407, cert-to-name).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <mbedtls/md.h>

#include "ashlar/str.h"

#include "cert-name.h"

#define HASH_MAX 64

/* GeneralName of RFC 5280 section 4.2.1.6. */
enum {
	SAN_RFC822 = 1,
	SAN_DNS = 2,
	SAN_IP = 7,
};

/* --- fingerprints ------------------------------------------------------------------------------- */

/* HashAlgorithm of RFC 5246 section 7.4.1.4.1. */
static mbedtls_md_type_t hash_type(const char *fingerprint)
{
	static const mbedtls_md_type_t types[] = { [1] = MBEDTLS_MD_MD5,
		[2] = MBEDTLS_MD_SHA1,
		[3] = MBEDTLS_MD_SHA224,
		[4] = MBEDTLS_MD_SHA256,
		[5] = MBEDTLS_MD_SHA384,
		[6] = MBEDTLS_MD_SHA512 };
	unsigned char number;

	if (strlen(fingerprint) < 2 || fingerprint[0] != '0' || !isdigit(fingerprint[1]))
		return MBEDTLS_MD_NONE;
	number = (unsigned char)(fingerprint[1] - '0');
	return number < ARRAY_SIZE(types) ? types[number] : MBEDTLS_MD_NONE;
}

static bool is_fingerprint(const char *fingerprint, const struct secret *der)
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(hash_type(fingerprint));
	unsigned char hash[HASH_MAX], given[HASH_MAX];
	size_t size = info ? mbedtls_md_get_size(info) : 0;

	if (!size || strlen(fingerprint) != 2 + 3 * size ||
		str_unhex(given, size, fingerprint + 3, ':') < 0)
		return false;
	return mbedtls_md(info, der->data, der->size, hash) == 0 && memcmp(hash, given, size) == 0;
}

static bool fits(const struct endpoint_map *map, const struct secret *path, size_t count)
{
	if (!map->fingerprint)
		return true;
	for (size_t i = 0; i < count; i++)
		if (is_fingerprint(map->fingerprint, &path[i]))
			return true;
	return false;
}

/* --- names ------------------------------------------------------------------------------------ */

/* A name that logs and access rules can hold: no control characters, not too long. */
static bool take(const char *from, size_t length, char *name, size_t size)
{
	if (!length || length >= size)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)from[i] < 0x20 || from[i] == 0x7f)
			return false;
	memcpy(name, from, length);
	name[length] = '\0';
	return true;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* The first of that kind; for SAN_RFC822 only the host is in lower case. */
static bool from_text(const mbedtls_asn1_buf *san, bool is_mail, char *name, size_t size)
{
	char *host;

	if (!take((const char *)san->p, san->len, name, size))
		return false;
	host = is_mail ? strrchr(name, '@') : name;
	if (!host)
		return false;
	lower(host);
	return true;
}

static bool from_address(const mbedtls_asn1_buf *san, char *name, size_t size)
{
	if (san->len == 4)
		return inet_ntop(AF_INET, san->p, name, (socklen_t)size);
	if (san->len != 16 || size <= 32)
		return false;
	str_hex(name, san->p, san->len);
	return true;
}

static bool from_alternative(
	const mbedtls_x509_crt *cert, enum endpoint_map_type type, char *name, size_t size)
{
	const mbedtls_x509_sequence *at;

	for (at = &cert->subject_alt_names; at && at->buf.p; at = at->next) {
		int kind = at->buf.tag & 0x1f;
		bool is_any = type == ENDPOINT_MAP_ANY;

		if (kind == SAN_RFC822 && (is_any || type == ENDPOINT_MAP_RFC822))
			return from_text(&at->buf, true, name, size);
		if (kind == SAN_DNS && (is_any || type == ENDPOINT_MAP_DNS))
			return from_text(&at->buf, false, name, size);
		if (kind == SAN_IP && (is_any || type == ENDPOINT_MAP_IP))
			return from_address(&at->buf, name, size);
	}
	return false;
}

static bool from_subject(const mbedtls_x509_crt *cert, char *name, size_t size)
{
	static const unsigned char common_name[] = { 0x55, 0x04, 0x03 };
	const mbedtls_x509_name *at;

	for (at = &cert->subject; at; at = at->next)
		if (at->oid.len == sizeof(common_name) &&
			memcmp(at->oid.p, common_name, sizeof(common_name)) == 0)
			return take((const char *)at->val.p, at->val.len, name, size);
	return false;
}

static bool find_name(
	const struct endpoint_map *map, const mbedtls_x509_crt *cert, char *name, size_t size)
{
	switch (map->type) {
	case ENDPOINT_MAP_SPECIFIED:
		return map->name && take(map->name, strlen(map->name), name, size);
	case ENDPOINT_MAP_RFC822:
	case ENDPOINT_MAP_DNS:
	case ENDPOINT_MAP_IP:
	case ENDPOINT_MAP_ANY:
		return from_alternative(cert, map->type, name, size);
	case ENDPOINT_MAP_COMMON_NAME:
		return from_subject(cert, name, size);
	}
	return false;
}

bool cert_name_find(const struct secret *path, size_t count, const struct endpoint_map *maps,
	size_t map_count, char *name, size_t size)
{
	mbedtls_x509_crt cert;
	bool is_found = false;

	mbedtls_x509_crt_init(&cert);
	if (count && mbedtls_x509_crt_parse_der(&cert, path[0].data, path[0].size) == 0)
		for (size_t i = 0; i < map_count && !is_found; i++)
			is_found = fits(&maps[i], path, count) &&
				find_name(&maps[i], &cert, name, size);
	mbedtls_x509_crt_free(&cert);
	return is_found;
}
