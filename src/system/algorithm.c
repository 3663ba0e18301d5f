#include "ashlar/algorithm.h"
#include "ashlar/buf.h"
#include "ashlar/crypto-compat.h"
#include "ashlar/str.h"

static const char *const host_keys[] = { "ssh-ed25519", "ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256", NULL };
/* Not diffie-hellman: group 18 takes 0.1 s of processor. */
static const char *const exchanges[] = { "curve25519-sha256", "curve25519-sha256@libssh.org",
	"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", NULL };
static const char *const ciphers[] = { "aes128-gcm@openssh.com", "aes256-gcm@openssh.com",
	"chacha20-poly1305@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr", NULL };
static const char *const macs[] = { "hmac-sha2-256-etm@openssh.com",
	"hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", NULL };
static const char *const suites[] = {
#if CRYPTO_COMPAT_HAS_TLS13
	"TLS_AES_128_GCM_SHA256",
	"TLS_AES_256_GCM_SHA384",
	"TLS_CHACHA20_POLY1305_SHA256",
#endif
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	NULL,
};

const char *const *const algorithm_supported[ALGORITHM_USES] = {
	[ALGORITHM_HOST_KEY] = host_keys,
	[ALGORITHM_KEX] = exchanges,
	[ALGORITHM_CIPHER] = ciphers,
	[ALGORITHM_MAC] = macs,
	[ALGORITHM_SUITE] = suites,
};

bool algorithm_is_supported(enum algorithm_use use, const char *name)
{
	for (const char *const *at = algorithm_supported[use]; *at; at++)
		if (str_equal(*at, name))
			return true;
	return false;
}

char *algorithm_list(enum algorithm_use use)
{
	_cleanup_(buf_done) struct buf text = { 0 };

	for (const char *const *at = algorithm_supported[use]; *at; at++)
		(void)!buf_printf(&text, "%s%s", text.length ? "," : "", *at); /* no ceiling */
	return buf_take(&text);
}
