/*
 * Expressions and instance paths: what we take for a simple expression, libyang takes too, and selects
 * something exactly if we do.
 */
#include "reading.h"

#include "../../src/datastore/xpath.h"
#include "../../src/yang/compat.h"

/* No name occurs in two modules at one place, which libyang resolves otherwise. */
static const char data[] =
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\",\"type\":"
	"\"iana-if-type:bridge\",\"enabled\":true,\"ietf-ip:ipv4\":{\"address\":[{\"ip\":\"192.0.2.1\","
	"\"prefix-length\":24}]}},{\"name\":\"a b\",\"type\":\"iana-if-type:other\"}]}}";

static void check(const char *text)
{
	_cleanup_(ds_filter_freep) struct ds_filter *filter = NULL;
	_cleanup_(buf_done) struct buf out = { 0 };
	struct ly_set *set = NULL;

	if (xpath_filter(text, &filter, NULL) != 1)
		return;
	assert(reading_walk(filter, &out) == 0);
	if (strstr(text, "and"))
		return; /* libyang 2.1 fails on [a and b] where there are no nodes to test */
	assert(compat_find_xpath(reading_tree, text, &set) == LY_SUCCESS);
	assert(!set->count == !out.length);
	ly_set_free(set, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)input, size);
	_cleanup_(ds_filter_freep) struct ds_filter *filter = NULL;
	const struct lysc_node *schema;
	struct filter *target;

	reading_load(data);
	check(text);
	if (xpath_path(text, &filter, &target, &schema, NULL) == 0)
		assert(!schema == !target);
	return 0;
}
