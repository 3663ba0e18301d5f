/*
 * Operational reads: which features are asked for which units, what is refreshed, and what comes out,
 * with units that exist without configuration, units within units, and in slices. The features are
 * the test's: each notes that it was asked. Then startup, and dropping reads.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ashlar/feature.h"
#include "ashlar/file.h"

#include "reading.h"

#include "../../src/datastore/schema.h"

static const char module[] =
	"module oper-test { yang-version 1.1; namespace \"urn:oper\"; prefix o;"
	" container ifs { list if { key name; leaf name { type string; } leaf type { type string; }"
	"   leaf mtu { type uint16; default 1500; } leaf oper { config false; type string; }"
	"   container stats { config false; leaf in { type uint32; } leaf out { type uint32; } }"
	"   container br { list vlan { key id; leaf id { type uint16; } leaf desc { type string; }"
	"     leaf-list member { config false; type string; } } }"
	"   container ip { list addr { key ip; leaf ip { type string; } leaf len { type uint8; }"
	"     leaf origin { config false; type string; } } } } leaf note { type string; } }"
	" container sys { leaf name { type string; } leaf uptime { config false; type uint32; }"
	"   leaf-list alias { type string; }"
	"   container dns { list server { key name; leaf name { type string; } leaf port { type uint16; }"
	"     list option { key k; leaf k { type string; } leaf v { type string; } }"
	"     leaf seen { config false; type string; } } leaf ndots { type uint8; } }"
	"   container users { list user { key name; leaf name { type string; }"
	"     leaf shell { type string; default sh; } leaf logins { config false; type uint8; } } } }"
	" container sys-state { config false; leaf boot { type string; }"
	"   container clock { leaf now { type string; } } }"
	" container ribs { container deep { list rib { config false; key name;"
	"   leaf name { type string; } leaf count { type uint8; }"
	"   container lines { list line { leaf text { type string; } } } } } }"
	" container provided { config false; leaf by { type string; } }"
	" container silent { config false; leaf x { type string; } }"
	" container other { leaf x { type string; } }"
	"}";

static struct buf calls;    /* who was asked, in order */
static unsigned kernel_ifs; /* that exist without configuration: k0, k1, … */
static bool is_failing, is_slow, has_lines;

/* Lines that are made one by one. */
static struct {
	unsigned count; /* how many there are */
	unsigned at, made, open;
	char asked[16]; /* text that was asked for */
} supply;

static void note(const char *format, ...) PRINTF(1, 2);

static void note(const char *format, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (calls.length < 4096)
		assert_int_equal(buf_printf(&calls, "%s%s", calls.length ? " " : "", text), 0);
}

/* --- features --------------------------------------------------------------------------------- */

static int refresh_link(const char *key, struct err *err)
{
	note("refresh(%s)", key ? key : "*");
	return 0;
}

static const struct object_kind kind_link = { .name = "link", .refresh = refresh_link };

static void link_units(const struct have *have, const struct lysc_node *schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	add(arg, "eth0"); /* configured, too */
	for (unsigned i = 0; i < kernel_ifs; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%u", i);
		add(arg, key);
		add(arg, key);
	}
}

static int link_show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	struct lyd_node *stats;

	note("link(%s%s)", node_text(node, "name", "?"), unit->node ? "" : "!");
	assert_ptr_equal(unit->schema, node->schema);
	assert_true(str_starts(unit->path, "/oper-test:ifs/if[name='"));
	assert_ptr_not_equal(unit->node, node);
	if (is_failing)
		return err_set(err, -EIO, NULL, "the device is out of order");
	while (is_slow && !loop_should_yield())
		;
	assert_int_equal(build_leaf(node, "oper", "up", err), 0);
	assert_int_equal(build_container(node, "stats", &stats, err), 0);
	assert_int_equal(build_u64(stats, "in", 1, err), 0);
	return build_u64(stats, "out", 2, err);
}

static int ip_show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	struct lyd_node *ip, *addr;

	note("ip(%s)", node_text(node, "name", "?"));
	assert_int_equal(build_container(node, "ip", &ip, err), 0);
	assert_int_equal(build_entry(ip, "addr", "fe80::1", &addr, err), 0);
	return build_leaf(addr, "origin", "link-layer", err);
}

static int vlan_show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	note("vlan(%s%s)", node_text(node, "id", "?"), unit->node ? "" : "!");
	assert_true(str_starts(unit->path, "/oper-test:ifs/if[name='"));
	return build_item(node, "member", "p1", err);
}

static int sys_show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	struct lyd_node *dns, *server;

	note("sys%s", unit->node ? "" : "!");
	if (unit->node) {
		assert_int_equal(build_container(node, "dns", &dns, err), 0);
		/* Observed for one that is configured, and one that is not. */
		assert_int_equal(build_entry(dns, "server", "b", &server, err), 0);
		assert_int_equal(build_leaf(server, "seen", "yes", err), 0);
		assert_int_equal(build_entry(dns, "server", "x", &server, err), 0);
		assert_int_equal(build_leaf(server, "seen", "also", err), 0);
	}
	return build_u64(node, "uptime", 7, err);
}

static int user_show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	note("user(%s)", node_text(node, "name", "?"));
	return build_u64(node, "logins", 3, err);
}

static void state_units(const struct have *have, const struct lysc_node *schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (str_equal(schema->name, "rib")) {
		add(arg, "main");
		add(arg, "it's");
	} else if (str_equal(schema->name, "sys-state")) {
		add(arg, NULL);
	}
}

