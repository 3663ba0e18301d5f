/* What the features of containers share about the interfaces that are given to them. */
#ifndef ASHLAR_FEATURES_CONTAINER_NETWORK_H
#define ASHLAR_FEATURES_CONTAINER_NETWORK_H

#include "ashlar/yang.h"

/* Whether a container can have the interfaces it names: each only one owner, options that are known. */
int container_network_check(const struct lyd_node *container, struct err *err) WARN_UNUSED;

#endif
