/* Trusted certificates of ietf-truststore, wherever they stand. */
#ifndef ASHLAR_FEATURES_TRUST_H
#define ASHLAR_FEATURES_TRUST_H

#include "ashlar/credential.h"
#include "ashlar/feature.h"

/* Adds the entries of the list "certificate" below @node. */
int trust_read(
	const struct lyd_node *node, struct credential *credential, struct err *err) WARN_UNUSED;

#endif