static int state_show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	struct lyd_node *clock, *lines, *line;

	assert_null(unit->node);
	note("%s(%s)", unit->schema->name, node_text(node, "name", ""));
	if (str_equal(unit->schema->name, "rib")) {
		assert_int_equal(build_u64(node, "count", 9, err), 0);
		if (!has_lines && !supply.count)
			return 0;
		assert_int_equal(build_container(node, "lines", &lines, err), 0);
		if (!has_lines)
			return 0;
		assert_int_equal(build_entry(lines, "line", NULL, &line, err), 0);
		return build_leaf(line, "text", node_text(node, "name", ""), err);
	}
	assert_int_equal(build_leaf(node, "boot", "b", err), 0);
	assert_int_equal(build_container(node, "clock", &clock, err), 0);
	return build_leaf(clock, "now", "n", err);
}

static int supply_open(const struct lyd_node *parent, const struct feature_asked *asked,
	void **ret_supply, struct err *err)
{
	const char *value = asked->value(asked, "text");

	snprintf(supply.asked, sizeof(supply.asked), "%s", value ? value : "");
	supply.at = 0;
	supply.open++;
	*ret_supply = &supply;
	return 0;
}

/* Every other time it finds nothing. */
static int supply_next(
	void *opened, struct lyd_node *parent, struct lyd_node **ret_entry, struct err *err)
{
	unsigned n = supply.at / 2;

	assert_ptr_equal(opened, &supply);
	if (n == supply.count)
		return 0;
	if (supply.at++ % 2 == 0) {
		*ret_entry = NULL;
		return 1;
	}
	supply.made++;
	assert_int_equal(build_entry(parent, "line", NULL, ret_entry, err), 0);
	assert_int_equal(build_u64(*ret_entry, "text", n, err), 0);
	return 1;
}

/* One at a time. */
static int supply_skip(void *opened, uint64_t count, uint64_t *ret_skipped, struct err *err)
{
	assert_ptr_equal(opened, &supply);
	assert_true(count > 0);
	*ret_skipped = 0;
	if (supply.at / 2 == supply.count)
		return 0;
	*ret_skipped = supply.at++ % 2;
	return 1;
}

static void supply_close(void *opened)
{
	supply.open--;
}

static const struct feature_supply supplies[] = {
	{ "/oper-test:ribs/deep/rib/lines/line", supply_open, supply_next, supply_skip,
		supply_close },
	{ NULL },
};
static const char *const vlan_path[] = { "/oper-test:ifs/if/br/vlan", NULL };
static const struct object_kind *const link_kinds[] = { &kind_link, NULL };

static const struct feature feature_link = {
	.name = "link",
	.roots = (const char *const[]){ "/oper-test:ifs/if", NULL },
	.except =
		(const char *const[]){ "/oper-test:ifs/if/br/vlan", "/oper-test:ifs/if/ip", NULL },
	.units = link_units,
	.show = link_show,
	.refreshes = link_kinds,
};
static const struct feature feature_ip = {
	.name = "ip",
	.roots = (const char *const[]){ "/oper-test:ifs/if/ip", NULL },
	.show = ip_show,
};
static const struct feature feature_vlan = {
	.name = "vlan", .roots = vlan_path, .show = vlan_show
};
static const struct feature feature_sys = {
	.name = "sys",
	.roots = (const char *const[]){ "/oper-test:sys/name", NULL },
	.state_roots = (const char *const[]){ "/oper-test:sys/uptime", NULL },
	.show = sys_show,
};
static const struct feature feature_user = {
	.name = "user",
	.roots = (const char *const[]){ "/oper-test:sys/users/user", NULL },
	.show = user_show,
};
static const struct feature feature_state = {
	.name = "state",
	.state_roots = (const char *const[]){ "/oper-test:sys-state", "/oper-test:ribs/deep/rib",
		"/oper-test:silent", NULL },
	.units = state_units,
	.show = state_show,
	.supplies = supplies,
};
static const struct feature feature_other = {
	.name = "other", /* owns configuration only */
	.roots = (const char *const[]){ "/oper-test:other", "/oper-test:ifs/note",
		"/ietf-netconf-acm:nacm", NULL },
};

const struct feature *const feature_table[] = { &feature_link, &feature_ip, &feature_vlan,
	&feature_sys, &feature_user, &feature_state, &feature_other, NULL };

static int provide(struct lyd_node *container, struct err *err)
{
	note("provided");
	return build_leaf(container, "by", "server", err);
}

/* --- the running configuration ---------------------------------------------------------------- */

static const char data[] =
	"{\"oper-test:ifs\":{\"if\":[{\"name\":\"br0\",\"type\":\"bridge\",\"br\":{\"vlan\":["
	"{\"id\":10,\"desc\":\"ten\"},{\"id\":20}]}},{\"name\":\"eth0\",\"mtu\":9000,"
	"\"ip\":{\"addr\":[{\"ip\":\"10.0.0.1\",\"len\":8}]}}],\"note\":\"n\"},"
	"\"oper-test:sys\":{\"name\":\"box\",\"alias\":[\"i\",\"j\"],\"dns\":{\"server\":["
	"{\"name\":\"a\",\"port\":1},{\"name\":\"b\",\"port\":2,\"option\":[{\"k\":\"1\",\"v\":\"2\"}]}],"
	"\"ndots\":3},\"users\":{\"user\":[{\"name\":\"joe\"}]}},"
	"\"oper-test:other\":{\"x\":\"y\"}}";

static char config_dir[] = "/tmp/test-oper-XXXXXX";

