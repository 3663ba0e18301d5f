/*
 * Access control (RFC 8341 section 3.4). A rule set is read from the configuration once; a user's access
 * holds the rules of the lists that name one of the user's groups, in order, and the verdicts reached so
 * far by schema node. A rule path without predicates is decided by the schema alone; with predicates, the
 * instance decides, unless all rules that could apply agree.
 *
 * Both are counted by reference: a request that began under old rules ends under them.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "ashlar/map.h"
#include "ashlar/str.h"

#include "access.h"

#define USERS_MAX 64 /* users remembered at once; beyond, all are forgotten and asked again */

enum rule_type {
	RULE_ANY, /* no rule-type: data, operations and notifications of the module */
	RULE_RPC,
	RULE_NOTIFICATION,
	RULE_DATA,
};

struct predicate {
	const struct lysc_node *list; /* list or leaf-list */
	const char *key;	      /* NULL: the leaf-list's value */
	const char *value;
};

struct rule {
	enum rule_type type;
	const char *module;		/* NULL: all */
	const char *name;		/* of RPC or notification; NULL: all */
	const struct lysc_node *target; /* RULE_DATA; NULL: all ("/") */
	struct predicate *predicates;
	size_t predicate_count, predicate_room;
	bool is_vague; /* has a predicate that names no key: a refusal covers all, a permission none */
	bool is_void; /* its path is not in the schema */
	unsigned ops; /* bits of enum access_op */
	bool is_permit;
};

struct rule_list {
	const char **groups; /* "*": all */
	size_t group_count;
	struct rule *rules;
	size_t rule_count;
};

struct group {
	const char *name;
	const char **users;
	size_t user_count;
};

struct rule_set {
	unsigned refs;
	struct arena *arena; /* of all below */
	bool is_enabled;
	bool defaults[ACCESS_OPS]; /* permitted when no rule says anything */
	struct group *groups;
	size_t group_count;
	struct rule_list *lists;
	size_t list_count;
};

struct decision {
	const struct lysc_node *schema;
	uint8_t at[ACCESS_OPS], below[ACCESS_OPS]; /* enum access_verdict */
};

struct access {
	unsigned refs;
	char *user;
	struct rule_set *set;
	const struct rule **rules;
	size_t rule_count;
	bool all[ACCESS_OPS];
	struct arena *arena;  /* of the decisions */
	struct map decisions; /* const struct lysc_node * → struct decision * */
};

static struct {
	struct rule_set *set;
	struct map users; /* name → struct access * */
	struct ds_denied denied;
} state;

/* --- rules ------------------------------------------------------------------------------------ */

static void set_unref(struct rule_set *set)
{
	if (set && --set->refs == 0) {
		arena_free(set->arena);
		free(set);
	}
}

static size_t count_of(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *node;
	size_t count = 0;

	NODE_FOREACH (node, parent, name)
		count++;
	return count;
}

/* The values of a leaf-list. */
static const char **read_items(
	struct arena *arena, const struct lyd_node *parent, const char *name, size_t *ret_count)
{
	const char **items = arena_alloc(arena, (count_of(parent, name) + 1) * sizeof(*items));
	const struct lyd_node *node;
	size_t count = 0;

	NODE_FOREACH (node, parent, name)
		items[count++] = arena_strdup(arena, node_value(node));
	*ret_count = count;
	return items;
}

