/*
 * Which constraint reads which schema node, and how far it reaches.
 *
 * libyang tells every schema node that an expression reads (its atoms), flat. How far up the expression
 * climbs, and whether a path from the root is bound to a leafref's value, is read from its text. From
 * that each (constraint, atom) pair gets a rule that finds the constraint's instances from a changed
 * instance of the atom:
 *
 *   below    paths that climb k levels: the instances below the ancestor k levels above the context
 *   value    deref(LEAFREF)/… and /…/list[key = current()…]/…: by the value of the leafref
 *   all      anything else: every instance of the constrained node, which the data index keeps
 *
 * Over-reaching costs time only; under-reaching would let an invalid tree pass, so whatever the scanner
 * does not recognise is "all". tests/unit/test-validate.c compares with full validation.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "../yang/compat.h"
#include "constraints.h"
#include "derived.h"

#define INVERSIONS_MAX 8
#define CLIMBS_MAX     16
#define STEPS_MAX      32

static struct {
	struct constraint **all;
	size_t count, room;
} index_;

size_t constraints_count(void)
{
	return index_.count;
}

/* --- how far an expression reaches ------------------------------------------------------------- */

/* A relative path that climbs: what it can read lies on its way down again. */
struct climb {
	int levels;
	const char *names; /* "a/p:b" after the climb */
	size_t size;
	bool is_open; /* goes on with a predicate: anything below the last name may be meant */
	const struct lysc_node *only; /* reads this leaf and nothing else; NULL: see names */
};

/* From a leafref to the entry whose key it names, and from there on. */
struct inversion {
	const struct lysc_node *list, *source;
	struct climb path; /* from the key */
};

struct span {
	struct climb climbs[CLIMBS_MAX];
	size_t climb_count;
	int climb; /* levels above the context, of the one that climbs highest */
	bool is_all;
	struct inversion inversions[INVERSIONS_MAX];
	size_t inversion_count;
};

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == ':';
}

static const char *skip_blanks(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

static bool name_matches(const struct lysc_node *node, const char *name, size_t length)
{
	const char *colon = memchr(name, ':', length);

	if (colon) {
		length -= (size_t)(colon + 1 - name);
		name = colon + 1;
	}
	return strlen(node->name) == length && !strncmp(node->name, name, length);
}

static const struct lysc_node *schema_child(
	const struct lysc_node *parent, const char *name, size_t length)
{
	const struct lysc_node *child = NULL;

	while ((child = lys_getnext(child, parent, NULL, 0))) {
		if (name_matches(child, name, length))
			return child;
	}
	return NULL;
}

/* Follows "current()/../x" or "../x" or "." from @from; the end of what was read in *ret_end. */
static const struct lysc_node *follow(
	const struct lysc_node *from, const char *p, const char **ret_end, int *ret_climb)
{
	int climb = 0;

	p = skip_blanks(p);
	if (!strncmp(p, "current()", 9)) {
		p += 9;
		if (*p == '/')
			p++;
		else
			goto end;
	}
	while (from) {
		size_t length = 0;

		if (!strncmp(p, "..", 2)) {
			from = schema_data_parent(from);
			climb++;
			length = 2;
		} else if (*p == '.' && !is_name_char(p[1])) {
			length = 1;
		} else {
			while (is_name_char(p[length]))
				length++;
			if (!length)
				return NULL;
			from = schema_child(from, p, length);
		}
		p += length;
		if (*p != '/')
			break;
		p++;
	}
end:
	*ret_end = skip_blanks(p);
	*ret_climb = climb;
	return from;
}

static const struct lysc_type_leafref *leafref_of(const struct lysc_node *node)
{
	const struct lysc_type *type;

	if (!node || !(node->nodetype & (LYS_LEAF | LYS_LEAFLIST)))
		return NULL;
	type = ((const struct lysc_node_leaf *)node)->type;
	return type->basetype == LY_TYPE_LEAFREF ? (const struct lysc_type_leafref *)type : NULL;
}

/* The list whose only key the leafref points at; NULL: none. */
static const struct lysc_node *leafref_list(const struct lysc_node *source)
{
	const struct lysc_type_leafref *leafref = leafref_of(source);
	const struct lysc_node *list, *key, *target = NULL;
	struct ly_set *set = NULL;

	if (!leafref ||
		lys_find_expr_atoms(source, source->module, leafref->path, leafref->prefixes, 0,
			&set) != LY_SUCCESS)
		return NULL;
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->snodes[i] != source && set->snodes[i]->nodetype == LYS_LEAF)
			target = set->snodes[i];
	}
	ly_set_free(set, NULL);
	list = target ? schema_data_parent(target) : NULL;
	if (!list || list->nodetype != LYS_LIST)
		return NULL;
	key = lysc_node_child(list);
	return key == target && !(key->next && lysc_is_key(key->next)) ? list : NULL;
}