static int setup(void **state)
{
	static const struct yang_module modules[] = {
		{ "ietf-netconf-acm", NULL },
		{ "ietf-netconf-with-defaults", NULL },
		{ "ietf-yang-library", NULL },
		{ "ietf-datastores", NULL },
	};
	_cleanup_err_ struct err err = { 0 };
	struct ds_config config = { config_dir, config_dir, config_dir, NULL, config_dir };
	struct ly_ctx *ctx;

	loop_init();
	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), &err) < 0)
		fail_msg("%s", err_text(&err));
	ctx = (struct ly_ctx *)yang_ctx();
	if (lys_parse_mem(ctx, module, LYS_IN_YANG, NULL) != LY_SUCCESS ||
		ly_ctx_compile(ctx) != LY_SUCCESS)
		fail_msg("%s", ly_errmsg(ctx));
	if (schema_init(&err) < 0)
		fail_msg("%s", err_text(&err));
	assert_non_null(mkdtemp(config_dir));
	store_init(&config);
	ds_set_state_provider("/oper-test:provided", provide);
	set_running(data, true);
	return 0;
}

static void remove_file(const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", config_dir, name);

	(void)unlink(path);
}

static int teardown(void **state)
{
	oper_done();
	access_done();
	schema_done();
	store_done();
	yang_done();
	loop_done();
	buf_done(&calls);
	remove_file("startup-config.cfg");
	return rmdir(config_dir);
}

static void check_calls(const char *title, const char *expected)
{
	if (!str_equal(buf_bytes(&calls), expected))
		fail_msg("%s:\n  asked    %s\n  expected %s", title, buf_bytes(&calls), expected);
	buf_clear(&calls);
}

/* --- what is asked and shown ------------------------------------------------------------------ */

#define O	" xmlns=\"urn:oper\""
#define IFS(c)	"<ifs" O ">" c "</ifs>"
#define STATS	"<stats><in>1</in><out>2</out></stats>"
#define LINK	"<oper>up</oper>" STATS
#define LEARNED "<addr><ip>fe80::1</ip><origin>link-layer</origin></addr>"
#define VLANS                                                                                      \
	"<br><vlan><id>10</id><desc>ten</desc><member>p1</member></vlan>"                          \
	"<vlan><id>20</id><member>p1</member></vlan></br>"

#define SERVER_A "<server><name>a</name><port>1</port></server>"
#define SERVER_B                                                                                   \
	"<server><name>b</name><port>2</port><option><k>1</k><v>2</v></option><seen>yes</seen></server>"
#define SERVER_X "<server><name>x</name><seen>also</seen></server>"

