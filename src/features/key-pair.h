/* Key pairs of ietf-crypto-types, wherever they stand: in the keystore or where they are used. */
#ifndef ASHLAR_FEATURES_KEY_PAIR_H
#define ASHLAR_FEATURES_KEY_PAIR_H

#include "ashlar/credential.h"
#include "ashlar/feature.h"

struct key_pair {
	struct key *key;      /* the private half; NULL: hidden, or nothing yet */
	struct secret public; /* as configured; empty: not given */
	enum key_public_format public_format;
	enum key_format format; /* UNKNOWN: not given */
	bool is_hidden;
	bool is_lacking; /* the device is to make it */
};

/* What stands at @node (asymmetric-key-pair-grouping); whether its halves fit is checked. */
int key_pair_read(
	const struct lyd_node *node, struct key_pair *ret_pair, struct err *err) WARN_UNUSED;
void key_pair_done(struct key_pair *pair);
/* The certificate of the pair that the cert-data leaf of @node holds; *ret_pem is NULL when it is empty. */
int key_pair_cert(const struct key_pair *pair, const struct lyd_node *node, char **ret_pem,
	struct err *err) WARN_UNUSED;
/* What a pair that is not lacking brings to an object of the kind key; takes the key. */
int key_pair_offer(
	struct key_pair *pair, struct credential *credential, struct err *err) WARN_UNUSED;
/* generate-csr (RFC 9640) of the key that is known as @name. */
void key_pair_request(struct action_call *call, const char *name);
/*
 * What the container @encrypted (encrypted-value-grouping) of the keystore holds, decrypted by the symmetric key
 * that it names.
 */
int key_pair_decrypt(
	const struct lyd_node *encrypted, struct secret *ret_secret, struct err *err) WARN_UNUSED;
/* A binary leaf's bytes, for others; -EFBIG, -EINVAL. */
int key_pair_bytes(const struct lyd_node *parent, const char *leaf, size_t max,
	struct secret *ret_secret, struct err *err) WARN_UNUSED;

#define _cleanup_key_pair_ _cleanup_(key_pair_done)

#endif
