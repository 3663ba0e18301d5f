/*
 * Name resolution (RFC 7317, infix-system): /etc/resolv.conf, of which libc takes three servers. What is shown is
 * what is there, whoever has written it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/feature.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#define SERVERS_MAX 3
#define STATE	    "/ietf-system:system-state/infix-system:dns-resolver"

static int check(const struct unit *unit, struct err *err)
{
	const struct lyd_node *server;
	unsigned count = 0;

	NODE_FOREACH (server, unit->node, "server")
		if (++count > SERVERS_MAX)
			return err_set(
				err, -E2BIG, "server", "at most %d name servers", SERVERS_MAX);
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *node;
	struct genfile *file;
	char *text;
	size_t size = 0;
	FILE *out;

	if (!node_child(unit->node, "server") && !node_child(unit->node, "search"))
		return 0;
	out = open_memstream(&text, &size);
	fputs(GENFILE_MARK "\n", out);
	if (node_child(unit->node, "search")) {
		fputs("search", out);
		NODE_FOREACH (node, unit->node, "search")
			fprintf(out, " %s", node_value(node));
		fputc('\n', out);
	}
	NODE_FOREACH (node, unit->node, "server")
		fprintf(out, "nameserver %s\n", node_text(node, "udp-and-tcp/address", ""));
	fprintf(out, "options timeout:%llu attempts:%llu\n",
		(unsigned long long)node_u64(unit->node, "options/timeout", 5),
		(unsigned long long)node_u64(unit->node, "options/attempts", 2));
	fclose(out);
	file = want_object(want, &object_kind_genfile, GENFILE_RESOLV,
		node_child(unit->node, "server") ? "server" : "search");
	want_needs(file, &object_kind_machine, MACHINE_KEY);
	file->text = text;
	return 0;
}

/* --- what is there ---------------------------------------------------------------------------------- */

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (str_equal(unit_schema->parent ? unit_schema->parent->name : "", "system-state"))
		add(arg, NULL);
}

static int show_server(struct lyd_node *node, const char *address, struct err *err)
{
	struct lyd_node *server = NULL;
	unsigned char ignored[sizeof(struct in6_addr)];
	char bare[INET6_ADDRSTRLEN];
	int r;

	/* a zone is none of the leaf's business */
	if (str_copy(bare, sizeof(bare), address) < 0)
		return 0;
	bare[strcspn(bare, "%")] = '\0';
	if (inet_pton(AF_INET, bare, ignored) != 1 && inet_pton(AF_INET6, bare, ignored) != 1)
		return 0;
	if (node_entry(node, "server", bare))
		return 0;
	r = build_entry(node, "server", bare, &server, err);
	return r < 0 ? r : build_leaf(server, "origin", "static", err);
}

static int show_option(struct lyd_node *options, const char *word, struct err *err)
{
	static const char *const names[] = { "timeout", "attempts" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t length = strlen(names[i]);
		uint64_t value;

		if (str_starts(word, names[i]) && word[length] == ':' &&
			str_u64(word + length + 1, 0, UINT8_MAX, &value) == 0)
			return build_u64(options, names[i], value, err);
	}
	return 0;
}

static int show_line(struct lyd_node *node, char *line, struct err *err)
{
	char *rest = NULL, *word = strtok_r(line, " \t", &rest);
	bool is_server = str_equal(word, "nameserver"), is_search = str_equal(word, "search");
	struct lyd_node *options = NULL;
	int r = 0;

	if (str_equal(word, "options"))
		r = build_container(node, "options", &options, err);
	while (r == 0 && word && (word = strtok_r(NULL, " \t", &rest))) {
		if (is_server)
			return show_server(node, word, err);
		if (is_search)
			r = build_item(node, "search", word, err);
		else if (options)
			r = show_option(options, word, err);
	}
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct genfile *file = have_get(have, &object_kind_genfile, GENFILE_RESOLV);
	_cleanup_free_ char *text = file && !file->is_link ? xstrdup(file->text) : NULL;
	char *rest = text, *line;
	int r = 0;

	if (!str_equal(node->schema->parent->name, "system-state"))
		return 0;
	while (r == 0 && (line = strsep(&rest, "\n")))
		r = show_line(node, line, err);
	return r;
}

const struct feature feature_dns = {
	.name = "dns",
	.modules = (const struct feature_module[]){ { "infix-system", NULL }, { NULL, NULL } },
	.roots = (const char *const[]){ "/ietf-system:system/dns-resolver", NULL },
	.check = check,
	.want = want,
	.units = units,
	.show = show,
	.state_roots = (const char *const[]){ STATE, NULL },
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_genfile, STATE, NULL },
			{ NULL, NULL, NULL },
		},
};
