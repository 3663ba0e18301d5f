/*
 * libyang reads data and operations, but not what RESTCONF puts around them: the envelope is taken off
 * the text. Only as much of it is read as that needs; what is inside is libyang's to judge.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/json.h"
#include "ashlar/xml.h"

#include "rc-body.h"

static void put(struct buf *out, const char *text, size_t size)
{
	(void)!buf_append(out, text, size); /* no ceiling: as long as the body */
}

static int malformed(struct err *err, const char *what)
{
	err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "%s", what);
	return -EBADMSG;
}

static int wrong_envelope(struct err *err, const struct rc_envelope *envelope)
{
	return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL, "the body is not one \"%s:%s\"",
		envelope->module, envelope->name);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static int unwrap_json(
	const char *text, const struct rc_envelope *envelope, struct buf *out, struct err *err)
{
	const char *at = json_blanks(text), *name, *end;
	size_t module = strlen(envelope->module), local = strlen(envelope->name);

	if (*at != '{')
		return malformed(err, "the body is no JSON object");
	name = json_blanks(at + 1);
	end = *name == '"' ? json_string_end(name) : NULL;
	if (!end || (size_t)(end - name) != module + local + 3 ||
		strncmp(name + 1, envelope->module, module) != 0 || name[1 + module] != ':' ||
		strncmp(name + 2 + module, envelope->name, local) != 0)
		return wrong_envelope(err, envelope);
	at = json_blanks(end);
	if (*at != ':')
		return malformed(err, "a name in the body has no value");
	at = json_blanks(at + 1);
	if (*at != '{')
		return wrong_envelope(err, envelope);
	end = json_value(at);
	if (!end)
		return malformed(err, "the body ends too early, or is too deep");
	put(out, at, (size_t)(end - at));
	at = json_blanks(end);
	if (*at != '}')
		return wrong_envelope(err, envelope);
	return *json_blanks(at + 1) ? malformed(err, "something follows the body") : 0;
}

/* --- XML -------------------------------------------------------------------------------------- */

/* Declarations on the envelope. */
struct declarations {
	struct xml_attribute list[XML_ATTRIBUTES_MAX];
	size_t count;
};

static bool is_declaration(const struct xml_attribute *attribute)
{
	return xml_text_is(attribute->prefix, "xmlns") ||
		(!attribute->prefix.size && xml_text_is(attribute->name, "xmlns"));
}

static bool declares_same(const struct xml_attribute *a, const struct xml_attribute *b)
{
	return xml_text_equal(a->prefix, b->prefix) && xml_text_equal(a->name, b->name);
}

static bool is_envelope(const struct xml *xml, const struct rc_envelope *envelope)
{
	size_t i;

	if (!xml_text_is(xml->name, envelope->name))
		return false;
	for (i = 0; i < xml->attribute_count; i++) {
		const struct xml_attribute *attribute = &xml->attributes[i];
		bool is_mine = is_declaration(attribute) &&
			(xml->prefix.size ? attribute->prefix.size &&
						xml_text_equal(attribute->name, xml->prefix)
					  : !attribute->prefix.size);

		if (is_mine)
			return xml_text_is(attribute->value, envelope->ns);
	}
	return false;
}

static void keep_declarations(const struct xml *xml, struct declarations *outer)
{
	size_t i;

	for (i = 0; i < xml->attribute_count; i++)
		if (is_declaration(&xml->attributes[i]))
			outer->list[outer->count++] = xml->attributes[i];
}

/* Those of the envelope that the element does not have itself. */
static void put_declarations(
	const struct xml *xml, const struct declarations *outer, struct buf *out)
{
	size_t i, k;

	for (i = 0; i < outer->count; i++) {
		for (k = 0; k < xml->attribute_count; k++)
			if (declares_same(&xml->attributes[k], &outer->list[i]))
				break;
		if (k < xml->attribute_count)
			continue;
		put(out, " ", 1);
		put(out, outer->list[i].raw.at, outer->list[i].raw.size);
	}
}

/* Copies the content of the envelope that has just begun, declarations added to its elements. */
static int copy_content(
	struct xml *xml, const struct declarations *outer, struct buf *out, struct err *err)
{
	const char *copied = xml->at;
	int event;

	while ((event = xml_next(xml, err)) >= 0 && event != XML_DONE) {
		if (event == XML_TEXT && xml->depth == 1 &&
			(xml->is_cdata || !xml_text_is_blank(xml->text)))
			return malformed(err, "text stands where elements belong");
		if (event == XML_START && xml->depth == 2) {
			const char *end = xml->name.at + xml->name.size;

			put(out, copied, (size_t)(end - copied));
			put_declarations(xml, outer, out);
			copied = end;
		}
		if (event == XML_END && xml->depth == 0 && xml->token > copied)
			put(out, copied, (size_t)(xml->token - copied));
	}
	return event < 0 ? event : 0;
}

static int unwrap_xml(const struct buf *body, const struct rc_envelope *envelope, struct buf *out,
	struct err *err)
{
	struct declarations outer = { .count = 0 };
	struct xml xml;
	int event;

	if (!xml_is_text(buf_bytes(body), body->length))
		return malformed(err, "the body is no UTF-8 text");
	xml_init(&xml, buf_bytes(body), body->length);
	do
		event = xml_next(&xml, err);
	while (event == XML_TEXT);
	if (event < 0)
		return event;
	if (event != XML_START || !is_envelope(&xml, envelope)) {
		int ret = rc_body_check(body, FORMAT_XML, err);

		return ret < 0 ? ret : wrong_envelope(err, envelope);
	}
	keep_declarations(&xml, &outer);
	return copy_content(&xml, &outer, out, err);
}

/* ---------------------------------------------------------------------------------------------- */

int rc_body_check(const struct buf *body, enum format format, struct err *err)
{
	struct xml xml;
	int event;

	if (format != FORMAT_XML)
		return 0;
	if (!xml_is_text(buf_bytes(body), body->length))
		return malformed(err, "the body is no UTF-8 text");
	xml_init(&xml, buf_bytes(body), body->length);
	do
		event = xml_next(&xml, err);
	while (event >= 0 && event != XML_DONE);
	return event < 0 ? event : 0;
}

int rc_body_unwrap(const struct buf *body, enum format format, const struct rc_envelope *envelope,
	struct buf *out, struct err *err)
{
	if (memchr(buf_bytes(body), '\0', body->length))
		return malformed(err, "NUL character in the text");
	return format == FORMAT_JSON ? unwrap_json(buf_bytes(body), envelope, out, err)
				     : unwrap_xml(body, envelope, out, err);
}

int rc_body_operation(const struct buf *body, enum format format, const struct lysc_node *operation,
	struct buf *out, struct err *err)
{
	const struct lys_module *module = operation->module;
	const struct rc_envelope input = { module->name, module->ns, "input" };
	bool is_json = format == FORMAT_JSON;
	int ret;

	if (is_json)
		ret = buf_printf(out, "{\"%s:%s\":", module->name, operation->name);
	else
		ret = buf_printf(out, "<%s xmlns=\"%s\">", operation->name, module->ns);
	if (ret == 0 && body->length)
		ret = rc_body_unwrap(body, format, &input, out, err);
	else if (ret == 0 && is_json)
		ret = buf_append_str(out, "{}");
	if (ret < 0)
		return ret;
	return is_json ? buf_append_str(out, "}") : buf_printf(out, "</%s>", operation->name);
}
