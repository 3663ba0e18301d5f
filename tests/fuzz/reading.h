/* For the targets of what reads ask for: data, and a walk over what a filter selects of it. */
#ifndef TESTS_FUZZ_READING_H
#define TESTS_FUZZ_READING_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "ashlar/feature.h"
#include "ashlar/xml.h"

#include "../../src/datastore/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const struct feature *const feature_table[] = { NULL };

static struct lyd_node *reading_tree;

/* The data, once. */
static inline void reading_load(const char *json)
{
	static const struct yang_module modules[] = {
		{ "ietf-interfaces", NULL },
		{ "ietf-ip", NULL },
		{ "iana-if-type", NULL },
	};

	if (reading_tree)
		return;
	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), NULL) < 0 ||
		lyd_parse_data_mem(yang_ctx(), json, LYD_JSON, LYD_PARSE_ONLY, 0, &reading_tree) !=
			LY_SUCCESS)
		abort();
}

static inline int reading_walk(struct ds_filter *filter, struct buf *out)
{
	struct walk walk = { .tree = reading_tree, .filter = filter };
	int r;

	print_init(&walk.print, out, FORMAT_XML, WITH_DEFAULTS_EXPLICIT);
	walk_start(&walk);
	r = walk_run(&walk, NULL, NULL);
	walk_end(&walk);
	return r;
}

#endif
