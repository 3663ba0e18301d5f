/*
 * Per-interface knobs. Every link message carries their values (IFLA_AF_SPEC); written they are through
 * /proc/sys/net, whose side effects netlink does not have. Observed objects exist only for values that
 * differ from the kernel's default: thousands of interfaces have no more than that to tell.
 */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netconf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

struct knob {
	const char *name; /* file name */
	int family;
	unsigned devconf; /* number in IFLA_INET_CONF (from 1) or IFLA_INET6_CONF (from 0) */
};

static const struct knob knobs[SYSCTL_KNOBS] = {
	[SYSCTL_IPV4_FORWARDING] = { "forwarding", AF_INET, IPV4_DEVCONF_FORWARDING },
	[SYSCTL_IPV6_FORWARDING] = { "forwarding", AF_INET6, DEVCONF_FORWARDING },
	[SYSCTL_IPV6_DISABLE] = { "disable_ipv6", AF_INET6, DEVCONF_DISABLE_IPV6 },
	[SYSCTL_IPV6_AUTOCONF] = { "autoconf", AF_INET6, DEVCONF_AUTOCONF },
	[SYSCTL_IPV6_ACCEPT_RA] = { "accept_ra", AF_INET6, DEVCONF_ACCEPT_RA },
	[SYSCTL_IPV6_TEMPORARY] = { "use_tempaddr", AF_INET6, DEVCONF_USE_TEMPADDR },
	[SYSCTL_IPV6_TEMPORARY_VALID] = { "temp_valid_lft", AF_INET6, DEVCONF_TEMP_VALID_LFT },
	[SYSCTL_IPV6_TEMPORARY_PREFERRED] = { "temp_prefered_lft", AF_INET6,
		DEVCONF_TEMP_PREFERED_LFT },
	[SYSCTL_IPV6_DAD_TRANSMITS] = { "dad_transmits", AF_INET6, DEVCONF_DAD_TRANSMITS },
	[SYSCTL_IPV6_MTU] = { "mtu", AF_INET6, DEVCONF_MTU6 },
};

#define ALL	   "all"
#define SUFFIX_MAX (sizeof(" ipv6/temp_prefered_lft")) /* longest of what follows a link in a key */

static uint32_t defaults[SYSCTL_KNOBS];

void sysctl_key(char *key, const char *link, enum sysctl_knob knob)
{
	/* Each link event makes ten of them: snprintf() would cost more than the rest of it. */
	size_t length = strnlen(link, SYSCTL_KEY_MAX - SUFFIX_MAX);
	char *at = mempcpy(key, link, length);

	at = stpcpy(at, knobs[knob].family == AF_INET ? " ipv4/" : " ipv6/");
	stpcpy(at, knobs[knob].name);
}

/* Where the kernel begins with -1 instead of the default. */
static bool has_no_temporary(const struct link *link)
{
	return link->arptype == ARPHRD_LOOPBACK || link->arptype == ARPHRD_NONE ||
		link->arptype == ARPHRD_TUNNEL || link->arptype == ARPHRD_TUNNEL6 ||
		link->arptype == ARPHRD_SIT;
}

static uint32_t default_of(const char *link, enum sysctl_knob knob)
{
	const struct link *observed = have_get(have_all(), &object_kind_link, link);

	if (knob == SYSCTL_IPV6_MTU && observed)
		return observed->mtu;
	if (knob == SYSCTL_IPV6_TEMPORARY && observed && has_no_temporary(observed))
		return UINT32_MAX;
	return defaults[knob];
}

/* No temporary addresses are 0, and -1 where the kernel begins with that. */
static bool is_same_value(enum sysctl_knob knob, uint32_t a, uint32_t b)
{
	return a == b || (knob == SYSCTL_IPV6_TEMPORARY && (int32_t)a <= 0 && (int32_t)b <= 0);
}

static enum object_diff sysctl_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct sysctl *wanted = (const struct sysctl *)want;

	return is_same_value(wanted->knob, wanted->value, ((const struct sysctl *)have)->value)
		? OBJECT_SAME
		: OBJECT_CHANGE;
}