static void add_inversion(struct span *span, const struct lysc_node *source,
	const struct lysc_node *list, struct climb path)
{
	const struct lysc_node *own = leafref_list(source);

	if (!own || (list && list != own) || path.levels > 1 ||
		span->inversion_count == INVERSIONS_MAX) {
		span->is_all = true;
		return;
	}
	span->inversions[span->inversion_count++] = (struct inversion){ own, source, path };
}

static bool is_below(const struct lysc_node *node, const struct lysc_node *anchor)
{
	for (; node; node = schema_data_parent(node)) {
		if (node == anchor)
			return true;
	}
	return anchor == NULL;
}

static void scan_climb(struct span *span, struct climb climb)
{
	if (climb.levels > span->climb)
		span->climb = climb.levels;
	if (span->climb_count ==
		CLIMBS_MAX) /* no room to tell them apart: the highest covers all */
		span->climbs[0] = (struct climb){ .levels = span->climb, .is_open = true };
	else
		span->climbs[span->climb_count++] = climb;
}

/* Does what the path reads on its way down include @atom? */
static bool climb_reads(
	const struct climb *climb, const struct lysc_node *context, const struct lysc_node *atom)
{
	const struct lysc_node *node = context;
	const char *p = climb->names, *end = p + climb->size;

	if (climb->only)
		return atom == climb->only;
	for (int i = 0; i < climb->levels && node; i++)
		node = schema_data_parent(node);
	while (node && p < end) {
		size_t length = 0;

		while (p + length < end && p[length] != '/')
			length++;
		node = schema_child(node, p, length);
		if (node == atom)
			return true;
		p += length + 1;
	}
	return climb->is_open && (!node || is_below(atom, node));
}

/* "/../a/b" from @p to @end, relative to an entry's key; anything in the entry where that cannot be told. */
static struct climb path_from_key(const char *p, const char *end)
{
	struct climb path = { 0 };

	for (; end - p >= 3 && !strncmp(p, "/..", 3) && (end - p == 3 || p[3] == '/'); p += 3)
		path.levels++;
	if (p < end && *p == '/')
		p++;
	path.names = p;
	path.size = (size_t)(end - p);
	if (*end == '[' || *end == '*' || (end > p && end[-1] == '/') ||
		memmem(p, path.size, "..", 2))
		path = (struct climb){
			.levels = path.levels > 1 ? path.levels : 1, .names = p, .is_open = true
		};
	return path;
}

/* "deref(PATH)": returns behind the closing parenthesis. */
static const char *scan_deref(struct span *span, const struct lysc_node *context, const char *p)
{
	const struct lysc_node *source;
	const char *end = p;
	int climb = 0;

	source = follow(context, p + 6, &end, &climb);
	if (!source || *end != ')') {
		span->is_all = true;
		return p + 6;
	}
	scan_climb(span, (struct climb){ .levels = climb, .only = source });
	p = ++end;
	/* What follows is relative to the target, not to the context. */
	while (*end == '/' || is_name_char(*end))
		end++;
	add_inversion(span, source, NULL, path_from_key(p, end));
	return end;
}

/*
 * A path from the root. Bound by a leafref: /a/b/list[key = current()…]/rest with no further predicate.
 * Returns behind what was recognised.
 */
