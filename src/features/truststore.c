/* The truststore (RFC 9641): what is in its bags is what it says, and who uses a bag finds it as an object. */
#include <errno.h>

#include "ashlar/cert.h"
#include "ashlar/str.h"

#include "key-pair.h"
#include "trust.h"

static bool is_of_certificates(const struct unit *unit)
{
	return str_equal(unit->schema->name, "certificate-bag");
}

static int check_public(const struct lyd_node *node, struct err *err)
{
	enum key_public_format format =
		key_public_format_by_name(node_identity(node, "public-key-format"));
	_cleanup_secret_ struct secret public = { 0 };
	int r = key_pair_bytes(node, "public-key", KEY_SIZE_MAX, &public, err);

	return r < 0 ? r : key_parse_public(format, &public, err);
}

static int check(const struct unit *unit, struct err *err)
{
	const struct lyd_node *node;

	NODE_FOREACH (node, unit->node, "public-key") {
		_cleanup_free_ char *at =
			xasprintf("public-key[name='%s']", node_text(node, "name", ""));
		int r = check_public(node, err);

		if (r < 0) {
			err_prefix(err, at);
			return r;
		}
	}
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const char *name = node_text(unit->node, "name", "");

	if (!is_of_certificates(unit))
		return 0;
	return trust_read(unit->node, want_object(want, &object_kind_trust, name, ""), err);
}

const struct feature feature_truststore = {
	.name = "truststore",
	.modules =
		(const struct feature_module[]){
			{ "ietf-truststore",
				(const char *const[]){ "central-truststore-supported",
					"inline-definitions-supported", "certificates",
					"public-keys", NULL } },
			{ NULL, NULL },
		},
	.roots =
		(const char *const[]){
			"/ietf-truststore:truststore/certificate-bags/certificate-bag",
			"/ietf-truststore:truststore/public-key-bags/public-key-bag",
			NULL,
		},
	.check = check,
	.want = want,
};