static unsigned read_ops(const char *text)
{
	static const char *const names[ACCESS_OPS] = { "read", "create", "update", "delete",
		"exec" };
	unsigned ops = 0;

	if (str_equal(text, "*"))
		return (1U << ACCESS_OPS) - 1;
	while (*text) {
		size_t length = strcspn(text, " ");

		for (size_t i = 0; i < ACCESS_OPS; i++) {
			if (strlen(names[i]) == length && !strncmp(names[i], text, length))
				ops |= 1U << i;
		}
		text += length + strspn(text + length, " ");
	}
	return ops;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* [module:]name; the module stays as it is when none is given. */
static const char *read_name(
	const char *text, struct arena *arena, const char **module, const char **ret_name)
{
	for (;;) {
		const char *start = text;
		char *name;

		while (is_name_char(*text))
			text++;
		if (text == start)
			return NULL;
		name = arena_alloc(arena, (size_t)(text - start) + 1);
		memcpy(name, start, (size_t)(text - start));
		*ret_name = name;
		if (*text != ':')
			return text;
		*module = name;
		text++;
	}
}

/* [key='value'], [.='value'] or something else up to the bracket. */
static const char *read_predicate(const char *text, struct arena *arena, struct rule *rule,
	const struct lysc_node *list, const char *module)
{
	const char *at = skip_blanks(text + 1), *key = NULL, *start;
	struct predicate *predicates;
	char quote, *value;

	if (at[0] == '.' && !is_name_char(at[1]))
		at++;
	else
		at = isalpha((unsigned char)*at) || *at == '_' ? read_name(at, arena, &module, &key)
							       : NULL;
	at = at ? skip_blanks(at) : NULL;
	if (!at || *at != '=') {
		rule->is_vague = true;
		at = strchr(text, ']');
		return at ? at + 1 : NULL;
	}
	at = skip_blanks(at + 1);
	quote = *at;
	start = at + 1;
	at = quote == '\'' || quote == '"' ? strchr(start, quote) : NULL;
	if (!at)
		return NULL;
	value = arena_alloc(arena, (size_t)(at - start) + 1);
	memcpy(value, start, (size_t)(at - start));
	predicates = arena_alloc(arena, (rule->predicate_count + 1) * sizeof(*predicates));
	if (rule->predicate_count)
		memcpy(predicates, rule->predicates, rule->predicate_count * sizeof(*predicates));
	predicates[rule->predicate_count++] = (struct predicate){ list, key, value };
	rule->predicates = predicates;
	at = skip_blanks(at + 1);
	return *at == ']' ? at + 1 : NULL;
}

/* A path in libyang's canonical form: names of modules, each where it differs from the parent's. */
static void read_path(const char *text, struct arena *arena, struct rule *rule)
{
	const struct lysc_node *schema = NULL;
	const char *module = NULL, *name;

	text = skip_blanks(text);
	if (text[0] == '/' && !*skip_blanks(text + 1))
		return; /* all there is */
	while (text && *text == '/') {
		const struct lys_module *mod;

		text = read_name(text + 1, arena, &module, &name);
		mod = text && module ? ly_ctx_get_module_implemented(yang_ctx(), module) : NULL;
		schema = mod ? lys_find_child(schema, mod, name, 0, 0, 0) : NULL;
		if (!schema)
			break;
		while (text && *text == '[')
			text = read_predicate(text, arena, rule, schema, module);
	}
	rule->target = schema;
	rule->is_void = !schema || !text || *skip_blanks(text);
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
}

static const char *read_match(struct arena *arena, const struct lyd_node *node, const char *name)
{
	const char *text = node_text(node, name, "*");

	return str_equal(text, "*") ? NULL : arena_strdup(arena, text);
}

static void read_rule(struct arena *arena, const struct lyd_node *node, struct rule *rule)
{
	rule->module = read_match(arena, node, "module-name");
	rule->ops = read_ops(node_text(node, "access-operations", "*"));
	rule->is_permit = str_equal(node_text(node, "action", "deny"), "permit");
	if (node_exists(node, "rpc-name")) {
		rule->type = RULE_RPC;
		rule->name = read_match(arena, node, "rpc-name");
	} else if (node_exists(node, "notification-name")) {
		rule->type = RULE_NOTIFICATION;
		rule->name = read_match(arena, node, "notification-name");
	} else if (node_exists(node, "path")) {
		rule->type = RULE_DATA;
		read_path(node_text(node, "path", "/"), arena, rule);
	}
}

static void read_lists(struct rule_set *set, const struct lyd_node *nacm)
{
	const struct lyd_node *list, *node;

	set->lists =
		arena_alloc(set->arena, (count_of(nacm, "rule-list") + 1) * sizeof(*set->lists));
	NODE_FOREACH (list, nacm, "rule-list") {
		struct rule_list *to = &set->lists[set->list_count++];

		to->groups = read_items(set->arena, list, "group", &to->group_count);
		to->rules =
			arena_alloc(set->arena, (count_of(list, "rule") + 1) * sizeof(*to->rules));
		NODE_FOREACH (node, list, "rule")
			read_rule(set->arena, node, &to->rules[to->rule_count++]);
	}
}

static struct rule_set *read_set(const struct lyd_node *nacm)
{
	struct rule_set *set = XNEW(struct rule_set);
	const struct lyd_node *groups = node_child(nacm, "groups"), *group;
	bool write = str_equal(node_text(nacm, "write-default", "deny"), "permit");

	set->refs = 1;
	set->arena = arena_new();
	set->is_enabled = node_bool(nacm, "enable-nacm", true);
	set->defaults[ACCESS_READ] = str_equal(node_text(nacm, "read-default", "permit"), "permit");
	set->defaults[ACCESS_CREATE] = write;
	set->defaults[ACCESS_UPDATE] = write;
	set->defaults[ACCESS_DELETE] = write;
	set->defaults[ACCESS_EXEC] = str_equal(node_text(nacm, "exec-default", "permit"), "permit");
	set->groups =
		arena_alloc(set->arena, (count_of(groups, "group") + 1) * sizeof(*set->groups));
	NODE_FOREACH (group, groups, "group") {
		struct group *to = &set->groups[set->group_count++];

		to->name = arena_strdup(set->arena, node_text(group, "name", ""));
		to->users = read_items(set->arena, group, "user-name", &to->user_count);
	}
	read_lists(set, nacm);
	return set;
}

static void forget_users(void)
{
	struct access *access;
	size_t at = 0;

	while ((access = map_next(&state.users, &at))) {
		map_del_str(&state.users, access->user);
		access_unref(access);
	}
	map_done(&state.users);
	memset(&state.users, 0, sizeof(state.users));
}

void access_load(const struct lyd_node *config)
{
	const struct lyd_node *nacm = NULL, *top;

	LY_LIST_FOR (config, top) {
		if (top->schema && access_concerns(top->schema))
			nacm = top;
	}
	forget_users();
	set_unref(state.set);
	state.set = read_set(nacm);
}

bool access_concerns(const struct lysc_node *schema)
{
	while (schema->parent)
		schema = schema->parent;
	return str_equal(schema->name, "nacm") &&
		str_equal(schema->module->name, "ietf-netconf-acm");
}

void access_done(void)
{
	forget_users();
	set_unref(TAKE(state.set));
}

const struct ds_denied *ds_denied(void)
{
	return &state.denied;
}

/* --- users ------------------------------------------------------------------------------------ */

static bool holds(const char **items, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(items[i], text))
			return true;
	}
	return false;
}

