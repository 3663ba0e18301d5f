/* The version of the data model that a saved configuration follows. */
#include "ashlar/feature.h"

const struct feature feature_meta = {
	.name = "meta",
	.modules = (const struct feature_module[]){ { "infix-meta", NULL }, { NULL, NULL } },
	.roots = (const char *const[]){ "/infix-meta:meta/version", NULL },
};
