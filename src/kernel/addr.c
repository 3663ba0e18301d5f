/*
 * Addresses. Ours bear IFA_PROTO 66. An IPv4 address is known by link, address and prefix length, an IPv6
 * one by link and address alone (a second prefix length is accepted by the kernel and ignored), so a
 * changed length is a removal and an addition: two keys here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "kernel-private.h"
#include "link-local.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11
#endif
#define PROTO_LO 1
#define PROTO_RA 2
#define PROTO_LL 3

#define FOREVER	     0xffffffffU
#define IPV6_MIN_MTU 1280

static size_t addr_size(uint8_t family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

void address_key(
	char *key, const char *link, uint8_t family, const void *addr, uint8_t prefix_length)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(family, addr, text, sizeof(text));
	snprintf(key, ADDRESS_KEY_MAX, "%s %s/%u", link, text, prefix_length);
}

static enum object_diff address_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct address *observed = (const struct address *)have;

	/* One with a lifetime would go away again. */
	return kernel_is_recording() || observed->valid_s == FOREVER ? OBJECT_SAME : OBJECT_CHANGE;
}

static void address_describe(const struct object *object, char *text, size_t size)
{
	const char *space = strchr(object->key, ' ');

	snprintf(text, size, "address %s on %s", space ? space + 1 : "",
		((const struct address *)object)->link);
}

static enum object_owner address_owner(const struct object *have)
{
	switch (((const struct address *)have)->protocol) {
	case KERNEL_PROTOCOL:
		return OBJECT_OURS;
	case KERNEL_PROTOCOL_LINK_LOCAL: /* is taken away with what looks after it */
		return state_wanted(&object_kind_link_local, ((const struct address *)have)->link)
			? OBJECT_LEARNED
			: OBJECT_OURS;
	case PROTO_LO:
	case PROTO_RA:
	case PROTO_LL:
		return OBJECT_LEARNED;
	default:
		return OBJECT_FOREIGN;
	}
}

static size_t address_groups(const struct object *have, const char **ret_names)
{
	ret_names[0] = ((const struct address *)have)->link;
	return 1;
}

const struct object_kind object_kind_address = {
	.name = "address",
	.rank = KERNEL_RANK_ADDRESS,
	.size = sizeof(struct address),
	.target = &kernel_target,
	.compare = address_compare,
	.describe = address_describe,
	.owner = address_owner,
	.groups = address_groups,
};

/* --- writing ---------------------------------------------------------------------------------- */

static int address_encode(struct nl_batch *batch, struct step *step)
{
	const struct address *address =
		(const struct address *)(step->want ? step->want : step->have);
	bool removes = step->op == STEP_REMOVE;
	uint8_t protocol = address->object.want ? KERNEL_PROTOCOL : address->protocol;
	struct nl *nl;
	uint32_t ifindex = link_index(address->link, &nl);
	struct nlmsghdr *nlh;
	struct ifaddrmsg *ifa;

	if (!ifindex) {
		if (removes)
			return 0; /* went with its link */
		return err_set(&step->err, -ENODEV, NULL, "%s does not exist", address->link);
	}
	/* Replacing takes over one that the kernel has made meanwhile (those of lo). */
	nlh = nl_batch_begin(batch, nl, removes ? RTM_DELADDR : RTM_NEWADDR,
		removes ? 0 : NLM_F_CREATE | NLM_F_REPLACE, step, removes ? EADDRNOTAVAIL : 0);
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = address->family;
	ifa->ifa_prefixlen = address->prefix_length;
	ifa->ifa_index = ifindex;
	ifa->ifa_scope = address->scope;
	mnl_attr_put(nlh, IFA_LOCAL, addr_size(address->family), &address->in6);
	mnl_attr_put(nlh, IFA_ADDRESS, addr_size(address->family), &address->in6);
	if (!removes && protocol) /* one of others that comes back stays theirs */
		mnl_attr_put_u8(nlh, IFA_PROTO, protocol);
	nl_batch_end(batch);
	return 0;
}

