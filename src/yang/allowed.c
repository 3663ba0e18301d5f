/*
 * What a type allows, in words for a human: ranges, names, lengths, patterns. Long lists are cut: the
 * schema has them all.
 */
#include <inttypes.h>
#include <string.h>

#include <libyang/plugins_types.h>

#include "ashlar/str.h"

#include "allowed.h"

#define NAMES_MAX   24	/* enumeration names, identities */
#define PATTERN_MAX 300 /* bytes */
#define MEMBERS_MAX 8	/* of a union */
#define NESTING_MAX 4	/* of identities derived from one another */

/* The text only goes into a message: a buffer without a ceiling cannot refuse it. */
#define SAY(out, ...) ((void)!buf_printf((out), __VA_ARGS__))

/* Types whose plugin says more than their pattern, by a part of its name; the longer come first. */
static const struct {
	const char *plugin, *words;
} known[] = {
	{ "ipv4-address-and-prefix", "an IPv4 address and prefix length" },
	{ "ipv6-address-and-prefix", "an IPv6 address and prefix length" },
	{ "ipv4-address", "an IPv4 address" },
	{ "ipv6-address", "an IPv6 address" },
	{ "ipv4-prefix", "an IPv4 prefix" },
	{ "ipv6-prefix", "an IPv6 prefix" },
	{ "node-instance-identifier",
		"the path of a node; in JSON a name has its module's before it only where that "
		"changes" },
	{ "xpath1.0", "an XPath expression" },
	{ "date-and-time", "a date and time such as 2000-01-02T03:04:05Z" },
};

/* --- ranges ----------------------------------------------------------------------------------- */

static bool is_signed(LY_DATA_TYPE base)
{
	return base >= LY_TYPE_DEC64;
}

static void say_number(struct buf *out, int64_t number, uint8_t digits)
{
	uint64_t unit = 1, size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	for (uint8_t i = 0; i < digits; i++)
		unit *= 10;
	SAY(out, "%s%" PRIu64, number < 0 ? "-" : "", size / unit);
	if (digits && size % unit)
		SAY(out, ".%0*" PRIu64, digits, size % unit);
}

static void say_part(
	struct buf *out, const struct lysc_range_part *part, LY_DATA_TYPE base, uint8_t digits)
{
	if (!is_signed(base)) {
		SAY(out, "%" PRIu64, part->min_u64);
		if (part->max_u64 != part->min_u64)
			SAY(out, "..%" PRIu64, part->max_u64);
		return;
	}
	say_number(out, part->min_64, digits);
	if (part->max_64 != part->min_64) {
		SAY(out, "..");
		say_number(out, part->max_64, digits);
	}
}

static void say_range(
	struct buf *out, const struct lysc_range *range, LY_DATA_TYPE base, uint8_t digits)
{
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(range->parts, u)
	{
		if (u)
			SAY(out, " or ");
		say_part(out, &range->parts[u], base, digits);
	}
}

static void allow_number(struct buf *out, const struct lysc_type_num *type)
{
	static const struct lysc_range_part natural[] = {
		[LY_TYPE_UINT8] = { .max_u64 = UINT8_MAX },
		[LY_TYPE_UINT16] = { .max_u64 = UINT16_MAX },
		[LY_TYPE_UINT32] = { .max_u64 = UINT32_MAX },
		[LY_TYPE_UINT64] = { .max_u64 = UINT64_MAX },
		[LY_TYPE_INT8] = { { .min_64 = INT8_MIN }, { .max_64 = INT8_MAX } },
		[LY_TYPE_INT16] = { { .min_64 = INT16_MIN }, { .max_64 = INT16_MAX } },
		[LY_TYPE_INT32] = { { .min_64 = INT32_MIN }, { .max_64 = INT32_MAX } },
		[LY_TYPE_INT64] = { { .min_64 = INT64_MIN }, { .max_64 = INT64_MAX } },
	};

	if (type->range)
		say_range(out, type->range, type->basetype, 0);
	else
		say_part(out, &natural[type->basetype], type->basetype, 0);
}

static void allow_decimal(struct buf *out, const struct lysc_type_dec *type)
{
	if (type->range)
		say_range(out, type->range, type->basetype, type->fraction_digits);
	else
		SAY(out, "a number");
	SAY(out, " with at most %u decimals", type->fraction_digits);
}

/* --- names ------------------------------------------------------------------------------------ */

static void allow_names(struct buf *out, const struct lysc_type_bitenum_item *items)
{
	LY_ARRAY_COUNT_TYPE u, count = LY_ARRAY_COUNT(items);

	LY_ARRAY_FOR(items, u)
	{
		if (u == NAMES_MAX) {
			SAY(out, " …");
			break;
		}
		SAY(out, "%s%s", !u ? "" : u + 1 == count ? " or " : ", ", items[u].name);
	}
}

static void say_derived(
	struct buf *out, const struct lysc_ident *base, size_t *count, unsigned nesting)
{
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(base->derived, u)
	{
		const struct lysc_ident *ident = base->derived[u];

		if (*count > NAMES_MAX)
			return;
		if (ident->module->implemented &&
			lys_identity_iffeature_value(ident) == LY_SUCCESS) {
			if (++*count > NAMES_MAX) {
				SAY(out, " …");
				return;
			}
			SAY(out, "%s%s:%s", *count > 1 ? ", " : "", ident->module->name,
				ident->name);
		}
		if (nesting < NESTING_MAX)
			say_derived(out, ident, count, nesting + 1);
	}
}