static const struct {
	const char *title, *filter, *expected, *calls;
	enum ds_content content;
	unsigned kernel_ifs;
} rows[] = {
	{ "one configured interface", IFS("<if><name>eth0</name></if>"),
		IFS("<if><name>eth0</name><mtu>9000</mtu>" LINK
		    "<ip><addr><ip>10.0.0.1</ip><len>8</len></addr>" LEARNED "</ip></if>"),
		"refresh(eth0) link(eth0) ip(eth0)" },
	{ "one of its leaves", IFS("<if><name>eth0</name><oper/></if>"),
		IFS("<if><name>eth0</name><oper>up</oper></if>"), "refresh(eth0) link(eth0)" },
	{ "its key", IFS("<if><name>eth0</name><name/></if>"), IFS("<if><name>eth0</name></if>"),
		"" },
	{ "another feature's part", IFS("<if><name>eth0</name><ip/></if>"),
		IFS("<if><name>eth0</name><ip><addr><ip>10.0.0.1</ip><len>8</len></addr>" LEARNED
		    "</ip></if>"),
		"ip(eth0)" },
	{ "a unit within a unit", IFS("<if><name>br0</name><br><vlan><id>20</id></vlan></br></if>"),
		IFS("<if><name>br0</name><br><vlan><id>20</id><member>p1</member></vlan></br></if>"),
		"vlan(20)" },
	{ "both units", IFS("<if><name>br0</name><br/></if>"),
		IFS("<if><name>br0</name>" VLANS "</if>"),
		"refresh(br0) link(br0) vlan(10) vlan(20)" },
	{ "a bridge as a whole", IFS("<if><name>br0</name></if>"),
		IFS("<if><name>br0</name><type>bridge</type>" LINK VLANS "<ip>" LEARNED
		    "</ip></if>"),
		"refresh(br0) link(br0) ip(br0) vlan(10) vlan(20)" },
	{ "two by key", IFS("<if><name>eth0</name><oper/></if><if><name>br0</name><oper/></if>"),
		IFS("<if><name>eth0</name><oper>up</oper></if><if><name>br0</name><oper>up</oper></if>"),
		"refresh(eth0) refresh(br0) link(eth0) link(br0)" },
	{ "none by that name", IFS("<if><name>nope</name></if>"), "", "refresh(nope)" },
	{ "not configured", IFS("<if><name>k1</name><oper/></if>"),
		IFS("<if><name>k1</name><oper>up</oper></if>"), "refresh(k1) link(k1!)", 0, 2 },
	{ "not configured and not there", IFS("<if><name>k2</name><oper/></if>"), "", "refresh(k2)",
		0, 2 },
	{ "names of all", IFS("<if><name/></if>"),
		IFS("<if><name>br0</name></if><if><name>eth0</name></if><if><name>k0</name></if>"),
		"", 0, 1 },
	{ "one leaf of all", IFS("<if><oper/></if>"),
		IFS("<if><name>br0</name><oper>up</oper></if><if><name>eth0</name><oper>up</oper></if>"
		    "<if><name>k0</name><oper>up</oper></if>"),
		"refresh(*) link(br0) link(eth0) link(k0!)", 0, 1 },
	{ "by an observed value", IFS("<if><oper>up</oper><name/></if>"),
		IFS("<if><name>br0</name><oper>up</oper></if><if><name>eth0</name><oper>up</oper></if>"),
		"refresh(*) link(br0) link(eth0)" },
	{ "by an observed value that no one has", IFS("<if><oper>down</oper><name/></if>"), "",
		"refresh(*) link(br0) link(eth0)" },
	{ "configuration beside", IFS("<note/>"), IFS("<note>n</note>"), "" },
	{ "state of an interface only", IFS("<if><name>eth0</name></if>"),
		IFS("<if><name>eth0</name>" LINK
		    "<ip><addr><ip>fe80::1</ip><origin>link-layer</origin></addr></ip></if>"),
		"refresh(eth0) link(eth0) ip(eth0)", DS_CONTENT_NONCONFIG },
	{ "configuration of it only", IFS("<if><name>eth0</name><ip/></if>"),
		IFS("<if><name>eth0</name><ip><addr><ip>10.0.0.1</ip><len>8</len></addr>"
		    "<addr><ip>fe80::1</ip></addr></ip></if>"),
		"ip(eth0)", DS_CONTENT_CONFIG },

	{ "container with a unit below", "<sys" O "/>",
		"<sys" O "><name>box</name><uptime>7</uptime><alias>i</alias><alias>j</alias>"
		"<dns>" SERVER_A SERVER_B SERVER_X "<ndots>3</ndots></dns>"
		"<users><user><name>joe</name><logins>3</logins></user></users></sys>",
		"sys user(joe)" },
	{ "entries in a container unit, by key",
		"<sys" O
		"><name/><dns><server><name>b</name></server><server><name>x</name></server>"
		"<server><name>a</name></server><server><name>y</name></server></dns></sys>",
		"<sys" O "><name>box</name><dns>" SERVER_A SERVER_B SERVER_X "</dns></sys>",
		"sys" },
	{ "entries in a container unit, by value",
		"<sys" O "><name/><dns><server><seen/><port/></server></dns></sys>",
		"<sys" O "><name>box</name><dns><server><name>a</name><port>1</port></server>"
		"<server><name>b</name><seen>yes</seen><port>2</port></server>"
		"<server><name>x</name><seen>also</seen></server></dns></sys>",
		"sys" },
	{ "the container's own", "<sys" O "><uptime/></sys>", "<sys" O "><uptime>7</uptime></sys>",
		"sys" },
	{ "only the unit below", "<sys" O "><users><user><name>joe</name></user></users></sys>",
		"<sys" O "><users><user><name>joe</name><logins>3</logins></user></users></sys>",
		"user(joe)" },
	{ "state container", "<sys-state" O "><clock/></sys-state>",
		"<sys-state" O "><clock><now>n</now></clock></sys-state>", "sys-state()" },
	{ "state container that is not there", "<silent" O "/>", "", "" },
	{ "state list", "<ribs" O "/>",
		"<ribs" O "><deep><rib><name>main</name><count>9</count></rib>"
		"<rib><name>it's</name><count>9</count></rib></deep></ribs>",
		"rib(main) rib(it's)" },
	{ "state list by key", "<ribs" O "><deep><rib><name>it's</name></rib></deep></ribs>",
		"<ribs" O "><deep><rib><name>it's</name><count>9</count></rib></deep></ribs>",
		"rib(it's)" },
	{ "the server's", "<provided" O "/>", "<provided" O "><by>server</by></provided>",
		"provided" },
	{ "configuration of what is only state", "<provided" O "/>", "", "", DS_CONTENT_CONFIG },
	{ "nobody's", "<other" O "/>", "<other" O "><x>y</x></other>", "" },
	{ "nothing", "<other" O "><nothing/></other>", "", "" },
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ds_read read = {
			.ds = DS_OPERATIONAL,
			.content = rows[i].content,
			.subtree = filter_of(rows[i].filter),
		};

		kernel_ifs = rows[i].kernel_ifs;
		check_read(rows[i].title, NULL, &read, rows[i].expected);
		check_calls(rows[i].title, rows[i].calls);
		ds_filter_free(read.subtree);
	}
	kernel_ifs = 0;
}

/* The same reads in XPath and as RESTCONF resources ask the same. */
static void test_other_ways(void **state)
{
	struct ds_read read = { .ds = DS_OPERATIONAL, .format = FORMAT_JSON };

	kernel_ifs = 1;
	read.xpath = (char *)"/oper-test:ifs/if[name='eth0']/oper";
	check_read(read.xpath, NULL, &read,
		"\"oper-test:ifs\":{\"if\":[{\"name\":\"eth0\",\"oper\":\"up\"}]}");
	check_calls(read.xpath, "refresh(eth0) link(eth0)");
	read.xpath = NULL;

	read.path = (char *)"/oper-test:ifs/if[name='k0']/stats";
	check_read(read.path, NULL, &read, "\"oper-test:stats\":{\"in\":1,\"out\":2}");
	check_calls(read.path, "refresh(k0) link(k0!)");
	read.fields = (char *)"out";
	check_read("fields", NULL, &read, "\"oper-test:stats\":{\"out\":2}");
	check_calls("fields", "refresh(k0) link(k0!)");
	read.fields = NULL;
	read.path = (char *)"/oper-test:ifs/if[name='k1']";
	check_refused(read.path, NULL, &read, -ENOENT, ERR_TAG_INVALID_VALUE, "exist");
	check_calls(read.path, "refresh(k1)");
	/* A test that looks into a list of a container unit. */
	read.path = NULL;
	read.xpath = (char *)"/oper-test:sys[dns/server/port='2'][dns/server/seen='also']/uptime";
	check_read(read.xpath, NULL, &read, "\"oper-test:sys\":{\"uptime\":7}");
	check_calls(read.xpath, "sys");
	read.xpath = (char *)"/oper-test:sys[dns/server/port='3']/uptime";
	check_read(read.xpath, NULL, &read, "");
	check_calls(read.xpath, "sys");
	read.xpath = NULL;
	read.path = (char *)"/oper-test:sys/uptime";
	check_read(read.path, NULL, &read, "\"oper-test:uptime\":7");
	check_calls(read.path, "sys");
	read.content = DS_CONTENT_CONFIG;
	check_refused(read.path, NULL, &read, -ENOENT, ERR_TAG_INVALID_VALUE, "exist");
	check_calls(read.path, "sys");
	read.content = DS_CONTENT_ALL;
	read.path = (char *)"/oper-test:ifs";
	read.depth = 3;
	read.fields = (char *)"if/oper";
	check_read(read.path, NULL, &read,
		"\"oper-test:ifs\":{\"if\":[{\"name\":\"br0\",\"oper\":\"up\"},"
		"{\"name\":\"eth0\",\"oper\":\"up\"},{\"name\":\"k0\",\"oper\":\"up\"}]}");
	buf_clear(&calls);
	kernel_ifs = 0;
}

