/*
 * What the kernel tells: a dump of everything at the start, events from then on, one parser for both. When
 * events were lost (ENOBUFS) everything is dumped again.
 *
 * Forwarding-database noise, which comes in the neighbours' group, and other people's routes are kept out by
 * a filter. After own batches the event socket is drained at once, because the events of a change are queued before its
 * acknowledgement.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/neighbour.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "kernel-private.h"

#define EVENTS_PER_TURN 256
#define EVENTS_AT_ONCE	32
#define EVENT_BYTES	(64 * 1024) /* one port's VLAN list exceeds 32 KiB */

static const unsigned groups[] = {
	RTNLGRP_LINK,
	RTNLGRP_IPV4_IFADDR,
	RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV6_IFINFO,
	RTNLGRP_NEIGH,
	RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE,
	RTNLGRP_IPV4_NETCONF,
	RTNLGRP_IPV6_NETCONF,
	RTNLGRP_MDB,
	RTNLGRP_BRVLAN,
};

static const struct nl_object *const in_dump_order[] = {
	&link_object,
	&ethernet_object,
	&address_object,
	&neighbour_object,
	&bridge_vlan_object,
	&bridge_multicast_object,
	&bridge_mdb_object,
	&bridge_fdb_object,
	&route_object,
	&sysctl_object,
	&wireguard_object,
};

/*
 * What is not worth a look is not even queued: neighbours but for IPv4 and IPv6 ones (forwarding databases come
 * in their group) and static entries of those; routes of others, but for those that were put where another one
 * was (ours perhaps): a new one is NLM_F_EXCL. What is loaded has the network's byte order, which netlink has not.
 */
#define DROP   BPF_STMT(BPF_RET | BPF_K, 0)
#define ACCEPT BPF_STMT(BPF_RET | BPF_K, UINT32_MAX)
static struct sock_filter wanted[] = {
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0 /* RTM_NEWNEIGH */, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0 /* RTM_DELNEIGH */, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0 /* RTM_NEWROUTE */, 9, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0 /* RTM_DELROUTE */, 11, 0),
	ACCEPT,
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_family)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 3, 0),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_state)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0 /* NUD_NOARP */, 1, 0),
	DROP,
	ACCEPT,
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_flags)),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0 /* NLM_F_EXCL */, 1, 0),
	ACCEPT,
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KERNEL_PROTOCOL, 1, 0),
	DROP,
	ACCEPT,
};

/* Which objects of a namespace the dump that runs has seen. */
static struct {
	struct nl *nl;
	struct map seen; /* key → the object */
} dumping;

/* What is not used of them is never touched, and takes no memory. */
static char buffers[EVENTS_AT_ONCE][EVENT_BYTES];
static uint64_t now_ms;

uint64_t watch_now_ms(void)
{
	return now_ms;
}

void watch_put(struct nl *nl, struct object *observed)
{
	if (dumping.nl == nl)
		map_put_str(&dumping.seen, observed->key, observed);
	have_put(observed);
}

void watch_forget(struct nl *nl, const char *key)
{
	if (dumping.nl == nl)
		(void)map_del_str(&dumping.seen, key);
}

/* --- events ----------------------------------------------------------------------------------- */

static bool reads_type(const struct nl_object *object, uint16_t type)
{
	for (const uint16_t *t = object->types; t && *t; t++) {
		if (*t == type)
			return true;
	}
	return false;
}

static void hand_on(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	for (size_t i = 0; i < ARRAY_SIZE(in_dump_order); i++) {
		if (reads_type(in_dump_order[i], nlh->nlmsg_type))
			in_dump_order[i]->seen(nl, nlh, is_event);
	}
}

