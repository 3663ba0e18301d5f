/*
 * The system (RFC 7317): who looks after it and where it is, its name, its users, its clock.
 *
 * Users live in the configuration only: the servers look them up there. A password given in clear text
 * ($0$) is kept as its hash. The name waits while the machine is not the daemon's own; what is
 * shown is the one that it has.
 */
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "ashlar/clock.h"
#include "ashlar/datastore.h"
#include "ashlar/feature.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#define CLEAR_TEXT   "$0$"
#define HASH_PREFIX  "$6$" /* SHA-512: a few milliseconds, and every crypt(3) knows it */
#define PASSWORD_MAX 256   /* bytes */

static bool is_named(const struct lysc_node *schema, const char *name)
{
	return str_equal(schema->name, name);
}

/* --- fill and check ----------------------------------------------------------------------------- */

static int hash_password(struct edit *edit, const struct lyd_node *leaf, struct err *err)
{
	const char *clear = node_value(leaf) + strlen(CLEAR_TEXT);
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data;
	const char *hash;
	int r;

	if (strlen(clear) > PASSWORD_MAX)
		return err_set(
			err, -EINVAL, "password", "a password has at most %d bytes", PASSWORD_MAX);
	if (!crypt_gensalt_rn(HASH_PREFIX, 0, NULL, 0, salt, sizeof(salt)))
		return err_set(
			err, -errno, "password", "no salt for the hash: %s", strerror(errno));
	data = XNEW(struct crypt_data);
	hash = crypt_r(clear, salt, data);
	if (hash && *hash != '*')
		r = edit_rewrite(edit, leaf, hash, err);
	else
		r = err_set(err, -EINVAL, "password", "the password cannot be hashed");
	explicit_bzero(data, sizeof(*data));
	free(data);
	return r;
}

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	const struct lyd_node *password = node_child(unit->node, "password");

	if (!password || !str_starts(node_value(password), CLEAR_TEXT))
		return 0;
	return hash_password(edit, password, err);
}

static int check(const struct unit *unit, struct err *err)
{
	const char *name = node_text(unit->node, "hostname", NULL);

	if (!is_named(unit->schema, "system") || !name)
		return 0;
	if (strlen(name) >= HOSTNAME_MAX)
		return err_set(err, -EINVAL, "hostname", "a host name has at most %d bytes",
			HOSTNAME_MAX - 1);
	if (strchr(name, '%'))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "hostname",
			"%%i, %%h and %%m in host names are not supported by this device");
	return 0;
}

/* --- want -------------------------------------------------------------------------------------- */

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const char *name = node_text(unit->node, "hostname", NULL);
	struct hostname *hostname;

	if (!is_named(unit->schema, "system") || !name)
		return 0;
	hostname = want_object(want, &object_kind_hostname, HOSTNAME_KEY, "hostname");
	want_needs(hostname, &object_kind_machine, MACHINE_KEY);
	if (str_copy(hostname->name, sizeof(hostname->name), name) < 0)
		return err_set(err, -EINVAL, "hostname", "too long");
	return 0;
}

/* --- show -------------------------------------------------------------------------------------- */

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (is_named(unit_schema, "system") || is_named(unit_schema, "system-state"))
		add(arg, NULL);
}

static int show_platform(struct lyd_node *node, struct err *err)
{
	struct lyd_node *platform = NULL;
	struct utsname name;
	int r = build_container(node, "platform", &platform, err);

	if (r < 0 || uname(&name) < 0)
		return r;
	r = build_leaf(platform, "os-name", name.sysname, err);
	if (r == 0)
		r = build_leaf(platform, "os-release", name.release, err);
	if (r == 0)
		r = build_leaf(platform, "os-version", name.version, err);
	return r < 0 ? r : build_leaf(platform, "machine", name.machine, err);
}

