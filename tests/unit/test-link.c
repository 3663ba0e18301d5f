/*
 * Links on a real kernel, in a network namespace of the test's own: made, changed, adopted, lent to other
 * namespaces, given back, and left as they were when the kernel refuses. What the kernel of the machine
 * may lack (VLANs) is tested in the guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/if_ether.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/kernel.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#define UNITS_MAX 8
#define TURN_MS	  1000

static char dir[] = "/tmp/test-link-XXXXXX";

/* --- the kernel's view ------------------------------------------------------------------------ */

/* Output of a command; valid until the next. */
static const char *output(const char *command)
{
	static char text[256 * 1024];
	FILE *pipe = popen(command, "r");
	size_t size;

	assert_non_null(pipe);
	size = fread(text, 1, sizeof(text) - 1, pipe);
	text[size] = '\0';
	assert_int_equal(pclose(pipe), 0);
	return text;
}

static void run(const char *command)
{
	(void)output(command);
}

static bool shows(const char *command, const char *expected)
{
	return strstr(output(command), expected);
}

/* Everything but what comes by itself (carrier, link-local addresses). */
static char *snapshot(void)
{
	return xstrdup(output(
		"ip -d -o link | sed 's/<[^>]*>//; s/state [A-Z]*//; s/slave state [a-z]*//; s/qdisc [a-z]*//;"
		" s/[a-z_]*_timer *[0-9.]*//g; s/fdb_n_learned [0-9]*//';"
		" ip -4 -o address; ip route"));
}

/* --- commits ---------------------------------------------------------------------------------- */

static struct {
	struct want *wants[UNITS_MAX], *olds[UNITS_MAX];
	const char *paths[UNITS_MAX];
	size_t count;
	bool is_finished;
	struct err err;
	uint64_t sent;
} commit;

static const struct link *have(const char *name)
{
	return have_get(have_all(), &object_kind_link, name);
}

/* The unit of an interface, which wants the link and, unless it is "down", that it is up. */
static struct link *unit(const char *path)
{
	struct want *want = want_new(path);
	struct link *link = want_object(want, &object_kind_link, path + 1, "");

	assert_true(commit.count < UNITS_MAX);
	commit.paths[commit.count] = path;
	commit.wants[commit.count++] = want;
	want_needs(want_object(want, &object_kind_link_up, path + 1, "enabled"), &object_kind_link,
		path + 1);
	return link;
}

static void gone(const char *path)
{
	commit.paths[commit.count] = path;
	commit.wants[commit.count++] = NULL;
}

static void set(struct link *link, enum link_attr attr, const char *path)
{
	assert_int_equal(link_set(link, attr, path, NULL), 0);
}

static void set_alias(struct link *link, const char *text)
{
	set(link, LINK_ALIAS, "description");
	link_put_text(&link->alias, text);
}

static void set_mtu(struct link *link, uint32_t mtu)
{
	set(link, LINK_MTU, "mtu");
	link->mtu = mtu;
}

static void set_bridge(struct link *link)
{
	set(link, LINK_KIND, "bridge");
	link->kind = &link_kind_bridge;
	link->bridge = (struct link_bridge){
		.vlan_protocol = ETH_P_8021Q,
		.stp_priority = 0x8000,
		.stp_hello_s = 2,
		.stp_forward_delay_s = 15,
		.stp_max_age_s = 20,
		.multicast = { .query = 125,
			.membership = 260,
			.other_querier = 255,
			.startup_hundredths = 3125 },
	};
}

static void set_veth(struct link *link, const char *peer)
{
	set(link, LINK_KIND, "veth");
	link->kind = &link_kind_veth;
	assert_int_equal(str_copy(link->veth.peer, sizeof(link->veth.peer), peer), 0);
}

