/*
 * CMS SignedData (RFC 5652 section 5). Every signature there is must be good and by somebody who is trusted; whatever
 * is not understood is refused. What is signed are the attributes, which name content by its hash and its type,
 * or, where there are none, the content itself.
 */
#include <errno.h>
#include <string.h>

#include <mbedtls/asn1.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>

#include "ashlar/crypto-compat.h"
#include "ashlar/str.h"

#include "signed-data.h"

#define SEQUENCE      (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define SET	      (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SET)
#define CONTEXT(n)    (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | (n))
#define CERTS_MAX     16
#define X509_TIMES    (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)
#define SIGNATURE_MAX 1024

static const unsigned char oid_signed_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07,
	0x02 };
static const unsigned char oid_content_type[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09,
	0x03 };
static const unsigned char oid_digest[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04 };

/* What is read: the rest of some value. */
struct reader {
	const unsigned char *at, *end;
};

struct signer {
	mbedtls_md_type_t hash;
	struct signed_part attributes; /* with their tag; size 0: none */
	struct signed_part signature;
};

static bool is_oid(const struct signed_part *part, const unsigned char *oid, size_t size)
{
	return part->size == size && memcmp(part->at, oid, size) == 0;
}

/* The next value, which has that tag. */
static bool next(struct reader *from, int tag, struct signed_part *ret_part)
{
	size_t size;

	if (mbedtls_asn1_get_tag((unsigned char **)&from->at, from->end, &size, tag) != 0)
		return false;
	*ret_part = (struct signed_part){ from->at, size };
	from->at += size;
	return true;
}

static bool enter(struct reader *from, int tag, struct reader *ret_inside)
{
	struct signed_part part;

	if (!next(from, tag, &part))
		return false;
	*ret_inside = (struct reader){ part.at, part.at + part.size };
	return true;
}

static bool is_next(const struct reader *from, int tag)
{
	return from->at < from->end && *from->at == tag;
}

static bool skip(struct reader *from, int tag)
{
	struct signed_part part;

	return next(from, tag, &part);
}

/* --- one signature ------------------------------------------------------------------------------- */

static bool read_hash(struct reader *from, mbedtls_md_type_t *ret_hash)
{
	struct reader inside;
	struct signed_part part;
	mbedtls_asn1_buf oid = { .tag = MBEDTLS_ASN1_OID };

	if (!enter(from, SEQUENCE, &inside) || !next(&inside, MBEDTLS_ASN1_OID, &part))
		return false;
	oid.p = (unsigned char *)part.at;
	oid.len = part.size;
	return mbedtls_oid_get_md_alg(&oid, ret_hash) == 0 &&
		(*ret_hash == MBEDTLS_MD_SHA256 || *ret_hash == MBEDTLS_MD_SHA384 ||
			*ret_hash == MBEDTLS_MD_SHA512);
}

static bool read_signer(struct reader *from, struct signer *ret_signer)
{
	struct reader info;
	struct signed_part part;
	struct signer signer = { 0 };

	if (!enter(from, SEQUENCE, &info) || !skip(&info, MBEDTLS_ASN1_INTEGER))
		return false;
	if (!skip(&info, is_next(&info, SEQUENCE) ? SEQUENCE : MBEDTLS_ASN1_CONTEXT_SPECIFIC) ||
		!read_hash(&info, &signer.hash))
		return false;
	if (is_next(&info, CONTEXT(0))) {
		signer.attributes.at = info.at;
		if (!next(&info, CONTEXT(0), &part))
			return false;
		signer.attributes.size = (size_t)(info.at - signer.attributes.at);
	}
	if (!skip(&info, SEQUENCE) || !next(&info, MBEDTLS_ASN1_OCTET_STRING, &signer.signature) ||
		signer.signature.size > SIGNATURE_MAX)
		return false;
	*ret_signer = signer;
	return true;
}

static bool make_hash(mbedtls_md_type_t hash, const struct signed_part *of, unsigned char *out)
{
	return mbedtls_md(mbedtls_md_info_from_type(hash), of->at, of->size, out) == 0;
}

