/*
 * What the running kernel can do, asked once when it first matters: in a network namespace of a child
 * process, so that no trace is left. A kernel without bridge VLAN filtering still shows that attribute of
 * a bridge; it is the default PVID that is missing then.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel-private.h"

#define NO_VLAN	  4095 /* no VLAN has this number */
#define KINDS_MAX 16

/* Bits of the child's exit status. */
enum {
	HAS_BRIDGE = 1,
	HAS_VLAN_FILTERING = 2,
	HAS_VLAN = 4,
	HAS_VETH = 8,
};

static int add_link(struct mnl_socket *socket, const char *name, const char *kind, uint32_t lower)
{
	char buffer[1024] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct nlattr *info, *data;
	ssize_t size;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (lower)
		mnl_attr_put_u32(nlh, IFLA_LINK, lower);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	if (lower) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		mnl_attr_put_u16(nlh, IFLA_VLAN_ID, NO_VLAN);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
	if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (size < (ssize_t)(sizeof(struct nlmsghdr) + sizeof(struct nlmsgerr)))
		return -EIO;
	return ((struct nlmsgerr *)mnl_nlmsg_get_payload((struct nlmsghdr *)buffer))->error;
}

static bool has_bridge_attribute(struct mnl_socket *socket, const char *name, uint16_t wanted)
{
	char buffer[8192] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	const struct nlattr *attr, *inner, *data;
	bool found = false;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0 ||
		mnl_socket_recvfrom(socket, buffer, sizeof(buffer)) < (ssize_t)sizeof(*nlh) ||
		((struct nlmsghdr *)buffer)->nlmsg_type != RTM_NEWLINK)
		return false;
	nlh = (struct nlmsghdr *)buffer;
	mnl_attr_for_each (attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) != IFLA_LINKINFO)
			continue;
		mnl_attr_for_each_nested (inner, attr) {
			if (mnl_attr_get_type(inner) != IFLA_INFO_DATA)
				continue;
			mnl_attr_for_each_nested (data, inner)
				found |= mnl_attr_get_type(data) == wanted;
		}
	}
	return found;
}

static struct mnl_socket *enter_netns(void)
{
	struct mnl_socket *socket;

	if (unshare(CLONE_NEWNET) < 0)
		return NULL;
	socket = mnl_socket_open(NETLINK_ROUTE);
	return socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 ? socket : NULL;
}

static int probe(const struct link_kind *none)
{
	struct mnl_socket *socket = enter_netns();
	int found = 0;

	if (!socket)
		return 0;
	if (add_link(socket, "br", "bridge", 0) == 0)
		found |= HAS_BRIDGE;
	if ((found & HAS_BRIDGE) && has_bridge_attribute(socket, "br", IFLA_BR_VLAN_DEFAULT_PVID))
		found |= HAS_VLAN_FILTERING;
	if (add_link(socket, "veth", "veth", 0) == 0)
		found |= HAS_VETH;
	/* What judges the number is there when the kind is known; on lo there can be no VLAN at all. */
	if (add_link(socket, "vlan", "vlan", 1) == -ERANGE)
		found |= HAS_VLAN;
	return found;
}

/* A kind that wants to be told more says so; one that is not there is not supported. */
static int probe_kind(const struct link_kind *kind)
{
	struct mnl_socket *socket = enter_netns();

	return socket && add_link(socket, "probe", link_kind_name(kind), 0) != -EOPNOTSUPP;
}

/* What @ask returns in a process of its own; < 0: unknown, let the kernel itself refuse. */
static int ask_child(int (*ask)(const struct link_kind *kind), const struct link_kind *kind)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(ask(kind));
	return pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ? -EIO
									     : WEXITSTATUS(status);
}

bool kernel_can(enum kernel_ability ability)
{
	static const int bits[KERNEL_ABILITIES] = {
		[KERNEL_CAN_BRIDGE] = HAS_BRIDGE,
		[KERNEL_CAN_VLAN_FILTERING] = HAS_VLAN_FILTERING,
		[KERNEL_CAN_VLAN] = HAS_VLAN,
		[KERNEL_CAN_VETH] = HAS_VETH,
	};
	static int found = -1;

	if (kernel_is_recording())
		return true;
	if (found < 0)
		found = ask_child(probe, NULL);
	return found < 0 || (found & bits[ability]);
}

bool kernel_can_make(const struct link_kind *kind)
{
	static struct {
		const struct link_kind *kind;
		bool can;
	} known[KINDS_MAX];
	static size_t count;
	int found;

	if (kernel_is_recording())
		return true;
	for (size_t i = 0; i < count; i++) {
		if (known[i].kind == kind)
			return known[i].can;
	}
	found = ask_child(probe_kind, kind);
	if (found >= 0 && count < KINDS_MAX) {
		known[count].kind = kind;
		known[count++].can = found;
	}
	return found != 0;
}