/* Is the list for one of the user's groups? A user of no group has no rules, not even those for "*". */
static bool list_applies(const struct rule_set *set, const struct rule_list *list, const char *user)
{
	bool for_all = holds(list->groups, list->group_count, "*");

	for (size_t i = 0; i < set->group_count; i++) {
		const struct group *group = &set->groups[i];

		if (holds(group->users, group->user_count, user) &&
			(for_all || holds(list->groups, list->group_count, group->name)))
			return true;
	}
	return false;
}

/* Does the first rule that could matter permit everything? */
static bool permits_all(const struct access *access, enum access_op op)
{
	for (size_t i = 0; i < access->rule_count; i++) {
		const struct rule *rule = access->rules[i];

		if (!(rule->ops & (1U << op)) || rule->is_void || rule->type == RULE_NOTIFICATION ||
			(rule->type == RULE_RPC && op != ACCESS_EXEC))
			continue;
		if (!rule->is_permit)
			return false;
		if (!rule->module && rule->type == RULE_ANY)
			return true;
	}
	return false;
}

static struct access *access_new(const char *user)
{
	struct access *access = XNEW(struct access);
	size_t room = 0;

	access->refs = 1;
	access->user = xstrdup(user);
	access->set = state.set;
	access->set->refs++;
	access->arena = arena_new();
	for (size_t i = 0; i < state.set->list_count; i++) {
		const struct rule_list *list = &state.set->lists[i];

		if (!list_applies(state.set, list, user))
			continue;
		for (size_t k = 0; k < list->rule_count; k++) {
			ARRAY_GROW(access->rules, access->rule_count, room);
			access->rules[access->rule_count++] = &list->rules[k];
		}
	}
	for (int op = 0; op < ACCESS_OPS; op++)
		access->all[op] = permits_all(access, (enum access_op)op);
	return access;
}

struct access *access_ref(struct access *access)
{
	if (access)
		access->refs++;
	return access;
}

void access_unref(struct access *access)
{
	if (!access || --access->refs > 0)
		return;
	set_unref(access->set);
	arena_free(access->arena);
	map_done(&access->decisions);
	free(access->rules);
	free(access->user);
	free(access);
}

struct access *access_of(const struct ds_client *client)
{
	const char *user = client->user ? client->user : "";
	struct access *access;

	if (client->is_recovery)
		return NULL;
	if (!state.set)
		access_load(NULL);
	if (!state.set->is_enabled)
		return NULL;
	access = map_get_str(&state.users, user);
	if (access)
		return access;
	if (state.users.count >= USERS_MAX)
		forget_users();
	access = access_new(user);
	map_put_str(&state.users, access->user, access);
	return access;
}