static const char *scan_absolute(struct span *span, const struct lysc_node *context, const char *p)
{
	const struct lysc_node *list = NULL, *source;
	struct climb path;
	const char *end;
	size_t length;
	int climb = 0;

	while (*p == '/') {
		for (length = 0, p++; is_name_char(p[length]); length++)
			;
		if (!list) {
			const struct lys_module *module;
			uint32_t at = 0;

			while (!list &&
				(module = ly_ctx_get_module_iter(context->module->ctx, &at))) {
				if (module->implemented && module->compiled &&
					module->compiled->data) {
					const struct lysc_node *node = NULL;

					while ((node = lys_getnext(
							node, NULL, module->compiled, 0))) {
						if (name_matches(node, p, length)) {
							list = node;
							break;
						}
					}
				}
			}
		} else {
			list = schema_child(list, p, length);
		}
		if (!list || !length)
			goto all;
		p += length;
	}
	p = skip_blanks(p);
	if (*p != '[' || list->nodetype != LYS_LIST)
		goto all;
	p = skip_blanks(p + 1);
	for (length = 0; is_name_char(p[length]); length++)
		;
	if (!length || !name_matches(lysc_node_child(list), p, length))
		goto all;
	p = skip_blanks(p + length);
	if (*p != '=')
		goto all;
	p = skip_blanks(p + 1);
	if (strncmp(p, "current()", 9))
		goto all;
	source = follow(context, p, &end, &climb);
	if (!source || *end != ']')
		goto all;
	scan_climb(span, (struct climb){ .levels = climb, .only = source });
	for (p = end + 1; *p == '/' || is_name_char(*p); p++) {
		if (!strncmp(p, "/..", 3))
			goto all;
	}
	if (*skip_blanks(p) == '[')
		goto all;
	path = path_from_key(end + 1, p);
	path.levels = 1; /* from the key, too */
	add_inversion(span, source, list, path);
	return p;
all:
	span->is_all = true;
	return p;
}

/* Is the slash at @p the start of a path, given what stands before it? */
static bool starts_path(const char *text, const char *p)
{
	const char *before = p;
	size_t length;

	while (before > text && isspace((unsigned char)before[-1]))
		before--;
	if (before == text || strchr("([,=<>|+-!", before[-1]))
		return true;
	if (before == p) /* directly after a name, ']' or ')' */
		return false;
	for (length = 0;
		before - length > text && isalpha((unsigned char)before[-1 - (long)length]);
		length++)
		;
	return (length == 2 && !strncmp(before - 2, "or", 2)) ||
		(length == 3 &&
			(!strncmp(before - 3, "and", 3) || !strncmp(before - 3, "div", 3) ||
				!strncmp(before - 3, "mod", 3)));
}

static void scan(struct span *span, const struct lysc_node *context, const char *text)
{
	int depth = 0; /* of predicates */
	const char *p = text;

	while (*p) {
		if (*p == '\'' || *p == '"') {
			const char *end = strchr(p + 1, *p);

			p = end ? end + 1 : p + strlen(p);
		} else if (!strncmp(p, "deref(", 6)) {
			p = scan_deref(span, context, p);
		} else if (*p == '/' && p[1] == '/') {
			span->is_all = true;
			p += 2;
		} else if (*p == '/' && starts_path(text, p)) {
			const char *next = scan_absolute(span, context, p);

			p = next > p ? next : p + 1;
		} else if (!strncmp(p, "..", 2)) {
			const char *names;
			bool bound = p - text >= 10 && !strncmp(p - 10, "current()/", 10);
			int climb = 0;

			if (depth && !bound)
				span->is_all = true;
			for (; !strncmp(p, "..", 2); p += p[2] == '/' ? 3 : 2) {
				climb++;
				if (p[2] != '/') {
					p += 2;
					break;
				}
			}
			names = p;
			while (is_name_char(*p) || (*p == '/' && strncmp(p, "/..", 3)))
				p++;
			scan_climb(span,
				(struct climb){ .levels = climb,
					.names = names,
					.size = (size_t)(p - names),
					.is_open = *p == '[' || *p == '*' });
			if (!strncmp(p, "/..", 3))
				span->is_all = true;
		} else {
			depth += *p == '[';
			depth -= *p == ']';
			if (strstr(p, "::") == p)
				span->is_all = true;
			p++;
		}
	}
}

const struct lysc_node *constraints_holder(const struct constraint *constraint)
{
	return constraint->kind == CONSTRAINT_WHEN ? schema_data_parent(constraint->on)
						   : constraint->on;
}

/* --- readers ---------------------------------------------------------------------------------- */