/* Everything, with what no filter would name, and in the order of its parts. */
static void test_everything(void **state)
{
	struct ds_read read = { .ds = DS_OPERATIONAL };
	struct answer answer = read_as(NULL, &read);
	static const char *const parts[] = { "<ifs" O "><if><name>br0</name>", VLANS,
		"<note>n</note></ifs>", "<sys" O "><name>box</name>", SERVER_B,
		"<logins>3</logins>", "<sys-state" O "><boot>b</boot>",
		"<rib><name>main</name><count>9</count></rib>",
		"<provided" O "><by>server</by></provided>", "<other" O "><x>y</x></other>",
		"<yang-library xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-library\"><module-set>",
		"<datastore><name xmlns:ds=\"urn:ietf:params:xml:ns:yang:ietf-datastores\">ds:startup"
		"</name><schema>complete</schema></datastore>" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!strstr(answer.text, parts[i]))
			fail_msg("%s is not in %s", parts[i], answer.text);
	}
	assert_null(strstr(answer.text, "silent"));
	answer_done(&answer);
	buf_clear(&calls);
}

/* An expression that only libyang evaluates sees what is observed. */
static void test_general(void **state)
{
	struct ds_read read = { .ds = DS_OPERATIONAL, .format = FORMAT_JSON };

	kernel_ifs = 2;
	read.xpath = (char *)"//if[starts-with(name, 'k') and stats/in > 0]/oper";
	check_read(read.xpath, NULL, &read,
		"\"oper-test:ifs\":{\"if\":[{\"name\":\"k0\",\"oper\":\"up\"},"
		"{\"name\":\"k1\",\"oper\":\"up\"}]}");
	/* Whatever was asked, was asked in the child; the refresh cannot be. */
	check_calls(read.xpath, "refresh(*)");
	read.xpath = (char *)"//vlan[count(member) = 1][1]";
	read.content = DS_CONTENT_NONCONFIG;
	check_read(read.xpath, NULL, &read,
		"\"oper-test:ifs\":{\"if\":[{\"name\":\"br0\",\"br\":{\"vlan\":[{\"id\":10,"
		"\"member\":[\"p1\"]}]}}]}");
	read.content = DS_CONTENT_ALL;
	read.xpath = (char *)"//mtu[. > 1]";
	check_read("defaults that are not reported", NULL, &read,
		"\"oper-test:ifs\":{\"if\":[{\"name\":\"eth0\",\"mtu\":9000}]}");
	read.defaults = WITH_DEFAULTS_ALL;
	check_read("defaults that are", NULL, &read,
		"\"oper-test:ifs\":{\"if\":[{\"name\":\"br0\",\"mtu\":1500},{\"name\":\"eth0\","
		"\"mtu\":9000}]}");
	buf_clear(&calls);
	kernel_ifs = 0;
}

static void test_access(void **state)
{
	_cleanup_free_ char *text = xasprintf(
		"%.*s,\"ietf-netconf-acm:nacm\":{\"groups\":{\"group\":[{\"name\":\"g\",\"user-name\":"
		"[\"guest\"]}]},\"rule-list\":[{\"name\":\"l\",\"group\":[\"g\"],\"rule\":["
		"{\"name\":\"1\",\"path\":\"/oper-test:ifs/if[name='k0']\",\"access-operations\":\"read\","
		"\"action\":\"deny\"},"
		"{\"name\":\"2\",\"path\":\"/oper-test:ifs/if/stats\",\"access-operations\":\"read\","
		"\"action\":\"deny\"}]}]}}",
		(int)strlen(data) - 1, data);
	struct ds_read read = { .ds = DS_OPERATIONAL,
		.subtree = filter_of(IFS("<if><name/><stats/></if>")) };

	set_running(text, true);
	kernel_ifs = 2;
	check_read("stats", "guest", &read,
		IFS("<if><name>br0</name></if><if><name>eth0</name></if><if><name>k1</name></if>"));
	check_read("stats", NULL, &read,
		IFS("<if><name>br0</name>" STATS "</if><if><name>eth0</name>" STATS "</if>"
		    "<if><name>k0</name>" STATS "</if><if><name>k1</name>" STATS "</if>"));
	ds_filter_free(read.subtree);
	/* What he may not read does not count. */
	read.subtree = filter_of(IFS("<if><name/></if>"));
	read.offset = 1;
	read.limit = 2;
	check_read(
		"page", "guest", &read, IFS("<if><name>eth0</name></if><if><name>k1</name></if>"));
	ds_filter_free(read.subtree);
	buf_clear(&calls);
	kernel_ifs = 0;
	set_running(data, true);
}

