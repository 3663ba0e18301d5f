/* What the files about links share: kinds of links, marks, and reading one again. */
#ifndef ASHLAR_KERNEL_LINK_H
#define ASHLAR_KERNEL_LINK_H

#include "kernel-private.h"

struct link_kind {
	const char *name; /* IFLA_INFO_KIND */
	/* Compares kind data only; never OBJECT_SAME for what the kernel would take and ignore. */
	enum object_diff (*compare)(const struct link *want, const struct link *have);
	/* What differs from @have (all of it: NULL, when the link is made) as attributes of
	 * IFLA_INFO_DATA. NULL: no data that could be changed or given that way. */
	void (*put_data)(struct nlmsghdr *nlh, const struct link *want, const struct link *have);
	/* Sends, for a change of kind data that one message beside all else cannot make, messages of its own and
	 * returns true. May be NULL. */
	bool (*send)(struct nl_batch *batch, struct step *step, const struct link *want,
		const struct link *have, struct nl *nl, uint32_t ifindex);
	/* Attributes beside IFLA_LINKINFO that make the link: IFLA_LINK. -ENODEV and the like when what
	 * it stands on is absent. May be NULL. */
	int (*put_base)(struct nlmsghdr *nlh, const struct link *want, struct err *err);
	/* Reads IFLA_INFO_DATA. May be NULL. */
	void (*take_data)(struct link *link, const struct nlattr *data);
	/* Another one of the kind in whose presence this cannot be made. May be NULL. */
	bool (*blocks)(const struct link *have, const struct link *want);
	uint32_t mtu;	       /* with which the kernel begins; 0: 1500 */
	bool mtu_stands_alone; /* data that changes is refused with an MTU beside it */
	/* "this kernel has no …" */
	const char *lacking;
};

/* NULL for a kind that is not managed. */
const struct link_kind *link_kind_by_name(const char *name);

/*
 * What we configured of a link is written into the kernel, where it outlives a restart of ours, a rename and
 * a move to another network namespace: LINK_MARK and a bit for each enum link_attr but LINK_DOWN. With a link that we made
 * that is its group number. The group of a port that exists by itself is its operator's: it gets an
 * alternative name that says the same, LINK_PORT_MARK with the bits, a number that makes it the only one
 * (the port's own at that time), the MAC address it had, where that is to be put back and the kernel
 * does not know it, and its name in configuration.
 */
#define LINK_PORT_MARK	   "ashlar+"
#define LINK_PORT_MARK_MAX sizeof(LINK_PORT_MARK "ff:4294967295:0123456789ab=123456789012345")
#define LINK_MARK	   0x41534800U
#define LINK_MARK_BITS	   0xffU
#define LINK_ALL_ATTRS	   ((1U << LINK_ATTRS) - 1)

static inline bool link_is_marked(uint32_t group)
{
	return (group & ~LINK_MARK_BITS) == LINK_MARK;
}

/* What it is marked with, in either place; 0: not at all. */
static inline uint32_t link_mark(const struct link *link)
{
	return link_is_marked(link->group) ? link->group : link->port_mark;
}

/* The group number of a link to be made: it says what of it is configured. */
uint32_t link_mark_of(const struct link *want);

/* Group of links that are deleted together, by one message. */
#define LINK_DOOMED 0x41534901U

/* We made it, or configuration took it for ours to make: removing it makes it vanish. */
static inline bool link_is_made(const struct link *link)
{
	return link->group == LINK_DOOMED ||
		(link_is_marked(link->group) && (link->group & (1U << LINK_KIND)) != 0);
}

/* A link in another network namespace bears its configured name, with this in front, as an alternative
 * one: it is given before the link moves, so that there is no moment in which it is not known. */
#define LINK_ALTNAME "ashlar:"

/* A value of that size, if it is one; and an end of a tunnel, which tells the family. */
void link_take_number(void *to, size_t size, const struct nlattr *attr);
void link_take_end(struct link_tunnel *tunnel, struct in6_addr *to, const struct nlattr *attr);

