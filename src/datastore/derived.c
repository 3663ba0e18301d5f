/* Anything that is not exactly of these forms is left to XPath. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <libyang/plugins_types.h>

#include "ashlar/str.h"

#include "constraints.h"
#include "derived.h"

#define IDENTITIES_MAX 8

struct derived {
	const struct lysc_node *leaf;
	unsigned levels;
	bool is_negated;
	const struct lysc_ident *identities[IDENTITIES_MAX];
	size_t count;
};

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == ':';
}

static const char *skip_blanks(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

/* Behind @word and blanks; NULL: it is not there. */
static const char *skip_word(const char *at, const char *word)
{
	return at && str_starts(at, word) ? skip_blanks(at + strlen(word)) : NULL;
}

/* Module of a name with or without prefix; *name is then at its local part. */
static const struct lys_module *module_of(
	const struct constraint *constraint, const char **name, const char *end)
{
	const char *colon = memchr(*name, ':', (size_t)(end - *name)), *prefix = *name;
	LY_ARRAY_COUNT_TYPE u;

	if (!colon)
		return constraint->on->module;
	*name = colon + 1;
	LY_ARRAY_FOR(constraint->prefixes, u)
	{
		const char *known = constraint->prefixes[u].prefix;

		if (known && strlen(known) == (size_t)(colon - prefix) &&
			!strncmp(known, prefix, (size_t)(colon - prefix)))
			return constraint->prefixes[u].mod;
	}
	return NULL;
}

/* The path of the leaf; the same as that of the terms before. */
static const char *read_leaf(
	struct derived *derived, const struct constraint *constraint, const char *at)
{
	const struct lysc_node *parent = constraint->context, *leaf;
	const struct lys_module *module;
	unsigned levels = 0;
	const char *end;

	for (; parent && str_starts(at, "../"); at += 3, levels++)
		parent = schema_data_parent(parent);
	for (end = at; is_name_char(*end); end++)
		;
	module = module_of(constraint, &at, end);
	leaf = parent && module && end > at
		? lys_find_child(parent, module, at, (size_t)(end - at), LYS_LEAF, 0)
		: NULL;
	if (!leaf || (derived->leaf && (leaf != derived->leaf || levels != derived->levels)))
		return NULL;
	derived->leaf = leaf;
	derived->levels = levels;
	return skip_blanks(end);
}

static const char *read_identity(
	struct derived *derived, const struct constraint *constraint, const char *at)
{
	const char *end = *at == '\'' || *at == '"' ? strchr(at + 1, *at) : NULL;
	const char *name = at + 1;
	const struct lys_module *module = end ? module_of(constraint, &name, end) : NULL;
	LY_ARRAY_COUNT_TYPE u;

	if (!module || derived->count == IDENTITIES_MAX)
		return NULL;
	LY_ARRAY_FOR(module->identities, u)
	{
		const struct lysc_ident *identity = &module->identities[u];

		if (strlen(identity->name) == (size_t)(end - name) &&
			!strncmp(identity->name, name, (size_t)(end - name))) {
			derived->identities[derived->count++] = identity;
			return skip_blanks(end + 1);
		}
	}
	return NULL;
}

/* One derived-from-or-self(…); behind it, or NULL. */
static const char *read_term(
	struct derived *derived, const struct constraint *constraint, const char *at)
{
	at = skip_word(at, "derived-from-or-self(");
	at = at ? read_leaf(derived, constraint, at) : NULL;
	at = skip_word(at, ",");
	at = at ? read_identity(derived, constraint, at) : NULL;
	return skip_word(at, ")");
}

struct derived *derived_new(const struct constraint *constraint)
{
	const char *at = skip_blanks(lyxp_get_expr(constraint->expr));
	const char *inner = skip_word(at, "not("), *more;
	struct derived found = { .is_negated = inner };

	if (!constraint->context)
		return NULL;
	at = read_term(&found, constraint, inner ? inner : at);
	while ((more = skip_word(at, "or ")))
		at = read_term(&found, constraint, more);
	if (inner)
		at = skip_word(at, ")");
	return at && !*at ? xmemdup(&found, sizeof(found)) : NULL;
}

void derived_free(struct derived *derived)
{
	free(derived);
}

unsigned derived_levels(const struct derived *derived)
{
	return derived->levels;
}

int derived_holds(const struct derived *derived, const struct lyd_node *parent)
{
	struct lyd_node *leaf = NULL;
	const struct lyd_value *value;

	if (lyd_child(parent))
		(void)lyd_find_sibling_val(lyd_child(parent), derived->leaf, NULL, 0, &leaf);
	if (!leaf)
		return derived->is_negated;
	value = &((const struct lyd_node_term *)leaf)->value;
	if (value->realtype->basetype != LY_TYPE_IDENT)
		return -ENOTSUP;
	for (size_t i = 0; i < derived->count; i++) {
		if (value->ident == derived->identities[i] ||
			lyplg_type_identity_isderived(derived->identities[i], value->ident) ==
				LY_SUCCESS)
			return !derived->is_negated;
	}
	return derived->is_negated;
}
