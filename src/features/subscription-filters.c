/*
 * Filters that subscriptions can name (RFC 8639 section 2.1, RFC 8641 section 3.6): configuration for those
 * who subscribe; nothing of the device follows from it.
 */
#include "ashlar/feature.h"

const struct feature feature_subscription_filters = {
	.name = "subscription-filters",
	.modules = (const struct feature_module[]){ { "ietf-subscribed-notifications", NULL },
		{ "ietf-yang-push", NULL }, { NULL, NULL } },
	.roots = (const char *const[]){ "/ietf-subscribed-notifications:filters", NULL },
};