/* --- matching --------------------------------------------------------------------------------- */

static bool matches_module(const struct rule *rule, const char *module)
{
	return !rule->module || str_equal(rule->module, module);
}

static bool is_at_or_below(const struct lysc_node *schema, const struct lysc_node *top)
{
	while (schema && schema != top)
		schema = schema->parent;
	return schema;
}

/* Could the rule say something about instances of @schema? */
static bool concerns(const struct rule *rule, const struct lysc_node *schema, enum access_op op)
{
	if (!(rule->ops & (1U << op)) || rule->is_void ||
		!matches_module(rule, schema->module->name))
		return false;
	if (rule->type == RULE_ANY)
		return true;
	if (rule->type != RULE_DATA || (rule->is_vague && rule->is_permit))
		return false;
	return !rule->target || is_at_or_below(schema, rule->target);
}

static bool matches_predicate(const struct predicate *predicate, const struct lyd_node *node)
{
	const struct lyd_node *key;

	while (node && node->schema != predicate->list)
		node = lyd_parent(node);
	if (!node)
		return false;
	if (!predicate->key)
		return str_equal(node_value(node), predicate->value);
	key = node_child(node, predicate->key);
	return key && str_equal(node_value(key), predicate->value);
}

static bool matches_instance(const struct rule *rule, const struct lyd_node *node)
{
	for (size_t i = 0; i < rule->predicate_count; i++) {
		if (!matches_predicate(&rule->predicates[i], node))
			return false;
	}
	return true;
}

static bool has_extension(const struct lysc_node *schema, const char *name)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(schema->exts, i)
	{
		if (str_equal(schema->exts[i].def->name, name) &&
			str_equal(schema->exts[i].def->module->name, "ietf-netconf-acm"))
			return true;
	}
	return false;
}

/* nacm:default-deny-all and -write of the node or of one above it. */
static bool denied_by_schema(const struct lysc_node *schema, enum access_op op)
{
	bool is_write = op == ACCESS_CREATE || op == ACCESS_UPDATE || op == ACCESS_DELETE;

	for (; schema; schema = schema->parent) {
		if (has_extension(schema, "default-deny-all") ||
			(is_write && has_extension(schema, "default-deny-write")))
			return true;
	}
	return false;
}

static enum access_verdict by_default(
	const struct access *access, const struct lysc_node *schema, enum access_op op)
{
	if (denied_by_schema(schema, op))
		return ACCESS_DENY;
	return access->set->defaults[op] ? ACCESS_PERMIT : ACCESS_DENY;
}

static enum access_verdict by_rule(const struct rule *rule)
{
	return rule->is_permit ? ACCESS_PERMIT : ACCESS_DENY;
}

/* --- verdicts by schema ------------------------------------------------------------------------ */

static struct decision *decision_of(const struct access *access, const struct lysc_node *schema)
{
	struct access *cache = (struct access *)access; /* remembering changes no answer */
	struct decision *decision = map_get(&access->decisions, &schema, sizeof(schema));

	if (decision)
		return decision;
	decision = arena_alloc(cache->arena, sizeof(*decision));
	decision->schema = schema;
	map_put(&cache->decisions, &decision->schema, sizeof(schema), decision);
	return decision;
}

static enum access_verdict decide(
	const struct access *access, const struct lysc_node *schema, enum access_op op)
{
	bool seen[ACCESS_DEPENDS] = { false };
	enum access_verdict verdict = ACCESS_UNKNOWN;

	for (size_t i = 0; i < access->rule_count && !verdict; i++) {
		const struct rule *rule = access->rules[i];

		if (!concerns(rule, schema, op))
			continue;
		if (rule->predicate_count && !(rule->is_vague && !rule->is_permit))
			seen[by_rule(rule)] = true;
		else
			verdict = by_rule(rule);
	}
	if (!verdict)
		verdict = by_default(access, schema, op);
	return seen[verdict == ACCESS_PERMIT ? ACCESS_DENY : ACCESS_PERMIT] ? ACCESS_DEPENDS
									    : verdict;
}

enum access_verdict access_schema(
	const struct access *access, const struct lysc_node *schema, enum access_op op)
{
	struct decision *decision;

	if (!access || access->all[op])
		return ACCESS_PERMIT;
	decision = decision_of(access, schema);
	if (!decision->at[op])
		decision->at[op] = (uint8_t)decide(access, schema, op);
	return (enum access_verdict)decision->at[op];
}

