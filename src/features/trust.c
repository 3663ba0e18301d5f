#include <errno.h>

#include "ashlar/cert.h"

#include "key-pair.h"
#include "trust.h"

static int read_one(const struct lyd_node *cert, char **ret_pem, struct err *err)
{
	_cleanup_secret_ struct secret data = { 0 };
	int r = key_pair_bytes(cert, "cert-data", CERT_SIZE_MAX, &data, err);

	return r < 0 ? r : cert_read(&data, NULL, ret_pem, err);
}

int trust_read(const struct lyd_node *node, struct credential *credential, struct err *err)
{
	const struct lyd_node *cert;

	NODE_FOREACH (cert, node, "certificate") {
		const char *name = node_text(cert, "name", "");
		char *pem = NULL;
		int r = read_one(cert, &pem, err);

		if (r < 0) {
			_cleanup_free_ char *at = xasprintf("certificate[name='%s']", name);

			err_prefix(err, at);
			return r;
		}
		credential_add_cert(credential, xstrdup(name), pem);
	}
	return 0;
}