/* A feature that fails leaves its part out, and the read goes on. */
static void test_failing(void **state)
{
	struct ds_read read = { .ds = DS_OPERATIONAL,
		.subtree = filter_of(IFS("<if><name>eth0</name></if>")) };

	is_failing = true;
	check_read("failing", NULL, &read,
		IFS("<if><name>eth0</name><mtu>9000</mtu><ip><addr><ip>10.0.0.1</ip><len>8</len></addr>" LEARNED
		    "</ip></if>"));
	is_failing = false;
	ds_filter_free(read.subtree);
	buf_clear(&calls);
}

static void test_defaults(void **state)
{
	struct ds_read read = { .ds = DS_OPERATIONAL,
		.format = FORMAT_JSON,
		.path = (char *)"/oper-test:sys/users/user[name='joe']" };

	read.defaults = WITH_DEFAULTS_ALL;
	check_read("all", NULL, &read,
		"\"oper-test:user\":[{\"name\":\"joe\",\"shell\":\"sh\",\"logins\":3}]");
	read.defaults = WITH_DEFAULTS_ALL_TAGGED;
	check_read("tagged", NULL, &read,
		"\"oper-test:user\":[{\"name\":\"joe\",\"shell\":\"sh\",\"@shell\":"
		"{\"ietf-netconf-with-defaults:default\":true},\"logins\":3}]");
	buf_clear(&calls);
}

/* --- slices ----------------------------------------------------------------------------------- */

struct sliced {
	struct ds_read read;
	struct answer answer;
};

static void start_sliced(void *arg)
{
	struct ds_client client = { .user = "", .protocol = "internal", .is_recovery = true };
	struct sliced *sliced = arg;

	oper_read(&client, &sliced->read, on_answer, on_detached, &sliced->answer);
	assert_false(sliced->answer.is_detached);
}

static void same_rows(const struct ds_rows *a, const struct ds_rows *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_string_equal(a->list[i].path, b->list[i].path);
		assert_ptr_equal(a->list[i].schema, b->list[i].schema);
		assert_int_equal(a->list[i].start, b->list[i].start);
		assert_int_equal(a->list[i].end, b->list[i].end);
	}
}

/* What is little goes to no child, however many slices it takes where each entry needs one of its own. */
static void test_slow_machine(void **state)
{
	struct sliced sliced = { .read = { .ds = DS_OPERATIONAL } };
	struct loop_task *task = loop_task_new("test", start_sliced, &sliced);

	kernel_ifs = 60;
	is_slow = true;
	loop_task_schedule(task);
	while (!sliced.answer.is_there) {
		buf_clear(&calls);
		loop_turn(-1);
	}
	assert_false(sliced.answer.is_detached);
	assert_non_null(strstr(sliced.answer.text, "<name>k59</name>"));
	answer_done(&sliced.answer);
	loop_task_free(task);
	is_slow = false;
	kernel_ifs = 0;
}

/* From within a callback a long read takes several turns, in the end a child, and gives the same. */
static void test_slices(void **state)
{
	struct ds_rows rows_here = { 0 }, rows_of_child = { 0 };
	struct sliced sliced = { .read = { .ds = DS_OPERATIONAL, .rows = &rows_here } };
	struct loop_task *task = loop_task_new("test", start_sliced, &sliced);
	struct answer whole;
	unsigned turns = 0;

	kernel_ifs = 20000;
	has_lines = true;
	whole = read_as(NULL, &sliced.read);
	sliced.read.rows = &rows_of_child;
	loop_task_schedule(task);
	while (!sliced.answer.is_there) {
		loop_turn(-1);
		turns++;
	}
	assert_true(turns > 2);
	assert_true(sliced.answer.is_detached);
	assert_string_equal(sliced.answer.text, whole.text);
	assert_non_null(strstr(whole.text, "<name>k19999</name>"));
	assert_int_equal(rows_here.count, 2);
	same_rows(&rows_here, &rows_of_child);
	ds_rows_done(&rows_here);
	ds_rows_done(&rows_of_child);
	answer_done(&whole);
	answer_done(&sliced.answer);
	loop_task_free(task);
	buf_clear(&calls);
	kernel_ifs = 0;
	has_lines = false;
}

/* What came in parts so far; the next is not asked for at once. */
static struct {
	struct buf text;
	unsigned count;
} parts;

static void on_part(struct buf *part, void *arg)
{
	assert_true(part->length >= DS_PART_BYTES && part->length < 4 * DS_PART_BYTES);
	assert_int_equal(buf_append(&parts.text, buf_bytes(part), part->length), 0);
	parts.count++;
}

/* A long answer comes in parts, each when there is room for it; together they are the same. */
static void test_parts(void **state)
{
	struct sliced sliced = { .read = { .ds = DS_OPERATIONAL } };
	struct loop_task *task = loop_task_new("test", start_sliced, &sliced);
	struct answer whole;
	unsigned asked = 1;

	kernel_ifs = 20000;
	whole = read_as(NULL, &sliced.read);
	sliced.read.part = on_part;
	loop_task_schedule(task);
	while (!sliced.answer.is_there) {
		loop_turn(20);
		assert_true(parts.count <= asked);
		if (parts.count < asked)
			continue;
		for (unsigned i = 0; i < 3 && !sliced.answer.is_there; i++)
			loop_turn(0);
		assert_true(parts.count == asked);
		oper_more(&sliced.answer);
		asked++;
	}
	assert_true(parts.count > 10);
	assert_int_equal(
		buf_append(&parts.text, sliced.answer.text, strlen(sliced.answer.text)), 0);
	assert_string_equal(buf_bytes(&parts.text), whole.text);
	buf_done(&parts.text);
	answer_done(&whole);
	answer_done(&sliced.answer);
	loop_task_free(task);
	buf_clear(&calls);
	kernel_ifs = 0;
}

