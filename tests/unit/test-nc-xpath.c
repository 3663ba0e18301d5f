/* XPath filters: prefixes to module names, and nothing else changed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/mem.h"

#include "nc-xpath.h"

static const char *module_of(const char *prefix, size_t size, bool *ret_declared, void *arg)
{
	static const char *const bindings[][2] = {
		{ "if", "ietf-interfaces" },
		{ "t", "iana-if-type" },
		{ "a-b.c", "module" },
		{ "x", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bindings); i++) {
		*ret_declared =
			strlen(bindings[i][0]) == size && memcmp(bindings[i][0], prefix, size) == 0;
		if (*ret_declared)
			return bindings[i][1];
	}
	return NULL;
}

static const struct {
	const char *xpath, *resolved; /* NULL: refused */
} cases[] = {
	{ "/if:interfaces", "/ietf-interfaces:interfaces" },
	{ "", "" },
	{ "/", "/" },
	{ "/interfaces/interface", "/interfaces/interface" },
	{ "//if:*[if:name='e0']", "//ietf-interfaces:*[ietf-interfaces:name='e0']" },
	{ "child::if:a/descendant-or-self::node()",
		"child::ietf-interfaces:a/descendant-or-self::node()" },
	{ "if:a[if:type='t:bridge']",
		"ietf-interfaces:a[ietf-interfaces:type='iana-if-type:bridge']" },
	{ "if:a[. = \"t:bridge\"]", "ietf-interfaces:a[. = \"iana-if-type:bridge\"]" },
	{ "if:a[. = 'q:bridge']", "ietf-interfaces:a[. = 'q:bridge']" },
	{ "if:a[. = 't:bridge or']", "ietf-interfaces:a[. = 't:bridge or']" },
	{ "if:a[. = 't:']", "ietf-interfaces:a[. = 't:']" },
	{ "if:a[. = '::1']", "ietf-interfaces:a[. = '::1']" },
	{ "if:a[. = 'x:y']", "ietf-interfaces:a[. = 'x:y']" },
	{ "a-b.c:d-e.f/g", "module:d-e.f/g" },
	{ "if:a[1.5 < if:b*2][position()=1]",
		"ietf-interfaces:a[1.5 < ietf-interfaces:b*2][position()=1]" },
	{ "derived-from-or-self(if:type, 't:bridge')",
		"derived-from-or-self(ietf-interfaces:type, 'iana-if-type:bridge')" },
	{ "if:a | /if:b/@if:c", "ietf-interfaces:a | /ietf-interfaces:b/@ietf-interfaces:c" },
	{ "/q:a", NULL },
	{ "/x:a", NULL },
	{ "/if:a[. = 'open]", NULL },
};

static void test_cases(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *resolved = NULL;
		int ret = nc_xpath_resolve(cases[i].xpath, module_of, NULL, &resolved, NULL);

		if (!cases[i].resolved)
			assert_true(ret < 0);
		else if (ret < 0 || strcmp(resolved, cases[i].resolved) != 0)
			fail_msg("%s: %d %s", cases[i].xpath, ret, resolved);
	}
}

static void test_errors(void **state)
{
	_cleanup_free_ char *resolved = NULL;
	_cleanup_err_ struct err err = { 0 };

	assert_int_equal(nc_xpath_resolve("/q:a", module_of, NULL, &resolved, &err), -EINVAL);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_INVALID_VALUE);
	assert_non_null(strstr(err_text(&err), "\"q\""));
	assert_int_equal(nc_xpath_resolve("/x:a", module_of, NULL, &resolved, &err), -EINVAL);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_UNKNOWN_NAMESPACE);
	assert_null(resolved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
