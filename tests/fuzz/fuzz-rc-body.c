/* RESTCONF's envelopes: the first byte chooses the format; what is inside can be unwrapped again. */
#include <assert.h>
#include <stdint.h>

#include "rc-body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rc_envelope envelope = { "m", "urn:m", "data" };
	_cleanup_(buf_done) struct buf body = { 0 }, inside = { 0 }, again = { 0 };
	enum format format = size && data[0] & 1 ? FORMAT_JSON : FORMAT_XML;

	if (!size || buf_append(&body, data + 1, size - 1) < 0)
		return 0;
	if (rc_body_unwrap(&body, format, &envelope, &inside, NULL) < 0)
		return 0;
	assert(format == FORMAT_XML || buf_bytes(&inside)[0] == '{');
	buf_clear(&body);
	assert(buf_printf(&body,
		       format == FORMAT_XML ? "<data xmlns=\"urn:m\">%s</data>" : "{\"m:data\":%s}",
		       buf_bytes(&inside)) == 0);
	assert(rc_body_unwrap(&body, format, &envelope, &again, NULL) == 0);
	assert(format == FORMAT_XML || again.length == inside.length);
	return 0;
}