static void check_supplied(const char *xpath, const char *expected)
{
	struct ds_read read = { .ds = DS_OPERATIONAL, .xpath = (char *)xpath };
	struct answer answer = read_as(NULL, &read);

	assert_string_equal(answer.text, expected);
	answer_done(&answer);
	assert_int_equal(supply.open, 0);
	buf_clear(&calls);
}

#define RIB(c)	"<ribs" O "><deep><rib><name>main</name>" c "</rib></deep></ribs>"
#define LINE(n) "<line><text>" n "</text></line>"

/* Entries that are made one by one: as many as are asked for, and none if nobody wants them. */
static void test_supplied(void **state)
{
	supply.count = 3;
	check_supplied("/oper-test:ribs/deep/rib[name='main']",
		RIB("<count>9</count><lines>" LINE("0") LINE("1") LINE("2") "</lines>"));
	assert_string_equal(supply.asked, "");
	check_supplied("/oper-test:ribs/deep/rib[name='main']/lines/line[text='2']",
		RIB("<lines>" LINE("2") "</lines>"));
	assert_string_equal(supply.asked, "2");
	has_lines = true;
	check_supplied("/oper-test:ribs/deep/rib[name='main']/lines",
		RIB("<lines>" LINE("main") LINE("0") LINE("1") LINE("2") "</lines>"));
	has_lines = false;
	check_supplied("/oper-test:ribs/deep/rib[last()]/lines/line[text>0][last()]",
		"<ribs" O
		"><deep><rib><name>it's</name><lines>" LINE("2") "</lines></rib></deep></ribs>");

	/* An expression that is not about them is answered without them. */
	supply.count = UINT32_MAX / 4;
	check_supplied("//if[name='eth0'][last()]/name", IFS("<if><name>eth0</name></if>"));
	supply.count = 0;
}

/* --- pages -------------------------------------------------------------------------------------- */

#define PAGES_MAX 8

/* Every page of a list of @count entries has those that it should, in both formats. */
static void check_pages(struct ds_read *read, const char *user, const char *const *entries,
	size_t count, const char *head, const char *between, const char *tail, const char *none)
{
	for (unsigned offset = 0; offset <= count + 1; offset++) {
		for (unsigned limit = 0; limit <= count + 1; limit++) {
			size_t end = limit && offset + limit < count ? offset + limit : count;
			_cleanup_(buf_done) struct buf expected = { 0 };

			if (!offset && !limit)
				continue;
			(void)!buf_append_str(&expected, offset < count ? head : none);
			for (size_t i = offset; i < end; i++)
				(void)!buf_printf(
					&expected, "%s%s", i > offset ? between : "", entries[i]);
			(void)!buf_append_str(&expected, offset < count ? tail : "");
			read->offset = offset;
			read->limit = limit;
			check_read("page", user, read, buf_bytes(&expected));
			assert_int_equal(supply.open, 0);
		}
	}
	buf_clear(&calls);
}

#define NAME(n) "<if><name>" n "</name></if>"

static void test_pages(void **state)
{
	const char *const xml[] = { NAME("br0"), NAME("eth0"), NAME("k0"), NAME("k1"), NAME("k2") };
	const char *const json[] = { "{\"name\":\"br0\"}", "{\"name\":\"eth0\"}",
		"{\"name\":\"k0\"}", "{\"name\":\"k1\"}", "{\"name\":\"k2\"}" };
	struct ds_read read = { .ds = DS_OPERATIONAL,
		.subtree = filter_of(IFS("<if><name/></if>")) };

	kernel_ifs = 3;
	check_pages(&read, NULL, xml, ARRAY_SIZE(xml), "<ifs" O ">", "", "</ifs>", "");
	ds_filter_free(TAKE(read.subtree));
	read.format = FORMAT_JSON;
	read.path = (char *)"/oper-test:ifs/if";
	read.fields = (char *)"name";
	check_pages(&read, NULL, json, ARRAY_SIZE(json), "\"oper-test:if\":[", ",", "]", "");
	read.path = (char *)"/oper-test:ifs";
	read.fields = (char *)"if(name)";
	check_pages(&read, NULL, json, ARRAY_SIZE(json), "\"oper-test:ifs\":{\"if\":[", ",", "]}",
		"\"oper-test:ifs\":{}");
	kernel_ifs = 0;
}

/* What counts is what is in the answer: that of which something is selected. */
static void test_pages_selected(void **state)
{
	const char *const entries[] = { "<if><name>eth0</name><mtu>9000</mtu></if>" };
	const char *const vlans[] = { "<vlan><id>10</id><desc>ten</desc></vlan>" };
	const char *const items[] = { "<alias>i</alias>", "<alias>j</alias>" };
	struct ds_read read = { .ds = DS_OPERATIONAL,
		.subtree = filter_of(IFS("<if><mtu/></if>")) };

	kernel_ifs = 3;
	check_pages(&read, NULL, entries, 1, "<ifs" O ">", "", "</ifs>", "");
	ds_filter_free(read.subtree);
	/* past an entry that is named, to the list below it */
	read.subtree = filter_of(IFS("<if><name>br0</name><br><vlan><desc/></vlan></br></if>"));
	check_pages(&read, NULL, vlans, 1, "<ifs" O "><if><name>br0</name><br>", "",
		"</br></if></ifs>", "<ifs" O "><if><name>br0</name></if></ifs>");
	ds_filter_free(TAKE(read.subtree));
	read.xpath = (char *)"/oper-test:sys/alias";
	check_pages(&read, NULL, items, 2, "<sys" O ">", "", "</sys>", "");
	kernel_ifs = 0;
}

