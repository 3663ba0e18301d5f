/*
 * Neighbours: which MAC address an IP address of the same network has. Those that are configured are permanent
 * entries of the kernel's tables, ours bear protocol 66; they are observed like everything else that is
 * configured. What the kernel has learned by ARP and neighbour discovery changes all the time and nobody is
 * told: it is read when it is asked for, and holds until it is read again.
 *
 * A link that goes down, or gets another MAC address, loses its permanent entries too: those that are wanted
 * come back by the kernel's events.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "kernel-private.h"

/* What was read of one link. */
struct learned {
	struct neighbour *items;
	size_t count, room;
	char link[KERNEL_NAME_MAX];
};

static struct map learned; /* name of the link → struct learned */

static size_t addr_size(uint8_t family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

void neighbour_key(char *key, const char *link, uint8_t family, const void *addr)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(family, addr, text, sizeof(text));
	snprintf(key, NEIGHBOUR_KEY_MAX, "%s %s", link, text);
}

static enum object_diff neighbour_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct neighbour *a = (const struct neighbour *)want,
			       *b = (const struct neighbour *)have;

	if (memcmp(a->mac, b->mac, sizeof(a->mac)))
		return OBJECT_CHANGE;
	return kernel_is_recording() || b->protocol == KERNEL_PROTOCOL ? OBJECT_SAME
								       : OBJECT_CHANGE;
}

static void neighbour_describe(const struct object *object, char *text, size_t size)
{
	const char *space = strchr(object->key, ' ');

	snprintf(text, size, "neighbour %s on %s", space ? space + 1 : "",
		((const struct neighbour *)object)->link);
}

static enum object_owner neighbour_owner(const struct object *have)
{
	return ((const struct neighbour *)have)->protocol == KERNEL_PROTOCOL ? OBJECT_OURS
									     : OBJECT_FOREIGN;
}

static size_t neighbour_groups(const struct object *have, const char **ret_names)
{
	ret_names[0] = ((const struct neighbour *)have)->link;
	return 1;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_message(struct nl_batch *batch, struct nl *nl, uint32_t ifindex, struct step *step,
	const struct neighbour *neighbour, bool removes)
{
	struct nlmsghdr *nlh = nl_batch_begin(batch, nl, removes ? RTM_DELNEIGH : RTM_NEWNEIGH,
		removes ? 0 : NLM_F_CREATE | NLM_F_REPLACE, step, removes ? ENOENT : 0);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	uint8_t protocol = neighbour->state ? neighbour->protocol : KERNEL_PROTOCOL;

	ndm->ndm_family = neighbour->family;
	ndm->ndm_ifindex = (int)ifindex;
	mnl_attr_put(nlh, NDA_DST, addr_size(neighbour->family), &neighbour->in6);
	if (!removes) {
		ndm->ndm_state = NUD_PERMANENT;
		mnl_attr_put(nlh, NDA_LLADDR, sizeof(neighbour->mac), neighbour->mac);
		if (protocol)
			mnl_attr_put_u8(nlh, NDA_PROTOCOL, protocol);
	}
	nl_batch_end(batch);
}

static int neighbour_encode(struct nl_batch *batch, struct step *step)
{
	const struct neighbour *neighbour =
		(const struct neighbour *)(step->want ? step->want : step->have);
	bool removes = step->op == STEP_REMOVE;
	struct nl *nl;
	uint32_t ifindex = link_index(neighbour->link, &nl);

	if (!ifindex) {
		if (removes)
			return 0; /* went with its link */
		return err_set(&step->err, -ENODEV, NULL, "%s does not exist", neighbour->link);
	}
	/* Undoing: the kernel does not forget whose an entry was, so one that was nobody's is made anew. */
	if (!removes && neighbour->state && !neighbour->protocol)
		put_message(batch, nl, ifindex, step, neighbour, true);
	put_message(batch, nl, ifindex, step, neighbour, removes);
	return 0;
}

static const char *neighbour_explain(const struct step *step, int error)
{
	switch (error) {
	case EINVAL:
		return "the kernel refuses this address on this interface";
	case ENODEV:
		return "the interface does not exist";
	case ENOBUFS:
		return "the kernel's table of neighbours is full";
	default:
		return NULL;
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

/* false: it is none of our business. */
static bool parse(struct nl *nl, const struct nlmsghdr *nlh, struct neighbour *neighbour)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	const char *name;
	bool has_address = false;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) ||
		(ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) ||
		ndm->ndm_flags & NTF_PROXY)
		return false;
	name = nl_name_of(nl, (uint32_t)ndm->ndm_ifindex);
	if (!name || (*nl->netns && str_equal(name, "lo")) ||
		str_copy(neighbour->link, sizeof(neighbour->link), name) < 0)
		return false;
	neighbour->family = ndm->ndm_family;
	neighbour->state = ndm->ndm_state;
	neighbour->is_router = ndm->ndm_flags & NTF_ROUTER;
	mnl_attr_for_each (attr, nlh, sizeof(*ndm)) {
		uint16_t type = mnl_attr_get_type(attr), size = mnl_attr_get_payload_len(attr);
		const void *data = mnl_attr_get_payload(attr);

		if (type == NDA_DST && size == addr_size(neighbour->family)) {
			memcpy(&neighbour->in6, data, size);
			has_address = true;
		} else if (type == NDA_LLADDR && size == sizeof(neighbour->mac)) {
			memcpy(neighbour->mac, data, size);
			neighbour->has_mac = true;
		} else if (type == NDA_PROTOCOL && size == sizeof(uint8_t)) {
			neighbour->protocol = mnl_attr_get_u8(attr);
		}
	}
	return has_address;
}

