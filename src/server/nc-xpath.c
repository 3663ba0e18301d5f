/*
 * A client writes an XPath filter with the prefixes declared where <filter> stands (RFC 6241 section
 * 8.9); below, names carry module names. Only tokens are looked at: names, literals, and the rest, which
 * is copied; whether it is an expression is for the evaluation to say.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/buf.h"

#include "nc-xpath.h"

struct resolver {
	const char *at; /* what is left */
	struct buf out;
	nc_xpath_prefix_fn prefix;
	void *arg;
};

static void append(struct resolver *resolver, const char *text, size_t size)
{
	(void)!buf_append(&resolver->out, text, size); /* no ceiling: follows a bounded message */
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		(unsigned char)c >= 0x80;
}

static size_t name_size(const char *at)
{
	size_t size = 0;

	if (!is_name_start(*at))
		return 0;
	while (is_name_start(at[size]) || (at[size] >= '0' && at[size] <= '9') || at[size] == '-' ||
		at[size] == '.')
		size++;
	return size;
}

/* Appends "module:" for the prefix. */
static int put_prefix(struct resolver *resolver, const char *prefix, size_t size, struct err *err)
{
	bool is_declared;
	const char *module = resolver->prefix(prefix, size, &is_declared, resolver->arg);

	if (module) {
		append(resolver, module, strlen(module));
		append(resolver, ":", 1);
		return 0;
	}
	if (is_declared)
		return err_tagged(err, ERR_TAG_UNKNOWN_NAMESPACE, NULL,
			"the namespace of the prefix \"%.*s\" belongs to no module of ours",
			(int)size, prefix);
	return err_set(
		err, -EINVAL, NULL, "the prefix \"%.*s\" is not declared", (int)size, prefix);
}

/* prefix:name or prefix:*; but axis:: and function() and name are copied. */
static int take_name(struct resolver *resolver, struct err *err)
{
	const char *at = resolver->at;
	size_t size = name_size(at);
	bool is_prefix = at[size] == ':' && (name_size(at + size + 1) || at[size + 1] == '*');

	resolver->at += size + is_prefix;
	if (is_prefix) {
		int ret = put_prefix(resolver, at, size, err);

		if (ret < 0)
			return ret;
		at = resolver->at;
		size = *at == '*' ? 1 : name_size(at);
		resolver->at += size;
	}
	append(resolver, at, size);
	return 0;
}

/* A literal; one that is a qualified name with a declared prefix is taken for an identity's. */
static int take_literal(struct resolver *resolver, struct err *err)
{
	const char *at = resolver->at, *end = strchr(at + 1, *at);
	size_t prefix, name;
	bool is_declared;

	if (!end)
		return err_set(err, -EINVAL, NULL, "unfinished literal in the expression");
	resolver->at = end + 1;
	prefix = name_size(at + 1);
	name = prefix && at[1 + prefix] == ':' ? name_size(at + prefix + 2) : 0;
	if (name && at + prefix + 2 + name == end &&
		resolver->prefix(at + 1, prefix, &is_declared, resolver->arg)) {
		append(resolver, at, 1);
		(void)put_prefix(resolver, at + 1, prefix, NULL); /* was found just now */
		at += prefix + 2;
	}
	append(resolver, at, (size_t)(end + 1 - at));
	return 0;
}

int nc_xpath_resolve(
	const char *xpath, nc_xpath_prefix_fn prefix, void *arg, char **ret_xpath, struct err *err)
{
	struct resolver resolver = { .at = xpath, .prefix = prefix, .arg = arg };
	int ret = 0;

	while (*resolver.at && ret == 0) {
		char c = *resolver.at;

		if (c == '\'' || c == '"')
			ret = take_literal(&resolver, err);
		else if (is_name_start(c))
			ret = take_name(&resolver, err);
		else
			append(&resolver, resolver.at++, 1);
	}
	if (ret < 0) {
		buf_done(&resolver.out);
		return ret;
	}
	*ret_xpath = buf_take(&resolver.out);
	return 0;
}