/* How many were read; 0: there are none; < 0: failed. */
static int read_some(struct nl *nl)
{
	struct mmsghdr messages[EVENTS_AT_ONCE] = { 0 };
	struct iovec parts[EVENTS_AT_ONCE];
	int count;

	for (size_t i = 0; i < EVENTS_AT_ONCE; i++) {
		parts[i] = (struct iovec){ buffers[i], sizeof(buffers[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(
		mnl_socket_get_fd(nl->events), messages, EVENTS_AT_ONCE, MSG_DONTWAIT, NULL);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	now_ms = clock_ms();
	for (int i = 0; i < count; i++) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffers[i];
		int left = (int)messages[i].msg_len;

		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			hand_on(nl, nlh, true);
	}
	return count;
}

static void recover(struct nl *nl, int error)
{
	_cleanup_err_ struct err err = { 0 };

	if (error != -ENOBUFS)
		log_error("watch", "reading kernel events: %s", strerror(-error));
	else
		log_warning("watch", "kernel events were lost, reading everything again");
	if (watch_dump(nl, &err) < 0)
		log_error("watch", "%s", err_text(&err));
}

static void drain(struct nl *nl, int limit)
{
	bool can_wait = limit <= EVENTS_PER_TURN; /* what comes by itself */
	int r = 1;

	while (r > 0 && limit > 0 && !(can_wait && loop_should_yield())) {
		r = read_some(nl);
		limit -= r;
	}
	if (r < 0)
		recover(nl, r);
}

void watch_drain(void)
{
	struct nl *nl;

	if (dumping.nl)
		return;
	for (size_t i = 0; (nl = nl_at(i)); i++) {
		if (nl->watch)
			drain(nl, 1 << 20);
	}
}

static void on_readable(unsigned events, void *arg)
{
	drain(arg, EVENTS_PER_TURN);
}

static void filter(const struct nl *nl)
{
	struct sock_fprog program = { ARRAY_SIZE(wanted), wanted };

	wanted[1].k = htons(RTM_NEWNEIGH);
	wanted[2].k = htons(RTM_DELNEIGH);
	wanted[3].k = htons(RTM_NEWROUTE);
	wanted[4].k = htons(RTM_DELROUTE);
	wanted[10].k = htons(NUD_NOARP);
	wanted[14].k = htons(NLM_F_EXCL);
	if (setsockopt(mnl_socket_get_fd(nl->events), SOL_SOCKET, SO_ATTACH_FILTER, &program,
		    sizeof(program)) < 0)
		log_debug("watch", "no filter: %s", strerror(errno)); /* only more to read */
}

int watch_start(struct nl *nl, struct err *err)
{
	filter(nl);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (mnl_socket_setsockopt(nl->events, NETLINK_ADD_MEMBERSHIP, (void *)&groups[i],
			    sizeof(groups[i])) < 0 &&
			groups[i] != RTNLGRP_BRVLAN) /* absent without bridge VLAN filtering */
			return err_set(err, -errno, NULL,
				"cannot listen to the kernel's events: %s", strerror(errno));
	}
	nl->watch = loop_watch_new(
		"netlink-events", mnl_socket_get_fd(nl->events), LOOP_READ, on_readable, nl);
	return watch_dump(nl, err);
}

/* --- dumps ------------------------------------------------------------------------------------ */

/* In which namespace an observed object lives. */
static bool lives_in(const struct object *object, const struct nl *nl)
{
	return str_equal(object_netns(object), nl->netns);
}

static void drop_unseen(struct nl *nl, const struct object_kind *kind)
{
	char **gone = NULL;
	size_t count = 0, room = 0, at = 0;
	struct object *object;

	while ((object = have_next(have_all(), kind, &at))) {
		if (!lives_in(object, nl) || map_get_str(&dumping.seen, object->key))
			continue;
		ARRAY_GROW(gone, count, room);
		gone[count++] = xstrdup(object->key);
	}
	for (size_t i = 0; i < count; i++) {
		if (kind == &object_kind_link)
			link_forget(gone[i]);
		else
			have_remove(kind, gone[i]);
		free(gone[i]);
	}
	free(gone);
}

int watch_dump(struct nl *nl, struct err *err)
{
	int r = 0;

	if (dumping.nl)
		return 0;
	now_ms = clock_ms();
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(in_dump_order); i++) {
		const struct nl_object *object = in_dump_order[i];

		if (!object->dump)
			continue; /* comes with the links */
		dumping.nl = nl;
		r = object->dump(nl, err);
		if (r == 0)
			drop_unseen(nl, object->kind);
		map_done(&dumping.seen);
		memset(&dumping, 0, sizeof(dumping));
	}
	return r;
}