static enum access_verdict decide_below(
	const struct access *access, const struct lysc_node *schema, enum access_op op)
{
	enum access_verdict verdict = ACCESS_UNKNOWN;
	const struct lysc_node *child;

	if (!(schema->nodetype & (LYS_CHOICE | LYS_CASE))) {
		verdict = access_schema(access, schema, op);
		if (verdict == ACCESS_DEPENDS || (verdict == ACCESS_DENY && op == ACCESS_READ))
			return verdict;
	}
	for (child = lysc_node_child(schema); child; child = child->next) {
		enum access_verdict below = access_below(access, child, op);

		if (verdict && below != verdict)
			return ACCESS_DEPENDS;
		verdict = below;
	}
	return verdict ? verdict : ACCESS_PERMIT;
}

enum access_verdict access_below(
	const struct access *access, const struct lysc_node *schema, enum access_op op)
{
	struct decision *decision;

	if (!access || access->all[op])
		return ACCESS_PERMIT;
	decision = decision_of(access, schema);
	if (!decision->below[op])
		decision->below[op] = (uint8_t)decide_below(access, schema, op);
	return (enum access_verdict)decision->below[op];
}

bool access_all(const struct access *access, enum access_op op)
{
	return !access || access->all[op];
}

/* --- questions about instances ----------------------------------------------------------------- */

/* @node, or what would be one of @schema. */
static bool may_as(const struct access *access, const struct lyd_node *node,
	const struct lysc_node *schema, enum access_op op)
{
	enum access_verdict verdict;

	if (!schema)
		return false;
	verdict = access_schema(access, schema, op);
	if (verdict != ACCESS_DEPENDS)
		return verdict == ACCESS_PERMIT;
	for (size_t i = 0; i < access->rule_count; i++) {
		const struct rule *rule = access->rules[i];

		if (concerns(rule, schema, op) && (rule->is_vague || matches_instance(rule, node)))
			return rule->is_permit;
	}
	return by_default(access, schema, op) == ACCESS_PERMIT;
}

static bool may(const struct access *access, const struct lyd_node *node, enum access_op op)
{
	return may_as(access, node, node->schema, op);
}

bool access_node(const struct access *access, const struct lyd_node *node, enum access_op op)
{
	if (access_all(access, op) || may(access, node, op))
		return true;
	if (op == ACCESS_CREATE || op == ACCESS_UPDATE || op == ACCESS_DELETE)
		state.denied.data_writes++;
	return false;
}

static const struct lysc_node *schema_meant(const struct lyd_node *node)
{
	return node->schema ? node->schema : format_opaque_schema(node);
}

bool access_request(const struct access *access, const struct lyd_node *node, enum access_op op)
{
	return access_all(access, op) || may_as(access, node, schema_meant(node), op);
}

static bool has_visible_keys(const struct access *access, const struct lyd_node *node)
{
	const struct lyd_node *key;

	if (!node->schema || node->schema->nodetype != LYS_LIST)
		return true;
	for (key = lyd_child(node); key && key->schema && lysc_is_key(key->schema);
		key = key->next) {
		if (!may(access, key, ACCESS_READ))
			return false;
	}
	return true;
}

bool access_visible(const struct access *access, const struct lyd_node *node)
{
	if (access_all(access, ACCESS_READ))
		return true;
	for (; node; node = lyd_parent(node)) {
		if (!may_as(access, node, schema_meant(node), ACCESS_READ) ||
			!has_visible_keys(access, node))
			return false;
	}
	return true;
}

/*
 * The node of an instance path, alone in a tree of its own, where it has all that rules ask of it: its
 * parents and their keys. NULL: there can be none.
 */
static struct lyd_node *make_alone(const char *path, struct lyd_node **ret_top)
{
	struct lyd_node *node = NULL;

	if (lyd_new_path2(NULL, yang_ctx(), path, NULL, 0, LYD_ANYDATA_STRING, LYD_NEW_PATH_OPAQ,
		    ret_top, &node) != LY_SUCCESS)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return node;
}

bool access_sees(const struct access *access, const char *path)
{
	struct lyd_node *top = NULL, *node;
	bool is_visible;

	if (access_all(access, ACCESS_READ))
		return true;
	node = make_alone(path, &top);
	is_visible = node && access_visible(access, node);
	lyd_free_tree(top);
	return is_visible;
}