static void sysctl_describe(const struct object *object, char *text, size_t size)
{
	const struct sysctl *sysctl = (const struct sysctl *)object;

	snprintf(text, size, "%s %s of %s", knobs[sysctl->knob].family == AF_INET ? "IPv4" : "IPv6",
		knobs[sysctl->knob].name, sysctl->link);
}

/* The knob for all interfaces turns that of each, and with IPv6 comes the link's MTU: they come first. */
static int place_of(const struct object *object)
{
	const struct sysctl *sysctl = (const struct sysctl *)object;

	return str_equal(sysctl->link, ALL) ? 0 : sysctl->knob == SYSCTL_IPV6_DISABLE ? 1 : 2;
}

static int sysctl_order(const struct object *a, const struct object *b)
{
	return place_of(a) - place_of(b);
}

/* Has the knob for all interfaces turned it? */
static bool comes_with_all(const struct sysctl *sysctl)
{
	char key[SYSCTL_KEY_MAX];
	const struct sysctl *all;

	sysctl_key(key, ALL, sysctl->knob);
	all = (const struct sysctl *)state_wanted(&object_kind_sysctl, key);
	return all && all->value == sysctl->value;
}

/* On an interface of ours, what is not as the kernel makes it is our doing. */
static enum object_owner sysctl_owner(const struct object *have)
{
	const struct sysctl *sysctl = (const struct sysctl *)have;
	const struct link *link = have_get(have_all(), &object_kind_link, sysctl->link);

	/* We only lower it; where there is no IPv6 it may be what it was when there was. */
	if (sysctl->knob == SYSCTL_IPV6_MTU && link &&
		(link->ipv6_disabled || sysctl->value > link->mtu))
		return OBJECT_FOREIGN;
	return link && link->is_ours && sysctl->value != default_of(sysctl->link, sysctl->knob) &&
			!comes_with_all(sysctl)
		? OBJECT_OURS
		: OBJECT_FOREIGN;
}

const struct object_kind object_kind_sysctl = {
	.name = "sysctl",
	.rank = KERNEL_RANK_SYSCTL,
	.size = sizeof(struct sysctl),
	.target = &kernel_target,
	.compare = sysctl_compare,
	.order = sysctl_order,
	.describe = sysctl_describe,
	.owner = sysctl_owner,
};

/* --- files ------------------------------------------------------------------------------------ */

static char *knob_path(const char *link, enum sysctl_knob knob)
{
	_cleanup_free_ char *below = xasprintf("%s/conf/%s/%s",
		knobs[knob].family == AF_INET ? "ipv4" : "ipv6", link, knobs[knob].name);

	return sysctl_path(below);
}

static int read_knob(const char *link, enum sysctl_knob knob, uint32_t *ret_value)
{
	_cleanup_free_ char *path = knob_path(link, knob), *text = NULL;
	int r = file_read_virtual(path, 32, &text, NULL);

	if (r < 0)
		return r;
	*ret_value = (uint32_t)strtol(text, NULL, 10);
	return 0;
}

