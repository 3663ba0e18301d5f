/*
 * What generic netlink tells of in our own namespace: settings of ports that somebody has changed (ethtool),
 * switches and ports that have come or gone (devlink). A message is only taken for a hint: the port is read
 * again, or all switches after this turn. Events of our own changes come here, too, and find nothing new.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"

#include "devlink.h"
#include "ethtool.h"

#define EVENTS_PER_TURN 64
#define EVENT_BYTES	(32 * 1024)

static struct {
	struct mnl_socket *socket;
	struct loop_watch *watch;
	struct loop_task *switches;
	int ethtool, devlink; /* numbers of the families; < 0: the kernel has it not */
	char buffer[EVENT_BYTES];
} self;

static void read_port(const struct nlmsghdr *nlh)
{
	struct nl *nl = nl_of("");
	const char *name = nl_name_of(nl, ethtool_ifindex(nlh));
	const struct link *link = name ? have_get(have_all(), &object_kind_link, name) : NULL;

	if (link && !link->netns)
		ethernet_read(nl, link);
}

static void read_switches(void *arg)
{
	devlink_read();
}

static bool is_settings(uint8_t command)
{
	return command == ETHTOOL_MSG_LINKMODES_NTF || command == ETHTOOL_MSG_LINKINFO_NTF ||
		command == ETHTOOL_MSG_PAUSE_NTF;
}

static void hand_on(const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*genl))
		return;
	if (nlh->nlmsg_type == self.ethtool && is_settings(genl->cmd))
		read_port(nlh);
	else if (nlh->nlmsg_type == self.devlink)
		loop_task_schedule(self.switches);
}

/* Some were lost. */
static void read_all(void)
{
	_cleanup_err_ struct err err = { 0 };

	log_warning("ethtool", "events were lost, reading everything again");
	if (watch_dump(nl_of(""), &err) < 0)
		log_error("ethtool", "%s", err_text(&err));
	devlink_read();
}

static void on_readable(unsigned events, void *arg)
{
	for (int i = 0; i < EVENTS_PER_TURN && !loop_should_yield(); i++) {
		ssize_t size = recv(mnl_socket_get_fd(self.socket), self.buffer,
			sizeof(self.buffer), MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)self.buffer;
		int left = (int)size;

		if (size < 0) {
			if (errno == ENOBUFS)
				read_all();
			return;
		}
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			hand_on(nlh);
	}
}

static int join(const char *family, const char *name, int *ret_family, struct err *err)
{
	int group = nl_genl_group(family, name);

	*ret_family = nl_genl_family(family);
	if (group < 0)
		return 0; /* a kernel without it has nothing to tell */
	if (mnl_socket_setsockopt(self.socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return err_set(
			err, -errno, NULL, "cannot listen to %s: %s", family, strerror(errno));
	return 0;
}

int genl_events_start(struct err *err)
{
	int r;

	self.socket = nl_socket(NETLINK_GENERIC, err);
	if (!self.socket)
		return -EIO;
	r = join(ETHTOOL_GENL_NAME, ETHTOOL_MCGRP_MONITOR_NAME, &self.ethtool, err);
	if (r == 0)
		r = join(DEVLINK_GENL_NAME, DEVLINK_GENL_MCGRP_CONFIG_NAME, &self.devlink, err);
	if (r < 0)
		return r;
	self.switches = loop_task_new("switches", read_switches, NULL);
	self.watch = loop_watch_new("generic-netlink-events", mnl_socket_get_fd(self.socket),
		LOOP_READ, on_readable, NULL);
	return 0;
}

void genl_events_done(void)
{
	loop_watch_free(TAKE(self.watch));
	loop_task_free(TAKE(self.switches));
	if (self.socket)
		mnl_socket_close(TAKE(self.socket));
}
