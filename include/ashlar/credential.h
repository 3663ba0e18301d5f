/*
 * What configuration says of keys and trust, as objects: those who use them find them in have by name and
 * are told of each change. Orders for keys that the device is to make itself are objects too.
 */
#ifndef ASHLAR_CREDENTIAL_H
#define ASHLAR_CREDENTIAL_H

#include "ashlar/buf.h"
#include "ashlar/key.h"
#include "ashlar/object.h"

struct credential_cert {
	char *name;
	char *pem; /* with those that have signed it, as cert_read() writes them */
};

/* Both a private key with its certificates and what is trusted. */
struct credential {
	struct object object; /* key: credential_key_name() … */
	struct key *key;      /* NULL: what is trusted; or a hidden key that is not loaded yet */
	char *hidden; /* digest of the public half, under which the device keeps the private one; NULL */
	struct credential_cert *certs;
	size_t cert_count;
};
extern const struct object_kind object_kind_key;   /* keys: the keystore's names, or inline paths */
extern const struct object_kind object_kind_trust; /* keys: names of bags, or inline paths */

/* A certificate more in a wanted object; both are taken. */
void credential_add_cert(struct credential *credential, char *name, char *pem);
const struct credential_cert *credential_cert(
	const struct credential *credential, const char *name);
/* Digest of a public half, as hexadecimal text; malloc'd. */
char *credential_digest(const struct secret *public);

/*
 * Appends the authorities in the truststore's bags, as PEM. Certificates of clients, which cannot sign others,
 * are no anchors: who has one is not to be taken for a server. -EFBIG (too-big) at the ceiling of @out.
 */
int credential_authorities(struct buf *out, struct err *err) WARN_UNUSED;

/* A key to be made. Of a symmetric one all else is 0. */
struct key_order {
	struct object object; /* key: name in the keystore */
	enum key_format format;
	enum key_public_format public_format;
	bool is_hidden;
	bool is_certified; /* with a certificate, signed by itself */
};
extern const struct object_kind object_kind_key_order;
extern const struct object_kind object_kind_symmetric_order;

/* As binary leaves hold it: base64. NULL: hidden, not asked for. */
struct key_made {
	const char *name;
	bool is_symmetric; /* then private_key is all there is */
	const char *private_key, *public_key, *cert;
};

/* Where hidden keys are kept. Call after state_init(). */
void credential_init(const char *key_dir);
void credential_done(void);
/* Told of each key or trust made, changed or removed; after have knows. NULL to unset. */
void credential_on_change(
	void (*changed)(const struct object_kind *kind, const char *name, void *arg), void *arg);
/* Told what an order has brought, or why it could not be done (it is tried again). NULL to unset: what is
 * made meanwhile is told when set. */
void key_order_on_made(
	void (*made)(const struct key_made *made, const struct err *err, void *arg), void *arg);
void key_order_done(void);
/* Removes hidden keys that @is_used does not know by digest. */
void credential_sweep(bool (*is_used)(const char *digest, void *arg), void *arg);
/* For key-order.c: keeps a hidden key. */
int credential_hide(const char *digest, const char *pem, struct err *err) WARN_UNUSED;

#endif
