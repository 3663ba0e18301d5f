/*
 * NETCONF messages: what is cut out of one stays well-formed XML, and so does the reply to it, whatever
 * it was.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "nc-hello.h"
#include "nc-reply.h"
#include "nc-rpc.h"
#include "nc-xpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_well_formed(const char *text, size_t size, bool is_fragment)
{
	struct xml xml;
	int event = XML_TEXT;

	if (is_fragment)
		xml_init_fragment(&xml, text, size);
	else
		xml_init(&xml, text, size);
	while (event >= 0 && event != XML_DONE)
		event = xml_next(&xml, NULL);
	return event == XML_DONE;
}

static void check_reply(const struct nc_rpc *rpc, const struct err *err)
{
	_cleanup_(buf_done) struct buf reply = { 0 };
	_cleanup_free_ struct nc_rpc *again = xmalloc(sizeof(*again));

	nc_reply_begin(&reply, rpc);
	nc_reply_error(&reply, err, true);
	(void)!buf_append_str(&reply, NC_REPLY_END);
	assert(xml_is_text(buf_bytes(&reply), reply.length));
	assert(is_well_formed(buf_bytes(&reply), reply.length, false));
}

static const char *any_module(const char *prefix, size_t size, bool *ret_declared, void *arg)
{
	*ret_declared = size & 1;
	return size & 1 ? "module" : NULL;
}

static void check_element(const struct nc_rpc *rpc, const struct nc_element *element)
{
	_cleanup_(buf_done) struct buf scratch = { 0 };
	_cleanup_free_ char *value = NULL, *xpath = NULL;
	struct xml_text text;

	if (nc_rpc_whole(rpc, element, &scratch, &text, NULL) == 0)
		assert(is_well_formed(text.at, text.size, false));
	if (nc_rpc_content(rpc, element, &scratch, &text, NULL) == 0)
		assert(is_well_formed(text.at, text.size, true));
	if (nc_rpc_value(rpc, element, &value, NULL) == 0)
		(void)!nc_xpath_resolve(value, any_module, NULL, &xpath, NULL);
	(void)nc_rpc_attribute(rpc, element, "select");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ struct nc_rpc *rpc = xmalloc(sizeof(*rpc));
	_cleanup_err_ struct err err = { 0 };
	const char *text = (const char *)data;
	bool is_base11;
	size_t i;
	int ret;

	(void)!nc_hello_parse(text, size, &is_base11, NULL);
	ret = nc_rpc_parse(rpc, text, size, &err);
	assert((ret < 0) == (err.code < 0));
	if (ret < 0)
		check_reply(rpc, &err);
	for (i = 0; ret == 0 && i < rpc->element_count; i++)
		check_element(rpc, &rpc->elements[i]);
	nc_rpc_parse_head(rpc, text, size);
	(void)err_set(&err, -5, "/a:b[c='d']", "%.*s", (int)(size < 100 ? size : 100), text);
	check_reply(rpc, &err);
	return 0;
}