static void neighbour_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	struct neighbour parsed = { .family = 0 }, *neighbour;
	char key[NEIGHBOUR_KEY_MAX];

	if (!parse(nl, nlh, &parsed))
		return;
	neighbour_key(key, parsed.link, parsed.family, &parsed.in6);
	if (nlh->nlmsg_type == RTM_DELNEIGH || !(parsed.state & NUD_PERMANENT)) {
		have_remove(&object_kind_neighbour, key);
		return;
	}
	neighbour = object_new(&object_kind_neighbour, key);
	parsed.object = neighbour->object;
	*neighbour = parsed;
	watch_put(nl, &neighbour->object);
}

/* Of all links, or of one. */
static int ask(struct nl *nl, uint32_t ifindex, nl_reply_fn take)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ndmsg *ndm;
	int r = 0;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_DUMP;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	if (ifindex)
		mnl_attr_put_u32(nlh, NDA_IFINDEX, ifindex);
	for (size_t i = 0; r == 0 && i < 2; i++) {
		ndm->ndm_family = i ? AF_INET6 : AF_INET;
		r = nl_request(nl, nlh, take, nl);
	}
	return r;
}

static int take_neighbour(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type == RTM_NEWNEIGH)
		neighbour_seen(arg, nlh, false);
	return 0;
}

static int neighbour_dump(struct nl *nl, struct err *err)
{
	int r = ask(nl, 0, take_neighbour);

	return r < 0 ? err_set(err, r, NULL, "reading neighbours: %s", strerror(-r)) : 0;
}

/* --- what was learned ------------------------------------------------------------------------- */

static void learned_free(struct learned *of)
{
	if (!of)
		return;
	free(of->items);
	free(of);
}

void neighbour_forget_learned(const char *link)
{
	struct learned *of;
	size_t at = 0;

	if (link) {
		learned_free(map_del_str(&learned, link));
		return;
	}
	while ((of = map_next(&learned, &at)))
		learned_free(of);
	map_done(&learned);
}

static int take_learned(const struct nlmsghdr *nlh, void *arg)
{
	struct neighbour parsed = { .family = 0 };
	struct learned *of;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || !parse(arg, nlh, &parsed) ||
		!(parsed.state &
			(NUD_INCOMPLETE | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)))
		return 0;
	of = map_get_str(&learned, parsed.link);
	if (!of) {
		of = XNEW(struct learned);
		memcpy(of->link, parsed.link, sizeof(of->link));
		map_put_str(&learned, of->link, of);
	}
	ARRAY_GROW(of->items, of->count, of->room);
	of->items[of->count++] = parsed;
	return 0;
}

/* A dump that had to be begun anew tells of some twice: whoever shows them sees it by their addresses. */
static int neighbour_refresh(const char *link, struct err *err)
{
	struct nl *nl;
	uint32_t ifindex;
	int r = 0;

	if (kernel_is_recording())
		return 0;
	neighbour_forget_learned(link);
	if (link) {
		ifindex = link_index(link, &nl);
		r = ifindex ? ask(nl, ifindex, take_learned) : 0;
	}
	for (size_t i = 0; r == 0 && !link && (nl = nl_at(i)); i++)
		r = ask(nl, 0, take_learned);
	return r < 0 ? err_set(err, r, NULL, "reading neighbours: %s", strerror(-r)) : 0;
}

size_t neighbour_learned(const char *link, const struct neighbour **ret_items)
{
	const struct learned *of = map_get_str(&learned, link);

	*ret_items = of ? of->items : NULL;
	return of ? of->count : 0;
}

/* --- tables ------------------------------------------------------------------------------------ */

const struct object_kind object_kind_neighbour = {
	.name = "neighbour",
	.rank = KERNEL_RANK_NEIGHBOUR,
	.size = sizeof(struct neighbour),
	.target = &kernel_target,
	.compare = neighbour_compare,
	.describe = neighbour_describe,
	.owner = neighbour_owner,
	.groups = neighbour_groups,
	.refresh = neighbour_refresh,
};

static const uint16_t types[] = { RTM_NEWNEIGH, RTM_DELNEIGH, 0 };

const struct nl_object neighbour_object = {
	.kind = &object_kind_neighbour,
	.encode = neighbour_encode,
	.types = types,
	.seen = neighbour_seen,
	.dump = neighbour_dump,
	.explain = neighbour_explain,
};
