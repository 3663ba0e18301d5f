/*
 * Conveyed information (RFC 8572 section 3.1): onboarding information in JSON, inside of CMS, signed or not. What begins
 * like a JSON text is the configuration itself. Whoever is not sure where it comes from takes it signed alone
 * (section 5.4, table in 5.2): then it does not matter how it came.
 *
 * What we could not do as the sender wants is refused as a whole: scripts, another image than the one that runs,
 * redirections.
 */
#include <errno.h>
#include <jansson.h>
#include <mbedtls/base64.h>
#include <string.h>

#include "ashlar/str.h"

#include "conveyed.h"
#include "signed-data.h"

#define MODULE "ietf-sztp-conveyed-info:"

/* 1.2.840.113549.1.9.16.1: id-ct; 42 is conveyed information in XML, 43 in JSON (RFC 8572 section 10.5). */
static const unsigned char oid_conveyed[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10,
	0x01 };
#define ARC_XML	 42
#define ARC_JSON 43

static int bad(struct err *err, const char *why)
{
	return err_set(err, -EBADMSG, NULL, "the conveyed information %s", why);
}

static int check_type(const struct signed_part *type, struct err *err)
{
	if (type->size != sizeof(oid_conveyed) + 1 ||
		memcmp(type->at, oid_conveyed, sizeof(oid_conveyed)) != 0)
		return err_set(err, -EBADMSG, NULL,
			"it holds no conveyed information (RFC 8572), but something else");
	if (type->at[sizeof(oid_conveyed)] == ARC_XML)
		return bad(err, "is XML: only JSON is understood");
	return type->at[sizeof(oid_conveyed)] == ARC_JSON ? 0 : bad(err, "is of no known type");
}

static int check_image(const json_t *onboarding, const char *version, struct err *err)
{
	const json_t *image = json_object_get(onboarding, "boot-image");
	const char *wanted = json_string_value(json_object_get(image, "os-version"));

	if (image && (!wanted || !str_equal(wanted, version)))
		return err_set(err, -EBADMSG, NULL,
			"the conveyed information is for version \"%.64s\" of the software, and this is \"%s\"",
			wanted ? wanted : "", version ? version : "");
	return 0;
}

static int take_config(
	const json_t *onboarding, struct buf *config, bool *ret_is_merge, struct err *err)
{
	const char *handling =
		json_string_value(json_object_get(onboarding, "configuration-handling"));
	const json_t *text = json_object_get(onboarding, "configuration");
	_cleanup_free_ unsigned char *bytes = NULL;
	size_t length = json_string_length(text), size;

	if (!text || !length)
		return bad(err, "has no configuration");
	if (!str_equal(handling, "merge") && !str_equal(handling, "replace"))
		return bad(err, "does not say \"merge\" or \"replace\" as configuration-handling");
	bytes = xcalloc(1, length + 1);
	if (mbedtls_base64_decode(bytes, length, &size,
		    (const unsigned char *)json_string_value(text), length) != 0)
		return bad(err, "has a configuration that is not in base64");
	(void)!buf_append(config, bytes, size); /* no ceiling: the message has one */
	*ret_is_merge = str_equal(handling, "merge");
	return 0;
}

static int open_onboarding(const json_t *root, const char *version, struct buf *config,
	bool *ret_is_merge, struct err *err)
{
	const json_t *onboarding = json_object_get(root, MODULE "onboarding-information");
	int r;

	if (json_object_get(root, MODULE "redirect-information"))
		return bad(err, "names other servers: they are not asked");
	if (!json_is_object(onboarding) || json_object_size(root) != 1)
		return bad(err, "is no onboarding-information");
	if (json_object_get(onboarding, "pre-configuration-script") ||
		json_object_get(onboarding, "post-configuration-script"))
		return bad(err, "has a script: none is run here");
	r = check_image(onboarding, version, err);
	return r < 0 ? r : take_config(onboarding, config, ret_is_merge, err);
}

static int open_message(const void *bytes, size_t size, const struct conveyed_rules *rules,
	struct buf *config, bool *ret_is_merge, struct err *err)
{
	struct signed_data data;
	json_error_t error;
	json_t *root;
	int r = signed_data_open(bytes, size, rules->anchors, &data, err);

	if (r == 0)
		r = check_type(&data.type, err);
	if (r == 0 && !data.is_signed && !rules->is_authentic)
		r = err_set(err, -EPERM, NULL,
			"it is not signed, and came in a way that anybody can change: use https or sign it");
	if (r < 0)
		return r;
	root = json_loadb(
		(const char *)data.content.at, data.content.size, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return err_set(err, -EBADMSG, NULL, "the conveyed information is not JSON: %s",
			error.text);
	r = open_onboarding(root, rules->version, config, ret_is_merge, err);
	json_decref(root);
	return r;
}

int conveyed_open(const void *bytes, size_t size, const struct conveyed_rules *rules,
	struct buf *ret_config, bool *ret_is_merge, struct err *err)
{
	const char *text = bytes;
	size_t blanks = 0;

	while (blanks < size && strchr(" \t\r\n", text[blanks]) && text[blanks])
		blanks++;
	if (blanks == size)
		return err_set(err, -ENODATA, NULL, "it is empty");
	if (text[blanks] != '{')
		return open_message(bytes, size, rules, ret_config, ret_is_merge, err);
	if (!rules->is_authentic)
		return err_set(err, -EPERM, NULL,
			"it is not signed, and came in a way that anybody can change: use https or sign it");
	(void)!buf_append(ret_config, bytes, size); /* no ceiling */
	*ret_is_merge = false;
	return 0;
}