static void add_reader(const struct lysc_node *atom, struct reader reader)
{
	struct snode *snode = schema_of(atom);

	for (size_t i = 0; i < snode->reader_count; i++) {
		if (!memcmp(&snode->readers[i], &reader, sizeof(reader)))
			return;
	}
	snode->readers = xreallocarray(snode->readers, snode->reader_count + 1, sizeof(reader));
	snode->readers[snode->reader_count++] = reader;
	if (reader.reach == REACH_ALL) {
		const struct lysc_node *kept = constraints_holder(reader.constraint);

		if (kept)
			schema_of(kept)->tracks_instances = true;
	}
	if (reader.reach == REACH_VALUE || reader.reach == REACH_TARGET)
		schema_of(reader.source)->is_leafref_source = true;
}

/* Can a change of this atom be left to others in the set? */
static bool is_intermediate(const struct lysc_node *atom, const struct ly_set *set)
{
	if (atom->nodetype == LYS_CONTAINER)
		return !(atom->flags & LYS_PRESENCE);
	if (atom->nodetype != LYS_LIST)
		return false;
	for (uint32_t i = 0; i < set->count; i++) { /* its key comes and goes with it */
		if (lysc_is_key(set->snodes[i]) && schema_data_parent(set->snodes[i]) == atom)
			return true;
	}
	return false;
}

static void add_below_reader(
	struct constraint *constraint, const struct lysc_node *atom, int levels)
{
	struct reader reader;

	memset(&reader, 0, sizeof(reader));
	reader.constraint = constraint;
	reader.reach = REACH_BELOW;
	reader.anchor = constraint->context;
	for (int i = 0; i < levels && reader.anchor; i++)
		reader.anchor = schema_data_parent(reader.anchor);
	add_reader(atom, reader);
}

/* From each ancestor that a path which can read the atom climbs to, and no higher. */
static void place_below(
	struct constraint *constraint, const struct lysc_node *atom, const struct span *span)
{
	bool is_placed = false;

	if (is_below(atom, constraint->context)) {
		add_below_reader(constraint, atom, 0);
		is_placed = true;
	}
	for (size_t i = 0; i < span->climb_count; i++) {
		if (!climb_reads(&span->climbs[i], constraint->context, atom))
			continue;
		add_below_reader(constraint, atom, span->climbs[i].levels);
		is_placed = true;
	}
	if (!is_placed)
		add_below_reader(constraint, atom, span->climb);
}

static void place_atom(struct constraint *constraint, const struct lysc_node *atom,
	const struct span *span, const struct lysc_node *anchor)
{
	struct reader reader;
	bool fits = false;

	memset(&reader, 0, sizeof(reader));
	reader.constraint = constraint;
	if (!span->is_all && is_below(atom, anchor)) {
		place_below(constraint, atom, span);
		fits = true;
	}
	for (size_t i = 0; !span->is_all && i < span->inversion_count; i++) {
		const struct inversion *inversion = &span->inversions[i];

		if (!is_below(atom, inversion->list) ||
			!(climb_reads(&inversion->path, lysc_node_child(inversion->list), atom) ||
				lysc_node_child(inversion->list) == atom))
			continue;
		reader.reach = REACH_VALUE;
		reader.anchor = NULL;
		reader.list = inversion->list;
		reader.source = inversion->source;
		add_reader(atom, reader);
		fits = true;
	}
	if (fits)
		return;
	memset(&reader, 0, sizeof(reader));
	reader.constraint = constraint;
	reader.reach = REACH_ALL;
	add_reader(atom, reader);
}

/* An ancestor that the expression only climbs through: it comes and goes with the context itself. */
static bool is_way_up(const struct constraint *constraint, const struct lysc_node *atom)
{
	return atom != constraint->context && is_below(constraint->context, atom) &&
		!strstr(lyxp_get_expr(constraint->expr), atom->name);
}

/* Beside its value the expression may read only what climbs lead to: the lowest of them counts. */
static int same_levels(const struct constraint *constraint, const struct span *span)
{
	int levels = 0;

	if (constraint->kind != CONSTRAINT_MUST || span->is_all ||
		span->climb_count == CLIMBS_MAX || !(constraint->context->nodetype & LYD_NODE_TERM))
		return -1;
	for (size_t i = 0; i < span->climb_count; i++) {
		const struct climb *climb = &span->climbs[i];

		if (climb->only == constraint->context)
			continue;
		if (climb->only || climb->levels < 1)
			return -1;
		if (!levels || climb->levels < levels)
			levels = climb->levels;
	}
	return levels;
}

