/*
 * GRE tunnels (RFC 2784): for packets (type gre), or for frames (gretap). Over IPv6 routers never fragment, so
 * there the size of packets is always found out.
 */

#include <string.h>

#include "ashlar/str.h"

#include "tunnel.h"

#define GRE	  "infix-interfaces:gre"
#define DISCOVERY GRE "/pmtu-discovery"

/* The link kind that an entry stands for; NULL: it is no such tunnel. */
static const struct link_kind *kind_of(const struct lyd_node *entry)
{
	bool is_ipv6 = strchr(node_text(entry, GRE "/local", ""), ':') != NULL;

	if (interface_is(entry, "gre"))
		return is_ipv6 ? &link_kind_ip6gre : &link_kind_gre;
	if (interface_is(entry, "gretap"))
		return is_ipv6 ? &link_kind_ip6gretap : &link_kind_gretap;
	return NULL;
}

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	const char *type = interface_guess(interface_name(unit->node), NULL, NULL);

	return str_equal(type, "gre") || str_equal(type, "gretap")
		? interface_fill_type(edit, unit, type, err)
		: 0;
}

static int check(const struct unit *unit, struct err *err)
{
	const struct link_kind *kind = kind_of(unit->node);

	if (!kind)
		return 0;
	if ((kind == &link_kind_ip6gre || kind == &link_kind_ip6gretap) &&
		!node_bool(unit->node, DISCOVERY, true))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, DISCOVERY,
			"over IPv6 nobody fragments on the way: this cannot be switched off");
	return interface_check_kind(kind, err);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct link_kind *kind = kind_of(unit->node);
	struct link *link;
	int r;

	if (!kind)
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_KIND, GRE, err);
	if (r < 0)
		return r;
	link->kind = kind;
	link->tunnel.discovers_mtu = node_bool(unit->node, DISCOVERY, true);
	r = tunnel_read(node_child(unit->node, GRE), &link->tunnel, err);
	if (r < 0)
		err_prefix(err, GRE);
	return r;
}

static bool is_gre(const struct link *link)
{
	return link->kind == &link_kind_gre || link->kind == &link_kind_gretap ||
		link->kind == &link_kind_ip6gre || link->kind == &link_kind_ip6gretap;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	struct lyd_node *gre = NULL;
	int r;

	if (!link || !is_gre(link) || node_exists(node, GRE "/local") ||
		!(interface_is_shown_as(node, "gre") || interface_is_shown_as(node, "gretap")))
		return 0;
	r = build_container(node, GRE, &gre, err);
	if (r == 0)
		r = tunnel_show(&link->tunnel, gre, err);
	return r < 0 ? r : build_bool(gre, "pmtu-discovery", link->tunnel.discovers_mtu, err);
}

const struct feature feature_gre = {
	.name = "gre",
	.roots = (const char *const[]){ INTERFACE_PATH "/infix-interfaces:gre", NULL },
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
	.link_types = (const char *const[]){ "gre", "gretap", NULL },
};