/* --- operations and notifications -------------------------------------------------------------- */

static const struct rule *find_rule(const struct access *access, enum rule_type type,
	const char *module, const char *name, enum access_op op)
{
	for (size_t i = 0; i < access->rule_count; i++) {
		const struct rule *rule = access->rules[i];

		if (!(rule->ops & (1U << op)) || !matches_module(rule, module))
			continue;
		if (rule->type == RULE_ANY ||
			(rule->type == type && (!rule->name || str_equal(rule->name, name))))
			return rule;
	}
	return NULL;
}

static bool may_execute(const struct access *access, const char *module, const char *rpc)
{
	const struct rule *rule = find_rule(access, RULE_RPC, module, rpc, ACCESS_EXEC);
	bool is_base = str_equal(module, "ietf-netconf");
	const struct lys_module *mod;
	const struct lysc_node *schema;

	if (is_base && str_equal(rpc, "close-session"))
		return true;
	if (rule)
		return rule->is_permit;
	if (is_base && (str_equal(rpc, "kill-session") || str_equal(rpc, "delete-config")))
		return false;
	mod = ly_ctx_get_module_implemented(yang_ctx(), module);
	schema = mod ? lys_find_child(NULL, mod, rpc, 0, LYS_RPC, 0) : NULL;
	if (schema && has_extension(schema, "default-deny-all"))
		return false;
	return access->set->defaults[ACCESS_EXEC];
}

bool access_rpc(const struct access *access, const char *module, const char *rpc)
{
	if (access_all(access, ACCESS_EXEC) || may_execute(access, module, rpc))
		return true;
	state.denied.operations++;
	return false;
}

bool access_action(const struct access *access, const struct lyd_node *action)
{
	if (!access ||
		(access_visible(access, lyd_parent(action)) && may(access, action, ACCESS_EXEC)))
		return true;
	state.denied.operations++;
	return false;
}

static bool may_receive(const struct access *access, const struct lyd_node *notification)
{
	const struct lysc_node *schema = notification->schema;
	const struct rule *rule;

	if (lyd_parent(notification))
		return access_visible(access, notification);
	if (str_equal(schema->module->name, "nc-notifications") &&
		(str_equal(schema->name, "replayComplete") ||
			str_equal(schema->name, "notificationComplete")))
		return true;
	rule = find_rule(
		access, RULE_NOTIFICATION, schema->module->name, schema->name, ACCESS_READ);
	if (rule)
		return rule->is_permit;
	return !has_extension(schema, "default-deny-all") && access->set->defaults[ACCESS_READ];
}

bool access_notification(const struct access *access, const struct lyd_node *notification)
{
	if (!access || may_receive(access, notification))
		return true;
	state.denied.notifications++;
	return false;
}

/* --- errors ----------------------------------------------------------------------------------- */

int access_denied(const struct access *access, const struct lyd_node *node, struct err *err)
{
	_cleanup_free_ char *path = NULL;

	while (node && (!node->schema || !access_visible(access, node)))
		node = lyd_parent(node);
	if (node)
		path = path_of(node);
	return err_tagged(err, ERR_TAG_ACCESS_DENIED, path, "access denied");
}

int access_denied_write(const struct access *access, const struct lyd_node *node, struct err *err)
{
	state.denied.data_writes++;
	return access_denied(access, node, err);
}

/* What cannot stand where the path ends is judged by what it would be in. */
static bool tells_of_hidden(const struct access *access, const char *path)
{
	_cleanup_free_ char *above = xstrdup(path);

	do {
		struct lyd_node *top = NULL, *node = make_alone(above, &top);
		bool is_hidden = node && !access_visible(access, node);

		lyd_free_tree(top);
		if (node)
			return is_hidden;
	} while (path_go_up(above));
	return false;
}

bool access_conceal(const struct access *access, const struct err *err, struct err *ret_err)
{
	if (!err->path || access_all(access, ACCESS_READ) || !tells_of_hidden(access, err->path))
		return false;
	err_tagged(ret_err, err_effective_tag(err), NULL,
		"refused because of a node that this user may not read");
	ret_err->code = err->code;
	ret_err->type = err->type;
	if (err->app_tag)
		err_app_tag(ret_err, err->app_tag);
	for (size_t i = 0; i < ERR_INFO_MAX && err->info[i].name; i++) {
		if (str_equal(err->info[i].name, "session-id"))
			err_add_info(ret_err, err->info[i].name, err->info[i].value);
	}
	return true;
}