/* As observed, or as it is going to be: a change of the same batch has not been told of yet. */
static bool has_small_mtu(const char *name)
{
	const struct link *link = have_get(have_all(), &object_kind_link, name);
	const struct link *wanted = (const struct link *)state_wanted(&object_kind_link, name);

	return (link && link->mtu < IPV6_MIN_MTU) ||
		(wanted && (wanted->set & (1U << LINK_MTU)) && wanted->mtu < IPV6_MIN_MTU);
}

static const char *address_explain(const struct step *step, int error)
{
	const struct address *address =
		(const struct address *)(step->want ? step->want : step->have);

	if (address->family == AF_INET6 && has_small_mtu(address->link))
		return "IPv6 needs an MTU of at least 1280 bytes";
	switch (error) {
	case EEXIST:
		return "the address is there already";
	case EACCES:
		return "IPv6 is disabled on this interface";
	case ENODEV:
		return "the interface does not exist";
	default:
		return NULL;
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

static void take_attributes(struct address *address, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;
	bool has_local = false;

	mnl_attr_for_each (attr, nlh, sizeof(struct ifaddrmsg)) {
		uint16_t type = mnl_attr_get_type(attr), size = mnl_attr_get_payload_len(attr);
		const void *data = mnl_attr_get_payload(attr);

		if ((type == IFA_LOCAL || (type == IFA_ADDRESS && !has_local)) &&
			size == addr_size(address->family)) {
			memcpy(&address->in6, data, size);
			has_local |= type == IFA_LOCAL;
		} else if (type == IFA_FLAGS && size == sizeof(uint32_t)) {
			address->flags = mnl_attr_get_u32(attr);
		} else if (type == IFA_PROTO && size == sizeof(uint8_t)) {
			address->protocol = mnl_attr_get_u8(attr);
		} else if (type == IFA_CACHEINFO && size >= sizeof(struct ifa_cacheinfo)) {
			const struct ifa_cacheinfo *info = data;

			address->valid_s = info->ifa_valid;
			address->preferred_s = info->ifa_prefered;
		}
	}
}

static bool has_ipv4(const char *link)
{
	void *const *objects;
	size_t count = have_group(have_all(), &object_kind_address, link, &objects);

	for (size_t i = 0; i < count; i++) {
		if (((const struct address *)objects[i])->family == AF_INET)
			return true;
	}
	return false;
}

static void address_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct address parsed = { .valid_s = FOREVER, .preferred_s = FOREVER }, *address;
	char key[ADDRESS_KEY_MAX];
	const char *name;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
		(ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return;
	name = nl_name_of(nl, ifa->ifa_index);
	if (!name || (*nl->netns && str_equal(name, "lo")))
		return;
	parsed.family = ifa->ifa_family;
	parsed.prefix_length = ifa->ifa_prefixlen;
	parsed.scope = ifa->ifa_scope;
	parsed.flags = ifa->ifa_flags;
	take_attributes(&parsed, nlh);
	address_key(key, name, parsed.family, &parsed.in6, parsed.prefix_length);
	if (nlh->nlmsg_type == RTM_DELADDR) {
		have_remove(&object_kind_address, key);
		if (parsed.protocol == KERNEL_PROTOCOL_LINK_LOCAL)
			link_local_address_gone(name, parsed.in);
		if (parsed.family == AF_INET && !has_ipv4(name))
			route_link_down(name);
		return;
	}
	address = object_new(&object_kind_address, key);
	parsed.object = address->object;
	*address = parsed;
	if (str_copy(address->link, sizeof(address->link), name) < 0) {
		object_free(&address->object);
		return;
	}
	watch_put(nl, &address->object);
}

struct dump {
	struct nl *nl;
};

static int take_address(const struct nlmsghdr *nlh, void *arg)
{
	address_seen(((struct dump *)arg)->nl, nlh, false);
	return 0;
}

static int address_dump(struct nl *nl, struct err *err)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct dump dump = { nl };
	int r;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	r = nl_request(nl, nlh, take_address, &dump);
	return r < 0 ? err_set(err, r, NULL, "reading addresses: %s", strerror(-r)) : 0;
}

static const uint16_t types[] = { RTM_NEWADDR, RTM_DELADDR, 0 };

const struct nl_object address_object = {
	.kind = &object_kind_address,
	.encode = address_encode,
	.types = types,
	.seen = address_seen,
	.dump = address_dump,
	.explain = address_explain,
};
