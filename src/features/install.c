/*
 * Upgrades (infix-system, ashlar-software): the RPC that installs one, and how far it is. The answer comes when
 * the upgrade is installed, or cannot be; whoever asked may have gone by then.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/credential.h"
#include "ashlar/feature.h"
#include "ashlar/installer.h"
#include "ashlar/software.h"
#include "ashlar/str.h"

#define AUTHORITIES_MAX ((size_t)4 << 20)
#define URL_MAX		2048

/* --- what is seen ------------------------------------------------------------------------------- */

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (str_equal(unit_schema->name, "installer") && software_now()->slot)
		add(arg, NULL);
}

static int show_progress(
	const struct installer_status *status, struct lyd_node *node, struct err *err)
{
	struct lyd_node *progress = NULL;
	int r = build_container(node, "progress", &progress, err);

	if (r == 0)
		r = build_u64(progress, "percentage", (uint64_t)status->percentage, err);
	return r < 0 ? r : build_leaf(progress, "message", status->message, err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct installer_status *status = installer_status();
	const struct err *failure = &status->error;
	int r;

	if (!str_equal(unit->schema->name, "installer"))
		return 0;
	r = build_leaf(node, "operation",
		!status->is_running	  ? "idle"
			: status->is_test ? "testing"
					  : "installing",
		err);

	if (r == 0 && status->slot)
		r = show_progress(status, node, err);
	if (r == 0)
		r = build_leaff(node, err, "last-error", "%s%s%s",
			failure->path ? failure->path : "", failure->path ? ": " : "",
			failure->code ? err_text(failure) : "");
	return r;
}

/* --- the RPC ------------------------------------------------------------------------------------ */

static int add_module(
	struct lyd_node *output, const struct installer_module *module, struct err *err)
{
	struct lyd_node *entry = NULL;
	int r = build_output_entry(output, "ashlar-software:module", module->name, &entry, err);

	if (r == 0 && module->old)
		r = build_leaf(entry, "old-revision", module->old, err);
	if (r == 0 && module->new)
		r = build_leaf(entry, "new-revision", module->new, err);
	return r;
}

static int add_number(struct lyd_node *output, const char *name, uint64_t value, struct err *err)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	return build_output(output, name, text, err);
}

static int answer(struct action_call *call, const struct installer_status *status, struct err *err)
{
	const struct installer_bundle *bundle = &status->bundle;
	struct lyd_node *output = call->output;
	int r = build_output(output, "ashlar-software:slot", status->slot, err);

	if (r == 0)
		r = build_output(output, "ashlar-software:version", bundle->version, err);
	if (r == 0)
		r = add_number(output, "ashlar-software:security-counter", bundle->security, err);
	if (r == 0)
		r = add_number(output, "ashlar-software:size", bundle->size, err);
	for (size_t i = 0; r == 0 && i < bundle->module_count; i++)
		r = add_module(output, &bundle->modules[i], err);
	return r;
}

/* @err is completed: what is wrong with the input has a path below the RPC. */
static void end(struct action_call *call, struct err *err)
{
	if (err->code && err->path)
		err_prefix(err, "/infix-system:install-bundle");
	call->done(call, err->code ? err : NULL);
}

static void on_done(const struct installer_status *status, void *arg)
{
	_cleanup_err_ struct err err = { 0 };

	if (status->error.code)
		err_copy(&err, &status->error);
	else
		(void)!answer(arg, status, &err);
	end(arg, &err);
}

static int check_url(const char *url, struct err *err)
{
	if (strlen(url) > URL_MAX)
		return err_set(err, -EINVAL, "url", "the URL has more than %d bytes", URL_MAX);
	for (const char *c = url; *c; c++) {
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			return err_set(
				err, -EINVAL, "url", "the URL has a character that no URL has");
	}
	if (!str_starts(url, "file:") && !str_starts(url, "https://") &&
		!str_starts(url, "http://") && !str_starts(url, "oci://"))
		return err_set(err, -EINVAL, "url",
			"the URL begins with none of file:, https://, http:// and oci://");
	return 0;
}

static void run_install(struct action_call *call)
{
	_cleanup_(buf_done) struct buf authorities = { 0 };
	_cleanup_err_ struct err err = { 0 };
	struct installer_order order = {
		.url = node_text(call->input, "url", ""),
		.who = call->user,
		.is_test = node_bool(call->input, "ashlar-software:test-only", false),
		.is_forced = node_bool(call->input, "ashlar-software:force", false),
		.confirm_s =
			(uint32_t)node_u64(call->input, "ashlar-software:confirm-timeout", 600),
		.persist_id = node_text(call->input, "ashlar-software:persist-id", NULL),
	};
	int r = check_url(order.url, &err);

	buf_init(&authorities, AUTHORITIES_MAX);
	if (r == 0)
		r = credential_authorities(&authorities, &err);
	if (r == 0) {
		order.authorities = authorities.length ? buf_bytes(&authorities) : NULL;
		r = installer_start(&order, on_done, call, &err);
	}
	if (r < 0)
		end(call, &err);
}

const struct feature feature_install = {
	.name = "install",
	.modules = (const struct feature_module[]){ { "infix-system", NULL },
		{ "ashlar-software", NULL }, { NULL, NULL } },
	/* What is to be checked of a trial is read when there is one: see health.c. */
	.roots =
		(const char *const[]){
			"/ietf-system:system/infix-system:software/ashlar-software:health",
			NULL,
		},
	.units = units,
	.show = show,
	.state_roots =
		(const char *const[]){
			"/ietf-system:system-state/infix-system:software/installer",
			NULL,
		},
	.silent =
		(const char *const[]){
			"/ietf-system:system-state/infix-system:software/installer",
			NULL,
		},
	.actions =
		(const struct feature_action[]){
			{ "/infix-system:install-bundle", run_install },
			{ NULL, NULL },
		},
};
