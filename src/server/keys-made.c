/*
 * Keys that the device has made go into running, and into startup if that asks for the same key: or the
 * device would be another one to its clients after each boot. Both are edits as any other, by the daemon
 * itself. An entry that somebody has filled or removed meanwhile is left alone: the edit is refused if
 * running has changed since it was looked at, and made anew.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/credential.h"
#include "ashlar/datastore.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "keys-made.h"

#define RETRY_MS 1000

struct made {
	struct list node;
	char *name, *private_key, *public_key, *cert;
	bool is_symmetric;
	enum ds target;
	struct loop_timer *retry;
};

static struct list all = LIST_INIT(all);
static const struct ds_client self = {
	.user = "ashlard", .protocol = "internal", .is_recovery = true
};

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void made_free(struct made *made)
{
	list_remove(&made->node);
	ds_forget(made);
	loop_timer_free(made->retry);
	free(made->name);
	wipe(made->private_key);
	free(made->public_key);
	free(made->cert);
	free(made);
}

static const struct lyd_node *keystore_of(const struct lyd_node *tree)
{
	for (; tree; tree = tree->next)
		if (tree->schema && str_equal(tree->schema->name, "keystore"))
			return tree;
	return NULL;
}

static const struct lyd_node *entry_of(const struct made *made, const struct lyd_node *tree)
{
	const struct lyd_node *keystore = keystore_of(tree);

	return made->is_symmetric
		? node_entry(node_child(keystore, "symmetric-keys"), "symmetric-key", made->name)
		: node_entry(node_child(keystore, "asymmetric-keys"), "asymmetric-key", made->name);
}

/* The entry, if it still waits for the key. */
static const struct lyd_node *find_entry(const struct made *made, const struct lyd_node *tree)
{
	const struct lyd_node *entry = entry_of(made, tree);

	if (!entry)
		return NULL;
	if (made->is_symmetric)
		return !*node_text(entry, "cleartext-symmetric-key", "") &&
				!node_exists(entry, "encrypted-symmetric-key")
			? entry
			: NULL;
	if (node_exists(entry, "hidden-private-key"))
		return !made->private_key && !*node_text(entry, "public-key", "") ? entry : NULL;
	return made->private_key && !*node_text(entry, "cleartext-private-key", "") &&
			!node_exists(entry, "encrypted-private-key")
		? entry
		: NULL;
}

static int set(struct lyd_node *parent, const char *name, const char *value)
{
	if (!value)
		return 0;
	return lyd_new_term(parent, NULL, name, value, 0, NULL) == LY_SUCCESS ? 0 : -EINVAL;
}

/* A list entry by its name below @parent. */
static struct lyd_node *put_entry(struct lyd_node *parent, const char *list, const char *name)
{
	struct lyd_node *node = NULL;

	return lyd_new_list(parent, NULL, list, 0, &node, name) == LY_SUCCESS ? node : NULL;
}

static int put_certs(const struct made *made, const struct lyd_node *entry, struct lyd_node *parent)
{
	const struct lyd_node *given;
	struct lyd_node *certs = NULL, *cert;
	int r = 0;

	NODE_FOREACH (given, node_child(entry, "certificates"), "certificate") {
		if (*node_text(given, "cert-data", "") || !made->cert)
			continue;
		if (!certs && lyd_new_inner(parent, NULL, "certificates", 0, &certs) != LY_SUCCESS)
			return -EINVAL;
		cert = put_entry(certs, "certificate", node_text(given, "name", ""));
		r = cert ? set(cert, "cert-data", made->cert) : -EINVAL;
		if (r < 0)
			break;
	}
	return r;
}

static int put_key(const struct made *made, const struct lyd_node *given, struct lyd_node *entry)
{
	int r;

	if (made->is_symmetric)
		return set(entry, "cleartext-symmetric-key", made->private_key);
	r = set(entry, "public-key", made->public_key);
	if (r == 0)
		r = set(entry, "cleartext-private-key", made->private_key);
	return r < 0 ? r : put_certs(made, given, entry);
}

static struct lyd_node *make_edit(const struct made *made, const struct lyd_node *given)
{
	static const char *const formats[] = { "public-key-format", "private-key-format",
		"key-format" };
	const char *path = made->is_symmetric ? "/ietf-keystore:keystore/symmetric-keys"
					      : "/ietf-keystore:keystore/asymmetric-keys";
	struct lyd_node *top = NULL, *node = NULL, *entry;