static int index_expr(struct constraint *constraint, struct err *err)
{
	struct span span = { 0 };
	const struct lysc_node *anchor = constraint->context;
	struct ly_set *set = NULL;

	if (lys_find_expr_atoms(constraint->context, constraint->on->module, constraint->expr,
		    constraint->prefixes, LYS_FIND_XP_SCHEMA, &set) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	scan(&span, constraint->context ? constraint->context : constraint->on,
		lyxp_get_expr(constraint->expr));
	for (int i = 0; i < span.climb && anchor; i++)
		anchor = schema_data_parent(anchor);
	if (!constraint->context)
		span.is_all = true;
	constraint->same_levels = same_levels(constraint, &span);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct lysc_node *atom = set->snodes[i];

		if (!atom->priv || is_intermediate(atom, set) || is_way_up(constraint, atom))
			continue;
		place_atom(constraint, atom, &span, anchor);
	}
	ly_set_free(set, NULL);
	return 0;
}

/* A leafref breaks when its target goes, and when something a predicate of its path reads changes. */
static int index_leafref(
	struct constraint *constraint, const struct lysc_type_leafref *leafref, struct err *err)
{
	const struct lysc_node *on = constraint->on, *target = NULL;
	struct reader reader;
	struct ly_set *set = NULL;

	if (lys_find_expr_atoms(on, on->module, leafref->path, leafref->prefixes, 0, &set) !=
		LY_SUCCESS)
		return yang_err(err, -EINVAL);
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->snodes[i] != on && (set->snodes[i]->nodetype & (LYS_LEAF | LYS_LEAFLIST)))
			target = set->snodes[i];
	}
	for (uint32_t i = 0; i < set->count; i++) {
		const struct lysc_node *atom = set->snodes[i];

		if (!atom->priv || atom == on || !(atom->nodetype & (LYS_LEAF | LYS_LEAFLIST)))
			continue;
		memset(&reader, 0, sizeof(reader));
		reader.constraint = constraint;
		reader.reach = atom == target ? REACH_TARGET : REACH_ALL;
		reader.source = atom == target ? on : NULL;
		add_reader(atom, reader);
	}
	ly_set_free(set, NULL);
	return 0;
}

/* --- constraints of a node -------------------------------------------------------------------- */

static struct constraint *add(
	enum constraint_kind kind, const struct lysc_node *on, const struct lysc_node *context)
{
	struct constraint *constraint = XNEW(struct constraint);

	constraint->kind = kind;
	constraint->on = on;
	constraint->context = context;
	constraint->same_levels = -1;
	ARRAY_GROW(index_.all, index_.count, index_.room);
	index_.all[index_.count++] = constraint;
	return constraint;
}

static void own(struct constraint ***array, size_t *count, struct constraint *constraint)
{
	*array = xreallocarray(*array, *count + 1, sizeof(**array));
	(*array)[(*count)++] = constraint;
}