static int write_knob(const char *link, enum sysctl_knob knob, uint32_t value)
{
	_cleanup_free_ char *path = knob_path(link, knob);
	char text[16];

	snprintf(text, sizeof(text), "%d\n",
		(int)value); /* they are signed, and -1 is one of them */
	nl_count_change();
	return file_write_virtual(path, text);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put(const char *link, enum sysctl_knob knob, uint32_t value)
{
	char key[SYSCTL_KEY_MAX];
	struct sysctl *sysctl;
	const struct sysctl *same;

	sysctl_key(key, link, knob);
	same = have_get(have_all(), &object_kind_sysctl, key);
	if (same && same->value == value)
		return;
	sysctl = object_new(&object_kind_sysctl, key);
	snprintf(sysctl->link, sizeof(sysctl->link), "%s", link);
	sysctl->knob = knob;
	sysctl->value = value;
	have_put(&sysctl->object);
}

/* The links that were made in the same batch must exist before their files do. */
static int sysctl_encode(struct nl_batch *batch, struct step *step)
{
	const struct sysctl *sysctl = (const struct sysctl *)(step->want ? step->want : step->have);
	const struct sysctl *seen;
	const struct link *link;
	const char *name = sysctl->link;
	uint32_t now, value;
	int r, own, fd = -1;

	nl_batch_flush(batch);
	link = have_get(have_all(), &object_kind_link, sysctl->link);
	if (link && *link_netns_name(link))
		name = link_netns_name(link);
	if (link && link->netns)
		fd = nl_of(link->netns)->fd;
	value = default_of(sysctl->link, sysctl->knob);
	if (step->op != STEP_REMOVE && !is_same_value(sysctl->knob, sysctl->value, value))
		value = sysctl->value;
	r = netns_enter(fd, &own);
	/* A link made just now has told of its knobs: only what it left out is read. */
	seen = have_get(have_all(), &object_kind_sysctl, sysctl->object.key);
	if (seen)
		now = seen->value;
	else if (r == 0)
		r = read_knob(name, sysctl->knob, &now);
	if (r == 0 && now != value)
		r = write_knob(name, sysctl->knob, value);
	netns_leave(own);
	if (r == -ENOENT &&
		(step->op == STEP_REMOVE || (sysctl->knob == SYSCTL_IPV6_DISABLE && value)))
		r = 0; /* went with its link; or IPv6 is off altogether (a kernel without, a small MTU) */
	if (r == -ENOENT && sysctl->knob == SYSCTL_IPV6_DISABLE)
		return err_tagged(&step->err, ERR_TAG_OPERATION_FAILED, NULL,
			"there is no IPv6 on this interface: the kernel has none, or the MTU is "
			"below 1280 (%s)",
			strerror(-r));
	if (r < 0)
		return err_tagged(&step->err, ERR_TAG_OPERATION_FAILED, NULL, "%s",
			r == -ENOENT ? "this kernel or this interface does not have it"
				     : strerror(-r));
	step->is_done = true;
	if (step->op == STEP_REMOVE)
		have_remove(&object_kind_sysctl, sysctl->object.key);
	else
		put(sysctl->link, sysctl->knob, value);
	/* Those of the interfaces have changed with it, and nobody is told. */
	return str_equal(sysctl->link, ALL) ? link_dump(nl_of(""), &step->err) : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void take_value(const char *name, enum sysctl_knob knob, uint32_t value)
{
	char key[SYSCTL_KEY_MAX];

	sysctl_key(key, name, knob);
	if (value != default_of(name, knob) || state_wanted(&object_kind_sysctl, key))
		put(name, knob, value);
	else
		have_remove(&object_kind_sysctl, key);
}

static void take_values(const char *name, const struct nlattr *conf, int family)
{
	const uint32_t *values = mnl_attr_get_payload(conf);
	unsigned count = mnl_attr_get_payload_len(conf) / sizeof(uint32_t);

	for (enum sysctl_knob knob = 0; knob < SYSCTL_KNOBS; knob++) {
		unsigned index = knobs[knob].devconf - (family == AF_INET ? 1 : 0);
		uint32_t value;

		if (knobs[knob].family != family || index >= count)
			continue;
		memcpy(&value, values + index, sizeof(value));
		take_value(name, knob, value);
	}
}

void sysctl_seen_link(struct nl *nl, const char *name, const struct nlattr *af_spec)
{
	const struct nlattr *family, *attr;

	mnl_attr_for_each_nested (family, af_spec) {
		int of = mnl_attr_get_type(family);

		if (of != AF_INET && of != AF_INET6)
			continue;
		mnl_attr_for_each_nested (attr, family) {
			if (mnl_attr_get_type(attr) ==
				(of == AF_INET ? IFLA_INET_CONF : IFLA_INET6_CONF))
				take_values(name, attr, of);
		}
	}
}

void sysctl_seen_ipv6(struct nl *nl, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const char *name = nl_name_of(nl, (uint32_t)ifi->ifi_index);
	const struct nlattr *attr, *conf;

	mnl_attr_for_each (attr, nlh, sizeof(*ifi)) {
		if (!name || mnl_attr_get_type(attr) != IFLA_PROTINFO)
			continue;
		mnl_attr_for_each_nested (conf, attr) {
			if (mnl_attr_get_type(conf) == IFLA_INET6_CONF)
				take_values(name, conf, AF_INET6);
		}
	}
}

/* The kernel tells of a link that is up, or has another MTU, and then gives IPv6 the link's. */
void sysctl_mtu_reset(const char *name)
{
	const struct link *link = have_get(have_all(), &object_kind_link, name);

	if (link->mtu >= IPV6_MIN_MTU && !link->ipv6_disabled)
		take_value(name, SYSCTL_IPV6_MTU, link->mtu);
}

/* What is not wanted is not kept: each interface has its own. */
static void take_all(enum sysctl_knob knob, uint32_t value)
{
	char key[SYSCTL_KEY_MAX];

	sysctl_key(key, ALL, knob);
	if (state_wanted(&object_kind_sysctl, key))
		put(ALL, knob, value);
	else
		have_remove(&object_kind_sysctl, key);
}

/* Forwarding is the one knob whose change by others is told of here; for the others there is sysctl-watch.c. */
static void sysctl_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	const struct netconfmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	const char *name = NULL;
	struct link *link;
	bool is_of_all = false;
	int value = -1;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg) ||
		(msg->ncm_family != AF_INET && msg->ncm_family != AF_INET6))
		return;
	mnl_attr_for_each (attr, nlh, sizeof(*msg)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			continue;
		if (type == NETCONFA_IFINDEX) {
			is_of_all = (int)mnl_attr_get_u32(attr) == NETCONFA_IFINDEX_ALL;
			name = is_of_all ? ALL : nl_name_of(nl, mnl_attr_get_u32(attr));
		} else if (type == NETCONFA_FORWARDING)
			value = (int)mnl_attr_get_u32(attr);
	}
	if (is_of_all && value >= 0 && !*nl->netns)
		take_all(msg->ncm_family == AF_INET ? SYSCTL_IPV4_FORWARDING
						    : SYSCTL_IPV6_FORWARDING,
			(uint32_t)value);
	link = name && !is_of_all ? have_get(have_all(), &object_kind_link, name) : NULL;
	if (!link || value < 0)
		return;
	if (msg->ncm_family == AF_INET)
		link->ipv4_forwarding = value;
	else
		link->ipv6_forwarding = value;
	take_value(name,
		msg->ncm_family == AF_INET ? SYSCTL_IPV4_FORWARDING : SYSCTL_IPV6_FORWARDING,
		(uint32_t)value);
}