static size_t hash_size(mbedtls_md_type_t hash)
{
	return mbedtls_md_get_size(mbedtls_md_info_from_type(hash));
}

/* The attributes speak of this content: each of the two says so once. */
static bool do_attributes_fit(const struct signed_data *data, const struct signer *signer)
{
	struct reader all = { signer->attributes.at,
		signer->attributes.at + signer->attributes.size };
	struct reader attributes, attribute, values;
	struct signed_part type, value;
	unsigned char hash[MBEDTLS_MD_MAX_SIZE];
	unsigned types = 0, digests = 0;

	if (!make_hash(signer->hash, &data->content, hash) || !enter(&all, CONTEXT(0), &attributes))
		return false;
	while (attributes.at < attributes.end) {
		if (!enter(&attributes, SEQUENCE, &attribute) ||
			!next(&attribute, MBEDTLS_ASN1_OID, &type) ||
			!enter(&attribute, SET, &values))
			return false;
		if (is_oid(&type, oid_content_type, sizeof(oid_content_type))) {
			if (!next(&values, MBEDTLS_ASN1_OID, &value) ||
				!is_oid(&value, data->type.at, data->type.size))
				return false;
			types++;
		} else if (is_oid(&type, oid_digest, sizeof(oid_digest))) {
			if (!next(&values, MBEDTLS_ASN1_OCTET_STRING, &value) ||
				!is_oid(&value, hash, hash_size(signer->hash)))
				return false;
			digests++;
		}
	}
	return types == 1 && digests == 1;
}

/* The hash that was signed: of the attributes as the set they are (5.4), or of the content. */
static bool make_signed_hash(
	const struct signed_data *data, const struct signer *signer, unsigned char *out)
{
	_cleanup_free_ unsigned char *set = NULL;
	struct signed_part part = data->content;

	if (signer->attributes.size) {
		if (!do_attributes_fit(data, signer))
			return false;
		set = xcalloc(1, signer->attributes.size);
		memcpy(set, signer->attributes.at, signer->attributes.size);
		*set = SET;
		part = (struct signed_part){ set, signer->attributes.size };
	}
	return make_hash(signer->hash, &part, out);
}

/* --- by whom ------------------------------------------------------------------------------------- */

static bool is_trusted(
	const struct signed_part *certs, size_t count, size_t first, mbedtls_x509_crt *anchors)
{
	mbedtls_x509_crt chain;
	uint32_t flags = 0;
	int r;

	mbedtls_x509_crt_init(&chain);
	r = mbedtls_x509_crt_parse_der(&chain, certs[first].at, certs[first].size);
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (i != first)
			(void)mbedtls_x509_crt_parse_der(&chain, certs[i].at, certs[i].size);
	}
	if (r == 0 && crypto_compat_is_authority(&chain))
		r = -1;
	if (r == 0)
		r = mbedtls_x509_crt_verify(&chain, anchors, NULL, NULL, &flags, NULL, NULL);
	mbedtls_x509_crt_free(&chain);
	return r == 0 || (r == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && !(flags & ~X509_TIMES));
}

static bool has_signed(
	const struct signed_part *cert, const struct signer *signer, const unsigned char *hash)
{
	mbedtls_x509_crt parsed;
	bool result;

	mbedtls_x509_crt_init(&parsed);
	result = mbedtls_x509_crt_parse_der(&parsed, cert->at, cert->size) == 0 &&
		mbedtls_pk_verify(&parsed.pk, signer->hash, hash, hash_size(signer->hash),
			signer->signature.at, signer->signature.size) == 0;
	mbedtls_x509_crt_free(&parsed);
	return result;
}

static int check_signer(const struct signed_data *data, const struct signer *signer,
	const struct signed_part *certs, size_t count, mbedtls_x509_crt *anchors, struct err *err)
{
	unsigned char hash[MBEDTLS_MD_MAX_SIZE];
	size_t by = 0;

	if (!make_signed_hash(data, signer, hash))
		return err_set(err, -EBADMSG, NULL, "what was signed is not what is in it");
	while (by < count && !has_signed(&certs[by], signer, hash))
		by++;
	if (by == count)
		return err_set(err, -EBADMSG, NULL, "no certificate in it is the signer's");
	if (!is_trusted(certs, count, by, anchors))
		return err_set(err, -ENOKEY, NULL, "it is signed by someone who is not trusted");
	return 0;
}

