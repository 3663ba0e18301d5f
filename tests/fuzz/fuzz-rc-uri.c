/* RESTCONF targets: "path?query", read within their limits. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "rc-query.h"
#include "rc-uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(void)
{
	static const struct yang_module modules[] = {
		{ "ietf-interfaces", NULL },
		{ "ietf-ip", NULL },
		{ "ietf-system", NULL },
		{ "ietf-netconf-monitoring", NULL },
		{ "infix-containers", NULL },
	};

	if (!yang_ctx() && yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), NULL) < 0)
		abort();
}

static void check_path(char *text)
{
	_cleanup_free_ char *path = NULL, *predicates = NULL;
	struct rc_uri uri;

	if (rc_uri_parse(text, &uri, NULL) < 0)
		return;
	assert(uri.step_count <= RC_URI_STEPS_MAX && uri.value_count <= RC_URI_VALUES_MAX);
	if (uri.resource != RC_RESOURCE_DATA || rc_uri_path(&uri, &path, NULL) < 0)
		return;
	assert(path[0] == '/');
	assert(rc_uri_predicates(&uri, &predicates, NULL) == 0);
	assert(!predicates[0] == !uri.steps[uri.step_count - 1].count);
}

static void check_query(char *text)
{
	struct rc_query query;
	struct rc_uri uri;

	if (rc_query_parse(text, UINT32_MAX, &query, NULL) == 0 && query.point)
		(void)!rc_uri_parse_point(query.point, &uri, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	char *query = strchr(text, '?');

	load();
	if (query)
		*query++ = '\0';
	check_query(query);
	check_path(text);
	return 0;
}