	if (lyd_new_path(NULL, yang_ctx(), path, NULL, 0, &top) != LY_SUCCESS)
		return NULL;
	node = lyd_child(top);
	entry = put_entry(
		node, made->is_symmetric ? "symmetric-key" : "asymmetric-key", made->name);
	if (!entry || put_key(made, given, entry) < 0)
		goto failed;
	/* Startup may not say them. */
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		const struct lyd_node *told =
			node_child(entry_of(made, ds_tree(DS_RUNNING)), formats[i]);

		if (told &&
			lyd_dup_single(told, (struct lyd_node_inner *)entry, 0, NULL) != LY_SUCCESS)
			goto failed;
	}
	return top;
failed:
	lyd_free_all(top);
	return NULL;
}

static void done(const struct err *err, void *arg)
{
	struct made *made = arg;

	if (err) {
		if (err->code != -ESTALE)
			log_warning("keys",
				"the new key \"%s\" could not be stored, trying again: %s",
				made->name, err_text(err));
		loop_timer_start(made->retry, err->code == -ESTALE ? 0 : RETRY_MS);
		return;
	}
	if (made->target == DS_STARTUP) {
		made_free(made);
		return;
	}
	log_notice("keys", "event=key-made name=\"%s\"", made->name);
	made->target = DS_STARTUP;
	loop_timer_start(made->retry, 0);
}

static void put(void *arg)
{
	struct made *made = arg;
	_cleanup_(lyd_free_allp) struct lyd_node *startup = NULL;
	const struct lyd_node *tree = ds_tree(DS_RUNNING), *entry;
	struct ds_edit edit = { .target = made->target, .if_match = ds_generation(made->target) };

	if (made->target == DS_STARTUP) {
		/* Without a startup that can be read there is none that asks for the key. */
		(void)!ds_startup(&startup, NULL);
		tree = startup;
	}
	entry = find_entry(made, tree);
	if (entry) /* else somebody was faster */
		edit.tree = make_edit(made, entry);
	if (edit.tree)
		ds_edit(&self, &edit, done, made);
	else
		made_free(made);
}

static void on_made(const struct key_made *key, const struct err *err, void *arg)
{
	struct made *made;

	if (err) {
		log_warning("keys", "the key \"%s\" could not be made, trying again: %s", key->name,
			err_text(err));
		return;
	}
	made = XNEW(struct made);
	made->name = xstrdup(key->name);
	made->is_symmetric = key->is_symmetric;
	made->private_key = xstrdup(key->private_key);
	made->public_key = xstrdup(key->public_key);
	made->cert = xstrdup(key->cert);
	made->target = DS_RUNNING;
	made->retry = loop_timer_new("keys-made", put, made);
	list_append(&all, &made->node);
	put(made);
}

static bool is_used_in(const struct lyd_node *tree, const char *digest)
{
	const struct lyd_node *entry;

	NODE_FOREACH (entry, node_child(keystore_of(tree), "asymmetric-keys"), "asymmetric-key") {
		_cleanup_secret_ struct secret public = { 0 };
		_cleanup_free_ char *its = NULL;

		if (!node_exists(entry, "hidden-private-key") ||
			secret_decode(node_text(entry, "public-key", ""), KEY_SIZE_MAX, &public,
				NULL) < 0)
			continue;
		its = credential_digest(&public);
		if (str_equal(its, digest))
			return true;
	}
	return false;
}

struct sweep {
	struct lyd_node *startup;
	bool is_loaded, is_unknown;
};

static bool is_used(const char *digest, void *arg)
{
	struct sweep *sweep = arg;

	if (!sweep->is_loaded)
		sweep->is_unknown = ds_startup(&sweep->startup, NULL) < 0;
	sweep->is_loaded = true;
	/* A startup that cannot be read may have it. */
	return sweep->is_unknown || is_used_in(ds_tree(DS_RUNNING), digest) ||
		is_used_in(sweep->startup, digest);
}

void keys_made_start(void)
{
	struct sweep sweep = { 0 };

	credential_sweep(is_used, &sweep);
	lyd_free_all(sweep.startup);
	key_order_on_made(on_made, NULL);
}

void keys_made_stop(void)
{
	struct made *made, *tmp;

	key_order_on_made(NULL, NULL);
	LIST_FOREACH_SAFE (made, tmp, &all, node)
		made_free(made);
}