static int add_whens(struct snode *snode, const struct lysc_node *holder, struct err *err)
{
	struct lysc_when **whens = lysc_node_when(holder);
	LY_ARRAY_COUNT_TYPE u;
	int r;

	LY_ARRAY_FOR(whens, u)
	{
		struct constraint *constraint =
			add(CONSTRAINT_WHEN, snode->schema, whens[u]->context);

		constraint->holder = holder;
		constraint->expr = whens[u]->cond;
		constraint->prefixes = whens[u]->prefixes;
		constraint->derived = derived_new(constraint);
		own(&snode->whens, &snode->when_count, constraint);
		r = index_expr(constraint, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_types(
	struct snode *snode, struct constraint **one, const struct lysc_type *type, struct err *err)
{
	LY_ARRAY_COUNT_TYPE u;
	int r = 0;

	if (type->basetype == LY_TYPE_UNION) {
		const struct lysc_type_union *of = (const struct lysc_type_union *)type;

		for (u = 0; r == 0 && u < LY_ARRAY_COUNT(of->types); u++)
			r = add_types(snode, one, of->types[u], err);
		return r;
	}
	if (type->basetype == LY_TYPE_LEAFREF) {
		const struct lysc_type_leafref *leafref = (const struct lysc_type_leafref *)type;

		if (!leafref->require_instance)
			return 0;
		if (!*one)
			*one = add(CONSTRAINT_LEAFREF, snode->schema, snode->schema);
		if (type == ((const struct lysc_node_leaf *)snode->schema)->type &&
			*lyxp_get_expr(leafref->path) == '/' &&
			!strchr(lyxp_get_expr(leafref->path), '['))
			(*one)->same_levels = 0;
		return index_leafref(*one, leafref, err);
	}
	return 0;
}

static int add_node(struct snode *snode, struct err *err)
{
	const struct lysc_node *schema = snode->schema, *outer;
	struct lysc_must *musts = lysc_node_musts(schema);
	struct constraint *type = NULL;
	LY_ARRAY_COUNT_TYPE u;
	int r;

	LY_ARRAY_FOR(musts, u)
	{
		struct constraint *constraint = add(CONSTRAINT_MUST, schema, schema);

		constraint->must = &musts[u];
		constraint->expr = musts[u].cond;
		constraint->prefixes = musts[u].prefixes;
		constraint->derived = derived_new(constraint);
		own(&snode->own, &snode->own_count, constraint);
		r = index_expr(constraint, err);
		if (r < 0)
			return r;
	}
	for (outer = schema; outer; outer = outer->parent) {
		if (outer != schema && !(outer->nodetype & (LYS_CHOICE | LYS_CASE)))
			break;
		r = add_whens(snode, outer, err);
		if (r < 0)
			return r;
	}
	if (!(schema->nodetype & (LYS_LEAF | LYS_LEAFLIST)))
		return 0;
	r = add_types(snode, &type, ((const struct lysc_node_leaf *)schema)->type, err);
	if (type)
		own(&snode->own, &snode->own_count, type);
	return r;
}

/* What validation has to look at among a parent's children. */
static void note_children(struct snode *snode)
{
	const struct lysc_node *child = NULL;

	while ((child = lys_getnext(child, snode->schema, NULL, LYS_GETNEXT_WITHCHOICE))) {
		if (!(child->flags & LYS_CONFIG_W))
			continue;
		if (child->nodetype == LYS_CHOICE ||
			(child->nodetype == LYS_CONTAINER && !(child->flags & LYS_PRESENCE)) ||
			constraints_default(child, 0))
			snode->has_settled_children = true;
		if ((child->flags & LYS_MAND_TRUE) || child->nodetype == LYS_CHOICE ||
			child->nodetype == LYS_LIST || child->nodetype == LYS_LEAFLIST)
			snode->has_counted_children = true;
	}
}

static void note_uniques(const struct lysc_node *schema)
{
	struct lysc_node_leaf ***uniques = ((const struct lysc_node_list *)schema)->uniques;
	LY_ARRAY_COUNT_TYPE u, i;

	LY_ARRAY_FOR(uniques, u)
	{
		LY_ARRAY_FOR(uniques[u], i)
		{
			schema_of((const struct lysc_node *)uniques[u][i])->unique_in = schema;
		}
	}
}

int constraints_init(struct snode *const *nodes, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct lysc_node *schema = nodes[i]->schema;
		int r;

		if (!(schema->flags & LYS_CONFIG_W))
			continue;
		note_children(nodes[i]);
		if (schema->nodetype == LYS_LIST)
			note_uniques(schema);
		if (schema->nodetype & (LYS_CHOICE | LYS_CASE))
			continue;
		r = add_node(nodes[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

void constraints_done(void)
{
	for (size_t i = 0; i < index_.count; i++) {
		derived_free(index_.all[i]->derived);
		free(index_.all[i]);
	}
	free(index_.all);
	memset(&index_, 0, sizeof(index_));
}

const char *constraints_default(const struct lysc_node *schema, size_t index)
{
	const struct lysc_node_leaf *leaf = (const struct lysc_node_leaf *)schema;
	const struct lysc_node_leaflist *list = (const struct lysc_node_leaflist *)schema;

	if (schema->nodetype == LYS_LEAF)
		return index == 0 && leaf->dflt ? lyd_value_get_canonical(yang_ctx(), leaf->dflt)
						: NULL;
	if (schema->nodetype == LYS_LEAFLIST)
		return index < LY_ARRAY_COUNT(list->dflts)
			? lyd_value_get_canonical(yang_ctx(), list->dflts[index])
			: NULL;
	return NULL;
}