/* Whether the link of that name is to be a bond, or is one that is not configured. */
bool link_is_bond(const char *name);
/* Reads IFLA_INFO_SLAVE_DATA of a bond's port. */
void link_take_bond_port(struct link_bond_port *port, const struct nlattr *data);

/* An observed link that is to be as it was is "wanted" by no unit. */
bool link_is_former(const struct link *want);
/* Data node of an attribute of a wanted link; NULL: unknown. */
const char *link_path(const struct link *want, enum link_attr attr);
bool link_has_mac(const uint8_t mac[6]);
/*
 * link-follow.c: what a link has from its ports, or from the link below. Bits of enum link_attr: those that it
 * has for us to see to, while they are not configured; those of them that stay marked because they were set once
 * (or are now: @attrs); and, of one that is to be as it was, those that come back without being told.
 */
uint32_t link_follow_attrs(const struct link *have);
uint32_t link_follow_marks(const struct link *have, uint32_t attrs);
uint32_t link_follow_comes_back(const struct link *want, const struct link *have);
/* Of a bridge: the lowest of its ports'. */
const uint8_t *link_follow_mac(const struct link *bridge);
uint32_t link_follow_mtu(const struct link *bridge);
/* Before a port leaves the bridge; before a link goes, with what is on top of it. */
void link_follow_keep_mac(struct nl_batch *batch, struct step *step, const char *bridge);
void link_follow_keep_macs(struct nl_batch *batch, struct step *step, const struct link *link);
/* The batch was sent. */
void link_follow_forget(void);

/* Flags of a port that has just become one. */
extern const struct link_port link_default_port;
/* Bits of what is to be set so that a port that has @have has what @want says; 0: nothing. */
uint32_t link_port_differences(const struct link_port *want, const struct link_port *have);
/* The cost that the kernel gives to a port of this speed. */
uint32_t link_port_cost(const struct link *link);
/* IFLA_LINKINFO with those of @port. */
void link_put_port(struct nlmsghdr *nlh, const struct link_port *port, uint32_t which);
/* Reads IFLA_INFO_SLAVE_DATA or IFLA_PROTINFO of a bridge's port. */
void link_take_port(struct link_port *port, const struct nlattr *data);
/* A message of family AF_BRIDGE about a port into have. */
void link_port_seen(struct nl *nl, const struct nlmsghdr *nlh);

/* What to set: the values of @want, or the defaults for what is given up. */
struct link_delta {
	uint32_t attrs; /* those that differ */
	uint32_t mtu;
	const char *alias, *master, *netns, *netns_name;
	uint8_t mac[6];
	struct link_port port;
	uint32_t port_fields; /* of the port: see link_port_differences() */
	uint32_t group, port_mark;
	const char *mark_name; /* with the port's mark; may be NULL */
	bool has_group, has_port_mark, has_data, to_up, to_down;
	bool finds_cost; /* the port's cost is the kernel's to find again */
};
/* @was and @have may be NULL; without @have everything that is wanted differs. */
void link_find_delta(struct link_delta *delta, const struct link *want, const struct link *was,
	const struct link *have);

/* Whether the master that the link is to have is a bond. */
bool link_is_for_bond(const struct link *want, const char *master);

/* One message about a link into have; and all there are. */
void link_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event);
int link_dump(struct nl *nl, struct err *err) WARN_UNUSED;
/* Reads the link again that has that name for the kernel; if there is none, nothing. */
int link_read_named(struct nl *nl, const char *name, struct err *err) WARN_UNUSED;

/* A number for a link to be made (of the kind; NULL: it is there already and moves), and what goes by it until
 * the kernel has told of the link. */
uint32_t link_choose_index(
	const char *name, struct nl *nl, uint32_t index, const struct link_kind *kind);
/* Whether a link of that name and kind is made in the batch at hand. */
bool link_is_chosen_as(const char *name, const struct link_kind *kind);

#endif
