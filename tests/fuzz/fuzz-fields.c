/* The fields parameter: what is taken selects well-formed data below the interfaces. */
#include "reading.h"

#include "../../src/datastore/fields.h"

static const char data[] =
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\",\"type\":"
	"\"iana-if-type:bridge\",\"enabled\":true,\"ietf-ip:ipv4\":{\"address\":[{\"ip\":\"192.0.2.1\","
	"\"prefix-length\":24}]}}]}}";

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)input, size);
	_cleanup_(ds_filter_freep) struct ds_filter *filter = filter_new();
	_cleanup_(buf_done) struct buf out = { 0 };

	reading_load(data);
	if (fields_parse(text, filter, filter->root, NULL, NULL) < 0)
		return 0;
	assert(filter->root->has_outputs && !filter->root->has_tests);
	assert(reading_walk(filter, &out) == 0);
	return 0;
}