void sysctl_link_gone(const char *name)
{
	for (enum sysctl_knob knob = 0; knob < SYSCTL_KNOBS; knob++) {
		char key[SYSCTL_KEY_MAX];

		sysctl_key(key, name, knob);
		have_remove(&object_kind_sysctl, key);
	}
}

/*
 * Addresses outlive what would otherwise take them along: secondary ones the removal of their primary, IPv6
 * ones the link's going down. Links to come begin with the default.
 */
static const struct {
	const char *path;
	const char *value;
} for_all[] = {
	{ "ipv4/conf/all/promote_secondaries", "1\n" },
	{ "ipv4/conf/default/promote_secondaries", "1\n" },
	{ "ipv6/conf/all/keep_addr_on_down", "1\n" },
	{ "ipv6/conf/default/keep_addr_on_down", "1\n" },
};

static void set_for_all(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(for_all); i++) {
		_cleanup_free_ char *path = sysctl_path(for_all[i].path), *now = NULL;

		if (file_read_virtual(path, 16, &now, NULL) < 0 || now[0] == for_all[i].value[0])
			continue;
		nl_count_change();
		if (file_write_virtual(path, for_all[i].value) < 0)
			log_debug("sysctl", "%s stays as it is", for_all[i].path);
	}
}

int sysctl_init(struct err *err)
{
	/* Who configures no forwarding wants none, whatever the device began with. */
	for (enum sysctl_knob knob = SYSCTL_IPV6_DISABLE; knob < SYSCTL_KNOBS; knob++)
		(void)read_knob(
			"default", knob, &defaults[knob]); /* a kernel without IPv6 has none */
	set_for_all();
	return 0;
}

int sysctl_all_written(struct err *err)
{
	set_for_all();
	return link_dump(nl_of(""), err);
}

void sysctl_done(void)
{
	memset(defaults, 0, sizeof(defaults));
}

static const uint16_t types[] = { RTM_NEWNETCONF, 0 };

const struct nl_object sysctl_object = {
	.kind = &object_kind_sysctl,
	.encode = sysctl_encode,
	.types = types,
	.seen = sysctl_seen,
};
