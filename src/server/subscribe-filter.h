/* Filters that are kept in configuration (/ietf-subscribed-notifications:filters), and who uses them. */
#ifndef ASHLAR_SERVER_SUBSCRIBE_FILTER_H
#define ASHLAR_SERVER_SUBSCRIBE_FILTER_H

#include "subscribe.h"

/* While a subscription names one, their changes are followed. */
void subscribe_filter_use(void);
void subscribe_filter_unuse(void);

#endif