static void set_master(struct link *link, const char *master)
{
	set(link, LINK_MASTER, "master");
	set(link, LINK_PORT, "port");
	assert_int_equal(str_copy(link->master, sizeof(link->master), master), 0);
	want_needs(link, &object_kind_link, master);
	link->port = (struct link_port){ .flood_unicast = true,
		.flood_multicast = true,
		.flood_broadcast = true,
		.multicast_router = 1 };
}

static void set_netns(struct link *link, const char *netns, const char *name)
{
	set(link, LINK_NETNS, "netns");
	link_put_text(&link->netns, netns);
	link_put_text(&link->netns_name, name);
	want_needs(link, &object_kind_netns, netns);
	(void)want_object(link->object.want, &object_kind_netns, netns, "netns");
}

static void finished(const struct err *err, void *arg)
{
	commit.is_finished = true;
	err_done(&commit.err);
	if (err)
		err_copy(&commit.err, err);
}

static void finish(struct plan *plan)
{
	commit.is_finished = false;
	apply_run(plan, finished, NULL);
	while (!commit.is_finished)
		loop_turn(TURN_MS);
	plan_free(plan);
}

/* What a transaction does: 0, or the error with everything put back. */
static int apply(enum plan_mode mode)
{
	struct plan_unit units[UNITS_MAX];
	uint64_t before = kernel_changes_sent();
	struct want *dropped;

	for (size_t i = 0; i < commit.count; i++) {
		assert_int_equal(
			state_exchange(commit.paths[i], commit.wants[i], &commit.olds[i], NULL), 0);
		units[i] = (struct plan_unit){ commit.olds[i], commit.wants[i] };
	}
	finish(plan_make(units, commit.count, mode));
	commit.sent = kernel_changes_sent() - before;
	for (size_t i = 0; i < commit.count; i++) {
		if (!commit.err.code) {
			want_free(commit.olds[i]);
			continue;
		}
		assert_int_equal(
			state_exchange(commit.paths[i], commit.olds[i], &dropped, NULL), 0);
		want_free(dropped);
	}
	commit.count = 0;
	return commit.err.code;
}

/* What the datastore does about surprises, when the link has (or has no more) a name. */
static void converge(void)
{
	const char **paths = NULL;
	struct plan_unit units[UNITS_MAX];
	size_t count;

	loop_turn(TURN_MS);
	count = state_take_dirty(&paths);
	assert_true(count <= UNITS_MAX);
	for (size_t i = 0; i < count; i++)
		units[i].old = units[i].new = state_unit(paths[i]);
	free(paths);
	finish(plan_make(units, count, PLAN_BEST_EFFORT));
}

static void start_daemon(void)
{
	_cleanup_free_ char *netns = file_join(dir, "netns");

	state_init();
	netns_set_dir(netns);
	assert_int_equal(kernel_init(false, NULL), 0);
}

static void stop_daemon(void)
{
	kernel_done();
	state_done();
}

static int setup(void **state)
{
	run("ip link add p1 type veth peer name q1; ip link add p2 type veth peer name q2;"
	    "ip link set p1 up; ip link set q1 up; ip link set p2 up; ip link set q2 up");
	start_daemon();
	return 0;
}

