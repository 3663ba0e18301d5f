/* Subtree filters: whatever is taken as one, what it selects is well-formed. */
#include "reading.h"

static const char data[] =
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\",\"type\":"
	"\"iana-if-type:bridge\",\"enabled\":true,\"ietf-ip:ipv4\":{\"address\":[{\"ip\":\"192.0.2.1\","
	"\"prefix-length\":24}]},\"higher-layer-if\":[]},{\"name\":\"eth1\",\"type\":"
	"\"iana-if-type:other\"}]}}";

static bool is_well_formed(const char *text, size_t size)
{
	struct xml xml;
	int event = XML_TEXT;

	xml_init_fragment(&xml, text, size);
	while (event >= 0 && event != XML_DONE)
		event = xml_next(&xml, NULL);
	return event == XML_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	_cleanup_(ds_filter_freep) struct ds_filter *filter = NULL;
	_cleanup_(buf_done) struct buf out = { 0 };

	reading_load(data);
	if (ds_parse_filter((const char *)input, size, &filter, NULL) < 0)
		return 0;
	if (reading_walk(filter, &out) == 0)
		assert(is_well_formed(buf_bytes(&out), out.length));
	return 0;
}