static int show_clock(struct lyd_node *node, struct err *err)
{
	struct lyd_node *to = NULL;
	char text[CLOCK_TEXT_MAX];
	struct timespec since;
	int r = build_container(node, "clock", &to, err);

	if (r < 0)
		return r;
	clock_text(text, time(NULL));
	r = build_leaf(to, "current-datetime", text, err);
	if (r < 0 || clock_gettime(CLOCK_BOOTTIME, &since) < 0)
		return r;
	clock_text(text, time(NULL) - since.tv_sec);
	return build_leaf(to, "boot-datetime", text, err);
}

static int show_name(const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct hostname *hostname = have_get(have, &object_kind_hostname, HOSTNAME_KEY);

	return hostname && *hostname->name ? build_leaf(node, "hostname", hostname->name, err) : 0;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	int r;

	if (is_named(unit->schema, "system"))
		return show_name(have, node, err);
	if (!is_named(unit->schema, "system-state"))
		return 0;
	r = show_platform(node, err);
	return r < 0 ? r : show_clock(node, err);
}

/* --- actions ------------------------------------------------------------------------------------ */

/* "25" → 250000000: what follows the seconds' point. */
static long nanoseconds(const char *fraction)
{
	long value = 0;

	for (long unit = 100000000; unit && fraction && *fraction; unit /= 10)
		value += (*fraction++ - '0') * unit;
	return value;
}

static void run_set_datetime(struct action_call *call)
{
	_cleanup_err_ struct err err = { 0 };
	_cleanup_free_ char *fraction = NULL;
	time_t seconds;
	int r;

	if (ly_time_str2time(node_text(call->input, "current-datetime", ""), &seconds, &fraction) !=
		LY_SUCCESS)
		r = err_set(&err, -EINVAL, "current-datetime", "this is no date and time");
	else
		r = zone_set_clock(seconds, nanoseconds(fraction), &err);
	call->done(call, r < 0 ? &err : NULL);
}

static void run_power(struct action_call *call, enum power act)
{
	_cleanup_free_ char *why = xasprintf("asked for by %s", call->user);
	_cleanup_err_ struct err err = { 0 };
	int r = power_end(act, why, &err);

	call->done(call, r < 0 ? &err : NULL);
}

static void run_restart(struct action_call *call)
{
	run_power(call, POWER_RESTART);
}

static void run_shutdown(struct action_call *call)
{
	run_power(call, POWER_OFF);
}

static const char *const system_features[] = { "authentication", "local-users", NULL };
static const char *const hash_features[] = { "crypt-hash-md5", "crypt-hash-sha-256",
	"crypt-hash-sha-512", NULL };

const struct feature feature_system = {
	.name = "system",
	.modules =
		(const struct feature_module[]){
			{ "ietf-system", system_features },
			{ "iana-crypt-hash", hash_features },
			{ "infix-system", NULL },
			{ NULL, NULL },
		},
	.roots =
		(const char *const[]){
			"/ietf-system:system/contact",
			"/ietf-system:system/hostname",
			"/ietf-system:system/location",
			"/ietf-system:system/authentication/user-authentication-order",
			"/ietf-system:system/authentication/user",
			NULL,
		},
	.except =
		(const char *const[]){
			"/ietf-system:system/authentication/user/infix-system:shell",
			NULL,
		},
	.state_roots =
		(const char *const[]){
			"/ietf-system:system-state",
			NULL,
		},
	.fill = fill,
	.check = check,
	.want = want,
	.units = units,
	.show = show,
	.refreshes = (const struct object_kind *const[]){ &object_kind_hostname, NULL },
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_hostname, "/ietf-system:system", NULL },
			{ NULL, NULL, NULL },
		},
	.silent = (const char *const[]){ "/ietf-system:system-state", NULL },
	.actions =
		(const struct feature_action[]){
			{ "/ietf-system:set-current-datetime", run_set_datetime },
			{ "/ietf-system:system-restart", run_restart },
			{ "/ietf-system:system-shutdown", run_shutdown },
			{ NULL, NULL },
		},
};