static int teardown(void **state)
{
	stop_daemon();
	run("for l in $(ip -o link | sed -n 's/^[0-9]*: \\([^:@]*\\).*/\\1/p'); do"
	    " [ $l = lo ] || ip link del $l 2>/dev/null; done; true");
	return 0;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void want_switch(const char *description)
{
	struct link *port = unit("/p1");

	set_master(port, "br0");
	if (description)
		set_alias(port, description);
	set_master(unit("/p2"), "br0");
	set_bridge(unit("/br0"));
}

static void test_switch(void **state)
{
	_cleanup_free_ char *before = snapshot(), *after = NULL;

	assert_non_null(have("lo"));
	want_switch("uplink");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_true(shows("ip -o link show p1", "master br0"));
	assert_true(shows("ip -o link show p1", "alias uplink"));
	assert_true(shows("ip -o link show br0", ",UP"));
	want_switch("other");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_int_equal(commit.sent, 1);
	want_switch("other");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_int_equal(commit.sent, 0);
	gone("/p1");
	gone("/p2");
	gone("/br0");
	assert_int_equal(apply(PLAN_STRICT), 0);
	after = snapshot();
	assert_string_equal(before, after);
}

static void test_restart(void **state)
{
	want_switch("uplink");
	set_veth(unit("/left"), "right");
	set_veth(unit("/right"), "left");
	assert_int_equal(apply(PLAN_STRICT), 0);
	stop_daemon();
	start_daemon();
	assert_true(have("left")->is_ours && !have("q1")->is_ours);
	/* What was half done when it died: a description too much, a pair too much. */
	want_switch(NULL);
	assert_int_equal(apply(PLAN_WHOLE), 0);
	assert_null(have("left"));
	assert_null(have("right"));
	assert_string_equal(link_alias(have("p1")), "");
	stop_daemon();
	start_daemon();
	want_switch(NULL);
	assert_int_equal(apply(PLAN_WHOLE), 0);
	assert_int_equal(commit.sent, 0);
}

/* The group of a port is its operator's; what we remember of the port is elsewhere. */
static void test_group_of_a_port(void **state)
{
	_cleanup_free_ char *before = NULL, *after = NULL;

	run("ip link set p1 group 42");
	before = snapshot();
	want_switch("uplink");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_true(shows("ip -o link show p1", "group 42"));
	assert_true(shows("ip -o link show p2", "group default"));
	run("ip link set p2 group 43");
	stop_daemon();
	start_daemon();
	want_switch("uplink");
	assert_int_equal(apply(PLAN_WHOLE), 0);
	assert_int_equal(commit.sent, 0);
	run("ip link set p2 group 0");
	/* Configured in between by nobody: what was, goes, and the mark with it. */
	stop_daemon();
	start_daemon();
	assert_int_equal(apply(PLAN_WHOLE), 0);
	run("ip link set p1 up; ip link set p2 up");
	after = snapshot();
	assert_string_equal(before, after);
}

static void set_mac(struct link *link, uint8_t last)
{
	set(link, LINK_MAC, "mac");
	memcpy(link->mac, (uint8_t[6]){ 2, 0, 0, 0, 0, last }, 6);
}

static void want_pair(bool with_mac)
{
	struct link *link = unit("/left");

	set_veth(link, "right");
	if (with_mac)
		set_mac(link, 7);
	set_veth(unit("/right"), "left");
}

static void test_mac_goes_back(void **state)
{
	uint8_t port[6], end[6];

	memcpy(port, have("p1")->mac, 6);
	want_pair(false);
	set_mac(unit("/p1"), 8);
	assert_int_equal(apply(PLAN_STRICT), 0);
	memcpy(end, have("left")->mac, 6);
	assert_int_equal(have("p1")->mac[5], 8);
	/* Another one is not taken for the first. */
	want_pair(true);
	set_mac(unit("/p1"), 9);
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_int_equal(have("left")->mac[5], 7);
	want_pair(false);
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_memory_equal(have("left")->mac, end, 6);
	/* A port's too, whether the daemon was started anew meanwhile or not. */
	(void)unit("/p1");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_memory_equal(have("p1")->mac, port, 6);
	set_mac(unit("/p1"), 9);
	assert_int_equal(apply(PLAN_STRICT), 0);
	stop_daemon();
	start_daemon();
	want_pair(false);
	(void)unit("/p1");
	assert_int_equal(apply(PLAN_WHOLE), 0);
	assert_memory_equal(have("p1")->mac, port, 6);
	gone("/p1");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_false(shows("ip -o link show p1", "ashlar+"));
}

/* It never had one of its own. */
static void test_mac_from_the_beginning(void **state)
{
	uint8_t end[6];

	want_pair(true);
	assert_int_equal(apply(PLAN_STRICT), 0);
	want_pair(false);
	assert_int_equal(apply(PLAN_STRICT), 0);
	memcpy(end, have("left")->mac, 6);
	assert_int_equal(end[0] & 3, 2);
	assert_memory_not_equal(end, ((uint8_t[6]){ 2, 0, 0, 0, 0, 7 }), 6);
	want_pair(false);
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_int_equal(commit.sent, 0);
	assert_memory_equal(have("left")->mac, end, 6);
}

static void test_refused(void **state)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	struct link *link;

	want_switch("uplink");
	assert_int_equal(apply(PLAN_STRICT), 0);
	before = snapshot();
	set_bridge(unit("/br1"));
	set_master(unit("/p2"), "br1");
	set_veth(unit("/left"), "right");
	link = unit("/right");
	set_veth(link, "left");
	set_alias(link, "soon gone");
	link = unit("/p1");
	set_alias(link, "changed");
	set_mtu(link, 1000000);
	assert_true(apply(PLAN_STRICT) < 0);
	assert_string_equal(commit.err.path, "/p1/mtu");
	after = snapshot();
	assert_string_equal(before, after);
	assert_null(have("left"));
}

