/* What the files of this folder ask of each other beyond netlink itself. */
#ifndef ASHLAR_KERNEL_PRIVATE_H
#define ASHLAR_KERNEL_PRIVATE_H

#include "nl.h"

extern const struct target kernel_target;
bool kernel_is_recording(void);

/* Order of making; the reverse of taking away. */
enum kernel_rank {
	KERNEL_RANK_NETNS = 10,
	KERNEL_RANK_LINK = 20,
	KERNEL_RANK_STP_OFF = 25,
	KERNEL_RANK_SYSCTL = 30,
	KERNEL_RANK_ETHERNET = 32,
	KERNEL_RANK_WIREGUARD = 35,
	KERNEL_RANK_BRIDGE_VLAN = 40,
	KERNEL_RANK_BRIDGE_MULTICAST = 45,
	KERNEL_RANK_LINK_UP = 50,
	KERNEL_RANK_BRIDGE_MDB = 55,
	KERNEL_RANK_BRIDGE_FDB = 57,
	KERNEL_RANK_ADDRESS = 60,
	KERNEL_RANK_LINK_LOCAL = 62,
	KERNEL_RANK_NEIGHBOUR = 65,
	KERNEL_RANK_ROUTE = 70,
};

/* Ends what kernel_on_uevent() began. */
void uevent_done(void);
/* Opens the defaults of the knobs. */
int sysctl_init(struct err *err) WARN_UNUSED;
void sysctl_done(void);
/* The per-interface knobs within a link message (IFLA_AF_SPEC), into have. */
void sysctl_seen_link(struct nl *nl, const char *name, const struct nlattr *af_spec);
/* The same of what IPv6 tells of a link when it has come up: what it has made of the knobs by then. */
void sysctl_seen_ipv6(struct nl *nl, const struct nlmsghdr *nlh);
/* The link is gone: its knobs are too. */
void sysctl_link_gone(const char *name);
/* A link has come up, or has another MTU. */
void sysctl_mtu_reset(const char *name);
/* Somebody else has turned a knob for all interfaces: reads those of each again. */
int sysctl_all_written(struct err *err) WARN_UNUSED;
/* sysctl-watch.c: hears of what others write from here on, as far as it can; begun before anything is read. */
void sysctl_watch_start(void);
void sysctl_watch_stop(void);
/* Path of a file below /proc/sys/net through which we write it, malloc'd. */
char *sysctl_path(const char *below);
/* Frees what was read of the neighbours of a link, or of all (NULL). */
void neighbour_forget_learned(const char *link);
/* IPv4 routes through a link that went down, or has lost its last IPv4 address, vanish without a word. */
void route_link_down(const char *name);
/* The same of a link that is gone, and of all routes with a next hop there. */
void route_link_gone(const char *name);
/* VLANs of a link that is gone. */
void bridge_vlan_link_gone(const char *name);
/*
 * The message that begins with the first of the steps was refused: gives the error to the step that it is
 * about, whose index is returned. *ret_rest: the kernel has not come to so many behind that one.
 */
size_t bridge_vlan_failed(struct step *const *steps, size_t count, size_t *ret_rest);
/* The bridge is gone, or the link that was a port. */
void bridge_multicast_link_gone(const char *name);
void bridge_mdb_link_gone(const char *name);
void bridge_fdb_link_gone(const char *name);
/* Of the steps that others' entries were in the way of: those that may be replaced are. */
void bridge_fdb_take_over(struct nl_batch *batch, struct step *const *steps, size_t count);
void bridge_mdb_take_over(struct nl_batch *batch, struct step *const *steps, size_t count);
/* The kernel cuts an interval to its ticks, 250 a second or others: what is seen of one that was told in quarters
 * of a second, all in hundredths. */
uint16_t multicast_startup_told(uint64_t seen);
/* An event tells of a bridge: whether it snoops on each VLAN may have changed. */
void bridge_multicast_seen_link(struct nl *nl, const struct link *link, bool was_by_vlan);
/* A message about VLANs with ports that have a multicast router behind them. */
void bridge_mdb_take_routers(
	struct nl *nl, const char *bridge, uint16_t vid, const struct nlattr *routers);
/* Frees what was read of multicast. */
void bridge_mdb_forget_learned(void);
/* Has bridge_mdb_take_routers() called for all VLANs. */
int bridge_multicast_ask_routers(struct nl *nl) WARN_UNUSED;
/* Somebody has left the VLAN: it is gone with the last one. */
void bridge_multicast_left(const char *bridge, uint16_t vid);
/* Whether anybody is in the VLAN of the bridge. */
bool bridge_vlan_has_members(const char *bridge, uint16_t vid);
/* What a link's message tells of its spanning tree. */
void bridge_stp_seen_link(struct nl *nl, const struct link *link);
/* Opens and reads the namespaces that an earlier run has left. */
int netns_find(struct err *err) WARN_UNUSED;
/*
 * Enters a network namespace for the calls up to netns_leave(*ret_own), which ends the process if the
 * daemon could not come back. With @fd < 0 neither does anything.
 */
int netns_enter(int fd, int *ret_own) WARN_UNUSED;
void netns_leave(int own);

/* Reads keys and peers of a WireGuard link into have: nothing tells of them. */
void wireguard_read(struct nl *nl, const struct link *link);

/* The link is gone, and what was on it. */
void link_forget(const char *name);
/* At the end: what is remembered of links that went. */
void link_forget_gone(void);
/* Numbers chosen for links of the batches at hand: all of them have been told of since. */
void link_forget_chosen(void);
/* Whether a link is to be the port of one that the batch at hand makes: when its former one had the same name,
 * that only shows afterwards. */
bool link_master_is_new(const struct step *step);
int link_refresh(const char *key, struct err *err) WARN_UNUSED;
/*
 * After a step: reads its link again if it was refused, for a message is not atomic, and if it does not look
 * done: of a link that is down the kernel does not tell that its alias, group or alternative names have
 * changed. What a lower MTU does to the VLANs above is believed before the kernel tells.
 */
void link_check(const struct step *step);
/* Without a kernel: what the step means for have. */
void link_record(const struct step *step);
void link_up_record(const struct step *step);
/* Reads the settings of a port into have: it is new, or may have changed. Of other links nothing. */
void ethernet_read(struct nl *nl, const struct link *link);
/* Without a kernel: the step is believed. */
void ethernet_record(const struct step *step);
/* The link is gone. */
void ethernet_link_gone(const char *name);
/* A port of the hardware, of which ethtool can tell. */
bool ethernet_is_port(const struct link *link);

#endif
