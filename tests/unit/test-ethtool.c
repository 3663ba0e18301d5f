/* Counters as drivers report them: messages of the kernel, made here as no driver of a test machine has any. */
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ethtool.h"

#define IFINDEX 7

static char buffer[4096];

static struct nlmsghdr *begin(uint8_t command, uint16_t header)
{
	struct nlmsghdr *nlh;
	struct genlmsghdr *genl;
	struct nlattr *nest;

	memset(buffer, 0, sizeof(buffer));
	nlh = mnl_nlmsg_put_header(buffer);
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	nest = mnl_attr_nest_start(nlh, header);
	mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_DEV_INDEX, IFINDEX);
	mnl_attr_put_strz(nlh, ETHTOOL_A_HEADER_DEV_NAME, "lan1");
	mnl_attr_nest_end(nlh, nest);
	return nlh;
}

static void put_counter(struct nlmsghdr *nlh, uint16_t id, uint64_t value)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, ETHTOOL_A_STATS_GRP_STAT);

	mnl_attr_put_u64(nlh, id, value);
	mnl_attr_nest_end(nlh, nest);
}

static void expect(
	const struct ethernet_counters *counters, enum ethernet_counter counter, uint64_t value)
{
	assert_true(counters->known & (1U << counter));
	assert_int_equal(counters->values[counter], value);
}

static void test_groups(void **state)
{
	struct nlmsghdr *nlh = begin(ETHTOOL_MSG_STATS_GET_REPLY, ETHTOOL_A_STATS_HEADER);
	struct ethernet_counters counters = { 0 };
	struct nlattr *group = mnl_attr_nest_start(nlh, ETHTOOL_A_STATS_GRP);

	/* the kernel tells of the group first, but nothing says that it must */
	put_counter(nlh, ETHTOOL_A_STATS_ETH_MAC_5_RX_PKT, 1ULL << 40);
	mnl_attr_put_u32(nlh, ETHTOOL_A_STATS_GRP_ID, ETHTOOL_STATS_ETH_MAC);
	mnl_attr_put_u32(nlh, ETHTOOL_A_STATS_GRP_SS_ID, 17);
	put_counter(nlh, ETHTOOL_A_STATS_ETH_MAC_25_TOO_LONG_ERR, 3);
	put_counter(nlh, ETHTOOL_A_STATS_ETH_MAC_9_TX_DEFER, 99); /* not shown */
	mnl_attr_nest_end(nlh, group);
	group = mnl_attr_nest_start(nlh, ETHTOOL_A_STATS_GRP);
	mnl_attr_put_u32(nlh, ETHTOOL_A_STATS_GRP_ID, ETHTOOL_STATS_RMON);
	put_counter(nlh, ETHTOOL_A_STATS_RMON_UNDERSIZE, 4);
	put_counter(nlh, ETHTOOL_A_STATS_RMON_JABBER, 5);
	mnl_attr_nest_end(nlh, group);
	group = mnl_attr_nest_start(nlh, ETHTOOL_A_STATS_GRP);
	mnl_attr_put_u32(nlh, ETHTOOL_A_STATS_GRP_ID, ETHTOOL_STATS_ETH_PHY);
	put_counter(nlh, ETHTOOL_A_STATS_ETH_PHY_5_SYM_ERR, 6);
	mnl_attr_nest_end(nlh, group);

	assert_int_equal(ethtool_ifindex(nlh), IFINDEX);
	ethtool_take_counters(&counters, nlh);
	expect(&counters, ETHERNET_RX_FRAMES, 1ULL << 40);
	expect(&counters, ETHERNET_RX_TOO_LONG, 3);
	expect(&counters, ETHERNET_RMON_UNDERSIZE, 4);
	expect(&counters, ETHERNET_RMON_JABBERS, 5);
	assert_int_equal(counters.known,
		1U << ETHERNET_RX_FRAMES | 1U << ETHERNET_RX_TOO_LONG |
			1U << ETHERNET_RMON_UNDERSIZE | 1U << ETHERNET_RMON_JABBERS);
}

static void test_pauses(void **state)
{
	struct nlmsghdr *nlh = begin(ETHTOOL_MSG_PAUSE_GET_REPLY, ETHTOOL_A_PAUSE_HEADER);
	struct ethernet_counters counters = { 0 };
	struct nlattr *stats = mnl_attr_nest_start(nlh, ETHTOOL_A_PAUSE_STATS);

	mnl_attr_put_u64(nlh, ETHTOOL_A_PAUSE_STAT_TX_FRAMES, 8);
	mnl_attr_put_u32(nlh, ETHTOOL_A_PAUSE_STAT_RX_FRAMES, 9); /* too short to be one */
	mnl_attr_nest_end(nlh, stats);
	assert_int_equal(ethtool_ifindex(nlh), IFINDEX);
	ethtool_take_counters(&counters, nlh);
	expect(&counters, ETHERNET_TX_PAUSE, 8);
	assert_int_equal(counters.known, 1U << ETHERNET_TX_PAUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