static void test_foreign_master(void **state)
{
	run("ip link add others type bridge; ip link set p1 master others");
	loop_turn(TURN_MS);
	want_switch("mine now");
	assert_true(apply(PLAN_STRICT) < 0);
	assert_string_equal(commit.err.path, "/p1/master");
	assert_true(shows("ip -o link show p1", "master others"));
	assert_false(shows("ip -o link show p1", "alias"));
}

static void test_pair(void **state)
{
	struct link *link;

	set_veth(unit("/left"), "right");
	link = unit("/right");
	set_veth(link, "left");
	set_alias(link, "far end");
	set_mtu(link, 1400);
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_string_equal(have("left")->veth.peer, "right");
	assert_true(shows("ip -o link show right", "mtu 1400"));
	/* It comes back with all it had. */
	run("ip link del left");
	converge();
	assert_true(shows("ip -o link show right", "alias far end"));
	assert_true(shows("ip -o link show right", "mtu 1400"));
	/* What is not configured any more goes back. */
	set_veth(unit("/right"), "left");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_true(shows("ip -o link show right", "mtu 1500"));
	assert_false(shows("ip -o link show right", "alias"));
	/* Another peer: another pair. */
	set_veth(unit("/third"), "right");
	set_veth(unit("/right"), "third");
	gone("/left");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_null(have("left"));
	assert_string_equal(have("right")->veth.peer, "third");
}

static void test_absent_port(void **state)
{
	set_alias(unit("/p9"), "comes later");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_int_equal(state_pending_count(), 2); /* the link, and that it is up */
	run("ip link add p9 type veth peer name q9");
	converge();
	assert_int_equal(state_pending_count(), 0);
	assert_true(shows("ip -o link show p9", "alias comes later"));
	assert_true(have("p9")->flags & IFF_UP);
}

static void test_down_tells_nothing(void **state)
{
	struct want *want = want_new("/p1");
	struct link *link = want_object(want, &object_kind_link, "p1", "");

	set(link, LINK_DOWN, "enabled");
	set_alias(link, "quiet");
	commit.paths[0] = "/p1";
	commit.wants[0] = want;
	commit.count = 1;
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_false(have("p1")->flags & IFF_UP);
	assert_string_equal(link_alias(have("p1")), "quiet");
}

#define INSIDE "nsenter --net=/proc/self/fd/9 9<"

