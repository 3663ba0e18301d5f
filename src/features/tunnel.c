/*
 * An odd type of service tells the kernel to take over that of the inner packet, so there are no odd ones to
 * be had: the last bit belongs to congestion notification, which the kernel cares for itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "tunnel.h"

static int read_end(const struct lyd_node *container, const char *leaf, uint8_t family,
	struct in6_addr *to, struct err *err)
{
	const char *text = node_text(container, leaf, "");

	if (inet_pton(family, text, to) == 1)
		return 0;
	return err_set(err, -EINVAL, leaf, "\"%s\" is not an address without a zone", text);
}

int tunnel_read(const struct lyd_node *container, struct link_tunnel *tunnel, struct err *err)
{
	const char *ttl = node_text(container, "ttl", "64");
	const char *tos = node_text(container, "tos", "inherit");
	int r;

	tunnel->family = strchr(node_text(container, "local", ""), ':') ? AF_INET6 : AF_INET;
	r = read_end(container, "local", tunnel->family, &tunnel->local, err);
	if (r == 0)
		r = read_end(container, "remote", tunnel->family, &tunnel->remote, err);
	if (r < 0)
		return r;
	tunnel->inherits_ttl = str_equal(ttl, "inherit");
	if (!tunnel->inherits_ttl)
		tunnel->ttl = (uint8_t)node_u64(container, "ttl", 64);
	tunnel->inherits_tos = str_equal(tos, "inherit");
	if (!tunnel->inherits_tos)
		tunnel->tos = (uint8_t)node_u64(container, "tos", 0);
	if (tunnel->tos & 1)
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "tos",
			"%u: the kernel takes an odd type of service for \"inherit\"", tunnel->tos);
	return 0;
}

static int show_end(const struct link_tunnel *tunnel, const struct in6_addr *end,
	struct lyd_node *container, const char *leaf, struct err *err)
{
	char text[INET6_ADDRSTRLEN];

	if (!tunnel->family || !inet_ntop(tunnel->family, end, text, sizeof(text)))
		return 0;
	return build_leaf(container, leaf, text, err);
}

int tunnel_show(const struct link_tunnel *tunnel, struct lyd_node *container, struct err *err)
{
	int r = show_end(tunnel, &tunnel->local, container, "local", err);

	if (r == 0)
		r = show_end(tunnel, &tunnel->remote, container, "remote", err);
	if (r == 0 && tunnel->inherits_ttl)
		r = build_leaf(container, "ttl", "inherit", err);
	else if (r == 0 && tunnel->ttl)
		r = build_u64(container, "ttl", tunnel->ttl, err);
	if (r < 0)
		return r;
	return tunnel->inherits_tos ? build_leaf(container, "tos", "inherit", err)
				    : build_u64(container, "tos", tunnel->tos, err);
}