/* --- the message --------------------------------------------------------------------------------- */

static bool read_content(struct reader *from, struct signed_data *data)
{
	struct reader content;

	return next(from, MBEDTLS_ASN1_OID, &data->type) && enter(from, CONTEXT(0), &content) &&
		next(&content, MBEDTLS_ASN1_OCTET_STRING, &data->content) &&
		content.at == content.end && from->at == from->end;
}

/* Certificates of other kinds, and too many of them, are not taken. */
static bool read_certs(struct reader *from, struct signed_part *certs, size_t *ret_count)
{
	struct reader all;
	size_t count = 0;

	if (!enter(from, CONTEXT(0), &all))
		return false;
	while (all.at < all.end) {
		const unsigned char *begin = all.at;

		if (count == CERTS_MAX || !skip(&all, SEQUENCE))
			return false;
		certs[count++] = (struct signed_part){ begin, (size_t)(all.at - begin) };
	}
	*ret_count = count;
	return true;
}

static int check_signers(struct reader *from, const struct signed_data *data,
	const struct signed_part *certs, size_t count, const char *anchors, struct err *err)
{
	mbedtls_x509_crt trusted;
	struct reader infos;
	struct signer signer;
	int r = 0;

	if (!enter(from, SET, &infos) || infos.at == infos.end || from->at != from->end)
		return err_set(err, -EBADMSG, NULL, "its signatures cannot be read");
	mbedtls_x509_crt_init(&trusted);
	if (!*anchors ||
		mbedtls_x509_crt_parse(
			&trusted, (const unsigned char *)anchors, strlen(anchors) + 1) != 0)
		r = err_set(err, -ENOKEY, NULL,
			"it is signed, and this image was made without an authority for that");
	while (r == 0 && infos.at < infos.end) {
		if (!read_signer(&infos, &signer))
			r = err_set(err, -EBADMSG, NULL, "a signature of it cannot be read");
		else
			r = check_signer(data, &signer, certs, count, &trusted, err);
	}
	mbedtls_x509_crt_free(&trusted);
	return r;
}

static int open_signed(
	struct reader *from, const char *anchors, struct signed_data *data, struct err *err)
{
	struct signed_part certs[CERTS_MAX];
	struct reader outer, body, inner;
	size_t count = 0;

	if (!enter(from, CONTEXT(0), &outer) || !enter(&outer, SEQUENCE, &body) ||
		outer.at != outer.end || !skip(&body, MBEDTLS_ASN1_INTEGER) || !skip(&body, SET) ||
		!enter(&body, SEQUENCE, &inner) || !read_content(&inner, data) ||
		(is_next(&body, CONTEXT(0)) && !read_certs(&body, certs, &count)) ||
		(is_next(&body, CONTEXT(1)) && !skip(&body, CONTEXT(1))))
		return err_set(err, -EBADMSG, NULL, "it is no CMS SignedData with its content");
	data->is_signed = true;
	return check_signers(&body, data, certs, count, anchors, err);
}

int signed_data_open(const void *message, size_t size, const char *anchors,
	struct signed_data *ret_data, struct err *err)
{
	struct reader from = { message, (const unsigned char *)message + size }, whole;
	struct signed_data data = { 0 };
	struct reader peek;
	struct signed_part type;
	int r = 0;

	if (!enter(&from, SEQUENCE, &whole) || from.at != from.end)
		return err_set(err, -EBADMSG, NULL, "it is no CMS message");
	peek = whole;
	if (!next(&peek, MBEDTLS_ASN1_OID, &type))
		return err_set(err, -EBADMSG, NULL, "it is no CMS message");
	if (is_oid(&type, oid_signed_data, sizeof(oid_signed_data)))
		r = open_signed(&peek, anchors, &data, err);
	else if (!read_content(&whole, &data))
		r = err_set(err, -EBADMSG, NULL, "it is no CMS message that has content");
	if (r == 0)
		*ret_data = data;
	return r;
}