static void test_lent(void **state)
{
	_cleanup_free_ char *look = NULL;
	struct link *link = unit("/p1");

	set_netns(link, "box", "eth0");
	set_alias(link, "lent");
	assert_int_equal(apply(PLAN_STRICT), 0);
	look = xasprintf(INSIDE "%s/netns/box ip -o link show eth0 2>/dev/null", dir);
	assert_true(shows(look, "alias lent"));
	assert_true(shows(look, ",UP"));
	assert_string_equal(link_netns(have("p1")), "box");
	assert_string_equal(link_netns_name(have("p1")), "eth0");
	assert_null(have("eth0"));
	stop_daemon();
	start_daemon();
	assert_string_equal(link_netns(have("p1")), "box");
	link = unit("/p1");
	set_netns(link, "box", "eth0");
	set_alias(link, "lent");
	assert_int_equal(apply(PLAN_WHOLE), 0);
	assert_int_equal(commit.sent, 0);
	/* Back, and into a bridge at once. */
	set_bridge(unit("/br0"));
	set_master(unit("/p1"), "br0");
	assert_int_equal(apply(PLAN_STRICT), 0);
	assert_string_equal(link_netns(have("p1")), "");
	assert_true(shows("ip -o link show p1", "master br0"));
	assert_false(shows("ip link show p1", "ashlar:"));
	assert_null(have_get(have_all(), &object_kind_netns, "box"));
}

static void test_renamed(void **state)
{
	run("ip link set p2 down; ip link set p2 name port2; ip address add 192.0.2.1/24 dev port2");
	loop_turn(TURN_MS);
	assert_null(have("p2"));
	assert_string_equal(have("q2")->veth.peer, "port2");
	assert_non_null(have_get(have_all(), &object_kind_address, "port2 192.0.2.1/24"));
	assert_null(have_get(have_all(), &object_kind_address, "p2 192.0.2.1/24"));
}

static void test_counters(void **state)
{
	struct err err = { 0 };

	run("ip address add 192.0.2.1/24 dev p1; ip neighbour add 192.0.2.2 lladdr 2:0:0:0:0:2 dev p1;"
	    "bash -c 'echo x > /dev/udp/192.0.2.2/9'");
	assert_int_equal(object_kind_link.refresh("p1", &err), 0);
	assert_true(have("p1")->stats->tx_packets > 0);
	assert_int_equal(have("p1")->speed_mbps, 10000);
	assert_int_equal(object_kind_link.refresh(NULL, &err), 0);
	assert_true(have("q1")->stats->rx_packets > 0);
	assert_int_equal(object_kind_link.refresh("nobody", &err), 0);
}

/* Who is not root becomes root of a user namespace. */
static int enter_namespaces(void)
{
	_cleanup_free_ char *users = xasprintf("0 %u 1\n", (unsigned)geteuid());
	_cleanup_free_ char *groups = xasprintf("0 %u 1\n", (unsigned)getegid());

	if (geteuid() &&
		(unshare(CLONE_NEWUSER) < 0 ||
			file_write_virtual("/proc/self/setgroups", "deny") < 0 ||
			file_write_virtual("/proc/self/uid_map", users) < 0 ||
			file_write_virtual("/proc/self/gid_map", groups) < 0))
		return -1;
	return unshare(CLONE_NEWNET | CLONE_NEWNS) < 0
		? -1
		: mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_switch),
		TEST(test_restart),
		TEST(test_group_of_a_port),
		TEST(test_mac_goes_back),
		TEST(test_mac_from_the_beginning),
		TEST(test_refused),
		TEST(test_foreign_master),
		TEST(test_pair),
		TEST(test_absent_port),
		TEST(test_down_tells_nothing),
		TEST(test_lent),
		TEST(test_renamed),
		TEST(test_counters),
	};
	int failed;

	if (enter_namespaces() < 0 || !mkdtemp(dir)) {
		perror("a network namespace for the test");
		return 1;
	}
	run("ip link set lo up");
	loop_init();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	loop_done();
	(void)umount2(dir, MNT_DETACH);
	if (file_remove_tree(dir, NULL) < 0)
		return 1;
	return failed;
}
