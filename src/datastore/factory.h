/* The factory configuration: image/factory-config.json, held in the program. */
#ifndef ASHLAR_DATASTORE_FACTORY_H
#define ASHLAR_DATASTORE_FACTORY_H

#include "ashlar/yang.h"

int factory_tree(struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;

#endif