static void allow_identities(struct buf *out, const struct lysc_type_identityref *type)
{
	LY_ARRAY_COUNT_TYPE u;
	size_t count = 0;

	SAY(out, "an identity derived from ");
	LY_ARRAY_FOR(type->bases, u)
	SAY(out, "%s%s:%s", u ? " and " : "", type->bases[u]->module->name, type->bases[u]->name);
	SAY(out, ": ");
	say_derived(out, type->bases[0], &count, 0);
}

/* --- texts ------------------------------------------------------------------------------------ */

static void say_pattern(struct buf *out, const struct lysc_pattern *pattern)
{
	SAY(out, "text that %s \"%.*s%s\"", pattern->inverted ? "does not match" : "matches",
		PATTERN_MAX, pattern->expr, strlen(pattern->expr) > PATTERN_MAX ? "…" : "");
}

static bool is_named(const char *message, const struct lysc_pattern *pattern)
{
	_cleanup_free_ char *quoted = xasprintf("\"%s\"", pattern->expr);

	return message && strstr(message, quoted);
}

static void allow_string(struct buf *out, const struct lysc_type_str *type, const char *message)
{
	LY_ARRAY_COUNT_TYPE u, count = LY_ARRAY_COUNT(type->patterns);
	bool is_length = message && strstr(message, "length");
	size_t before = out->length;

	LY_ARRAY_FOR(type->patterns, u)
	{
		if (!is_length && is_named(message, type->patterns[u])) {
			say_pattern(out, type->patterns[u]);
			return;
		}
	}
	if (type->length) {
		SAY(out, "text of ");
		say_range(out, type->length, LY_TYPE_STRING, 0);
		SAY(out, " characters");
	}
	for (u = 0; !is_length && u < count; u++) {
		SAY(out, "%s", out->length > before ? ", " : "");
		say_pattern(out, type->patterns[u]);
	}
	if (out->length == before)
		SAY(out, "text");
}

static void allow_binary(struct buf *out, const struct lysc_type_bin *type)
{
	SAY(out, "base64");
	if (!type->length)
		return;
	SAY(out, " of ");
	say_range(out, type->length, LY_TYPE_BINARY, 0);
	SAY(out, " octets");
}

/* ---------------------------------------------------------------------------------------------- */

static const char *known_words(const struct lysc_type *type)
{
	for (size_t i = 0; type->plugin->id && i < ARRAY_SIZE(known); i++) {
		if (strstr(type->plugin->id, known[i].plugin))
			return known[i].words;
	}
	return NULL;
}

static void allow(struct buf *out, const struct lysc_type *type, const char *message);

/* Each of a union's types once: many differ in what a text cannot tell. */
static void allow_union(struct buf *out, const struct lysc_type_union *type)
{
	LY_ARRAY_COUNT_TYPE u;
	size_t said = 0;

	LY_ARRAY_FOR(type->types, u)
	{
		_cleanup_(buf_done) struct buf one = { 0 };

		allow(&one, type->types[u], NULL);
		if (out->length && strstr(buf_bytes(out), buf_bytes(&one)))
			continue;
		if (said == MEMBERS_MAX) {
			SAY(out, " …");
			return;
		}
		SAY(out, "%s%s", said++ ? ", or " : "", buf_bytes(&one));
	}
}

static void allow(struct buf *out, const struct lysc_type *type, const char *message)
{
	const char *words = known_words(type);

	if (words) {
		SAY(out, "%s", words);
		return;
	}
	switch (type->basetype) {
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
	case LY_TYPE_UINT64:
	case LY_TYPE_INT8:
	case LY_TYPE_INT16:
	case LY_TYPE_INT32:
	case LY_TYPE_INT64:
		allow_number(out, (const struct lysc_type_num *)type);
		break;
	case LY_TYPE_DEC64:
		allow_decimal(out, (const struct lysc_type_dec *)type);
		break;
	case LY_TYPE_STRING:
		allow_string(out, (const struct lysc_type_str *)type, message);
		break;
	case LY_TYPE_BINARY:
		allow_binary(out, (const struct lysc_type_bin *)type);
		break;
	case LY_TYPE_BOOL:
		SAY(out, "true or false");
		break;
	case LY_TYPE_ENUM:
		allow_names(out, ((const struct lysc_type_enum *)type)->enums);
		break;
	case LY_TYPE_BITS:
		SAY(out, "any of ");
		allow_names(out, ((const struct lysc_type_bits *)type)->bits);
		break;
	case LY_TYPE_IDENT:
		allow_identities(out, (const struct lysc_type_identityref *)type);
		break;
	case LY_TYPE_LEAFREF:
		allow(out, ((const struct lysc_type_leafref *)type)->realtype, message);
		break;
	case LY_TYPE_UNION:
		allow_union(out, (const struct lysc_type_union *)type);
		break;
	case LY_TYPE_INST:
		SAY(out, "the path of a node");
		break;
	case LY_TYPE_EMPTY:
		SAY(out, "no value");
		break;
	case LY_TYPE_UNKNOWN:
		break;
	}
}

void allowed_text(struct buf *out, const struct lysc_node *schema, const char *message)
{
	allow(out, ((const struct lysc_node_leaf *)schema)->type, message);
}