/* Those that are made one by one: whatever they hold they need not be made to be left out. */
static void test_pages_supplied(void **state)
{
	const char *const entries[] = { LINE("0"), LINE("1"), LINE("2"), LINE("3") };
	struct ds_read read = { .ds = DS_OPERATIONAL,
		.xpath = (char *)"/oper-test:ribs/deep/rib[name='main']/lines/line" };
	const char *head = "<ribs" O "><deep><rib><name>main</name><lines>",
		   *tail = "</lines></rib></deep></ribs>", *none = "";

	supply.count = 4;
	check_pages(&read, NULL, entries, 4, head, "", tail, none);
	read.offset = 2;
	read.limit = 1;
	supply.made = 0;
	check_read("made", NULL, &read,
		"<ribs" O
		"><deep><rib><name>main</name><lines>" LINE("2") "</lines></rib></deep></ribs>");
	assert_int_equal(supply.made, 1);
	read.xpath = (char *)"/oper-test:ribs/deep/rib[name='main']/lines/line/text";
	check_pages(&read, NULL, entries, 4, head, "", tail, none);
	read.xpath = (char *)"/oper-test:ribs/deep/rib[name='main']/lines/line[text='2']";
	check_pages(&read, NULL, entries + 2, 1, head, "", tail, none);
	supply.count = 0;
}

/* Where there is no list, or more than one, or nobody knows. */
static void test_no_pages(void **state)
{
	static const char *const expressions[] = {
		"/oper-test:ifs",
		"/oper-test:ifs/if[name='eth0']",
		"/oper-test:ifs/if/name | /oper-test:sys/alias",
		"/oper-test:ifs/if[position()=1]",
		"/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
		struct ds_read read = {
			.ds = DS_OPERATIONAL, .xpath = (char *)expressions[i], .limit = 1
		};
		struct answer answer = read_as(NULL, &read);

		assert_int_equal(err_effective_tag(&answer.err), ERR_TAG_INVALID_VALUE);
		answer_done(&answer);
	}
	buf_clear(&calls);
}

static void test_cancel(void **state)
{
	struct ds_client client = { .user = "", .protocol = "internal", .is_recovery = true };
	struct sliced sliced = { .read = { .ds = DS_OPERATIONAL } };
	struct loop_task *task = loop_task_new("test", start_sliced, &sliced);

	kernel_ifs = 5000;
	loop_task_schedule(task);
	loop_turn(-1);
	assert_false(sliced.answer.is_there);
	oper_cancel(&sliced.answer);
	loop_turn(0);
	assert_false(sliced.answer.is_there);

	sliced.read.xpath = (char *)"//if[oper='up'][last()]";
	oper_read(&client, &sliced.read, on_answer, on_detached, &sliced.answer);
	assert_true(sliced.answer.is_detached);
	oper_cancel(&sliced.answer);
	/* The child is reaped in some turn from now; another read needs some. */
	kernel_ifs = 0;
	sliced.read.xpath = (char *)"//note[1]";
	check_read("after that", NULL, &sliced.read, IFS("<note>n</note>"));
	assert_false(sliced.answer.is_there);
	loop_task_free(task);
	buf_clear(&calls);
}

/* --- startup ---------------------------------------------------------------------------------- */

static void write_startup(const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/startup-config.cfg", config_dir);

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static void test_startup(void **state)
{
	struct ds_read read = { .ds = DS_STARTUP, .content = DS_CONTENT_CONFIG };
	struct buf text = { 0 };
	struct answer answer;

	check_read("no file", NULL, &read, "");
	write_startup("{\"oper-test:other\":{\"x\":\"saved\"}}");
	check_read("small", NULL, &read, "<other" O "><x>saved</x></other>");
	read.xpath = (char *)"//x[starts-with(., 's')]";
	check_read("general", NULL, &read, "<other" O "><x>saved</x></other>");
	read.xpath = NULL;
	write_startup("{\"oper-test:sys\":{\"users\":{\"user\":[{\"name\":\"joe\"}]}}}");
	read.subtree = filter_of("<sys" O "/>");
	check_read("explicit", NULL, &read,
		"<sys" O "><users><user><name>joe</name></user></users></sys>");
	read.defaults = WITH_DEFAULTS_ALL;
	check_read("with defaults", NULL, &read,
		"<sys" O "><users><user><name>joe</name><shell>sh</shell></user></users></sys>");
	read.defaults = WITH_DEFAULTS_EXPLICIT;
	ds_filter_free(read.subtree);
	read.subtree = NULL;

	assert_int_equal(buf_append_str(&text, "{\"oper-test:ifs\":{\"if\":["), 0);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(
			buf_printf(&text, "%s{\"name\":\"e%04d\",\"type\":\"x\"}", i ? "," : "", i),
			0);
	assert_int_equal(buf_append_str(&text, "]}}"), 0);
	write_startup(buf_bytes(&text));
	buf_done(&text);
	answer = read_as(NULL, &read);
	assert_non_null(answer.text);
	assert_int_equal(strlen(answer.text),
		strlen(IFS("")) + 2000 * strlen("<if><name>e0000</name><type>x</type></if>"));
	answer_done(&answer);
	read.path = (char *)"/oper-test:ifs/if[name='e9999']";
	check_refused("large, not there", NULL, &read, -ENOENT, ERR_TAG_INVALID_VALUE, "exist");
	read.path = NULL;
	write_startup("{\"oper-test:ifs\":{");
	check_refused("broken", NULL, &read, -EBADMSG, ERR_TAG_MALFORMED_MESSAGE, "breaks off");
	remove_file("startup-config.cfg");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_other_ways),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_general),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_failing),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_slow_machine),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_supplied),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_pages_selected),
		cmocka_unit_test(test_pages_supplied),
		cmocka_unit_test(test_no_pages),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_startup),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
