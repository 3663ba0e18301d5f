/*
 * Access control: tables of rules × operations, among them the examples of RFC 8341 appendix A on the
 * modules at hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/str.h"
#include "ashlar/yang.h"

#include "../../src/datastore/access.h"

#define GROUPS                                                                                     \
	"\"groups\":{\"group\":["                                                                  \
	"{\"name\":\"admin\",\"user-name\":[\"admin\",\"andy\"]},"                                 \
	"{\"name\":\"limited\",\"user-name\":[\"wilma\",\"bam-bam\"]},"                            \
	"{\"name\":\"guest\",\"user-name\":[\"guest\",\"guest@example.com\",\"bam-bam\"]}]}"
#define NACM(rest) "{\"ietf-netconf-acm:nacm\":{" GROUPS "," rest "}}"
#define LIST(name, group, rules)                                                                   \
	"{\"name\":\"" name "\",\"group\":[\"" group "\"],\"rule\":[" rules "]}"
#define RULE(name, match, ops, action)                                                             \
	"{\"name\":\"" name "\"," match "\"access-operations\":\"" ops "\",\"action\":\"" action   \
	"\"}"
#define ANY	   ""
#define MODULE(m)  "\"module-name\":\"" m "\","
#define PATH(path) "\"path\":\"" path "\","
#define RPC(m, r)  MODULE(m) "\"rpc-name\":\"" r "\","

static struct lyd_node *data;

static struct lyd_node *parse(const char *text)
{
	_cleanup_err_ struct err err = { 0 };
	struct lyd_node *tree = NULL;
	int r = format_parse_config(text, strlen(text), FORMAT_JSON, &tree, &err);

	if (r < 0)
		fail_msg("%s: %s", err.path ? err.path : "", err_text(&err));
	return tree;
}

static int setup(void **state)
{
	static const char *const authentication[] = { "authentication", "local-users", NULL };
	static const struct yang_module modules[] = {
		{ "ietf-netconf", NULL },
		{ "ietf-netconf-acm", NULL },
		{ "ietf-interfaces", NULL },
		{ "ietf-ip", NULL },
		{ "ietf-system", authentication },
		{ "ietf-netconf-monitoring", NULL },
		{ "infix-containers", NULL },
		{ "iana-if-type", NULL },
		{ "ietf-yang-library", NULL },
	};
	_cleanup_err_ struct err err = { 0 };

	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), &err) < 0)
		fail_msg("%s", err_text(&err));
	data = parse(
		"{\"ietf-interfaces:interfaces\":{\"interface\":["
		"{\"name\":\"eth0\",\"type\":\"iana-if-type:ethernetCsmacd\",\"enabled\":true,"
		"\"ietf-ip:ipv4\":{\"address\":[{\"ip\":\"192.0.2.1\",\"prefix-length\":24}]}},"
		"{\"name\":\"dummy\",\"type\":\"iana-if-type:ethernetCsmacd\",\"enabled\":true}]},"
		"\"ietf-system:system\":{\"hostname\":\"box\",\"authentication\":{\"user\":["
		"{\"name\":\"admin\",\"password\":\"$0$x\"}]}},"
		"\"ietf-netconf-acm:nacm\":{\"enable-nacm\":true},"
		"\"infix-containers:containers\":{\"container\":[{\"name\":\"web\",\"image\":"
		"\"oci-archive:/web.tar\"}]}}");
	return 0;
}

static int teardown(void **state)
{
	access_done();
	lyd_free_all(data);
	yang_done();
	return 0;
}

static void load(const char *text)
{
	struct lyd_node *tree = text ? parse(text) : NULL;

	access_load(tree);
	lyd_free_all(tree);
}

static struct access *of(const char *user)
{
	struct ds_client client = { .user = user, .protocol = "netconf" };

	return access_of(&client);
}

static enum access_op op_by_letter(char letter)
{
	static const char letters[] = "rcudx";

	return (enum access_op)(strchr(letters, letter) - letters);
}

static const struct lyd_node *find(const char *path)
{
	struct lyd_node *node = NULL;

	if (lyd_find_path(data, path, 0, &node) != LY_SUCCESS)
		fail_msg("no node %s", path);
	return node;
}

/* "rcud": what of these four is permitted is listed. */
static void expect(const char *user, const char *path, const char *permitted)
{
	for (const char *op = "rcud"; *op; op++) {
		bool may = access_node(of(user), find(path), op_by_letter(*op));

		if (may != (strchr(permitted, *op) != NULL))
			fail_msg("%s %s %c: %s", user, path, *op, may ? "permitted" : "denied");
	}
}

#define IF(name) "/ietf-interfaces:interfaces/interface[name='" name "']"

static void test_nothing_configured(void **state)
{
	load(NULL);
	expect("wilma", IF("eth0"), "r");
	expect("wilma", "/ietf-netconf-acm:nacm/enable-nacm", "");
	/* nacm:default-deny-write and -all */
	expect("wilma", "/ietf-system:system/hostname", "r");
	assert_true(access_rpc(of("wilma"), "ietf-netconf", "edit-config"));
	assert_false(access_rpc(of("wilma"), "ietf-netconf", "kill-session"));
	assert_false(access_rpc(of("wilma"), "ietf-netconf", "delete-config"));
	assert_true(access_rpc(of("wilma"), "ietf-netconf", "close-session"));
	assert_false(access_rpc(of("wilma"), "ietf-system", "system-restart"));
	assert_false(access_all(of("wilma"), ACCESS_READ));
}

static void test_switches(void **state)
{
	struct ds_client recovery = { .user = "wilma", .is_recovery = true };

	load(NACM("\"enable-nacm\":false"));
	assert_null(of("wilma"));
	expect("wilma", "/ietf-netconf-acm:nacm/enable-nacm", "rcud");
	assert_true(access_rpc(of("wilma"), "ietf-netconf", "kill-session"));
	load(NACM(
		"\"read-default\":\"deny\",\"write-default\":\"permit\",\"exec-default\":\"deny\""));
	assert_null(access_of(&recovery));
	expect("wilma", IF("eth0"), "cud");
	expect("wilma", "/ietf-netconf-acm:nacm/enable-nacm", "");
	assert_false(access_rpc(of("wilma"), "ietf-netconf", "edit-config"));
	assert_true(access_rpc(of("wilma"), "ietf-netconf", "close-session"));
}

/* Appendix A.2 */
static void test_module_rules(void **state)
{
	load(NACM("\"exec-default\":\"deny\",\"rule-list\":[" LIST("guest-acl", "guest",
		RULE("deny-if", MODULE("ietf-ip"), "*", "deny")) "," LIST("limited-acl", "limited",
		RULE("permit-if", MODULE("ietf-interfaces"), "read update", "permit") "," RULE(
			"permit-exec", MODULE("*"), "exec", "permit")) "," LIST("admin-acl",
		"admin", RULE("permit-all", MODULE("*"), "*", "permit")) "]"));
	expect("andy", "/ietf-netconf-acm:nacm/enable-nacm", "rcud");
	assert_true(access_all(of("andy"), ACCESS_DELETE));
	assert_true(access_rpc(of("andy"), "ietf-netconf", "kill-session"));
	expect("wilma", IF("eth0") "/enabled", "ru");
	expect("wilma", IF("eth0") "/ietf-ip:ipv4", "r"); /* defined elsewhere */
	assert_true(access_rpc(of("wilma"), "ietf-netconf", "kill-session"));
	expect("guest", IF("eth0") "/enabled", "r");
	expect("guest", IF("eth0") "/ietf-ip:ipv4", "");
	expect("bam-bam", IF("eth0") "/ietf-ip:ipv4/address[ip='192.0.2.1']", "");
	expect("bam-bam", IF("eth0") "/enabled", "ru");
	assert_false(access_rpc(of("guest"), "ietf-netconf", "get"));
	expect("stranger", IF("eth0") "/ietf-ip:ipv4", "r");
}

/* Appendix A.3 */
static void test_rpc_rules(void **state)
{
	load(NACM("\"exec-default\":\"deny\",\"rule-list\":[" LIST("guest-limited-acl",
		"limited\",\"guest",
		RULE("deny-kill-session", RPC("ietf-netconf", "kill-session"), "exec",
			"deny") "," RULE("permit-delete", RPC("ietf-netconf", "delete-config"),
			"exec", "permit")) "," LIST("limited-acl", "limited",
		RULE("permit-edit-config", RPC("*", "edit-config"), "exec", "permit") "," RULE(
			"no-exec", RPC("*", "lock"), "read", "permit") "," RULE("late",
			RPC("*", "*"), "exec", "deny")) "]"));
	assert_false(access_rpc(of("wilma"), "ietf-netconf", "kill-session"));
	assert_true(access_rpc(of("guest"), "ietf-netconf", "delete-config"));
	assert_true(access_rpc(of("wilma"), "ietf-netconf", "edit-config"));
	assert_false(access_rpc(of("guest"), "ietf-netconf", "edit-config"));
	assert_false(access_rpc(of("wilma"), "ietf-netconf", "lock"));
	assert_true(access_rpc(of("wilma"), "ietf-netconf", "close-session"));
	expect("wilma", IF("eth0"), "r"); /* rules for operations say nothing about data */
}

/* Appendix A.4 */
static void test_data_rules(void **state)
{
	load(NACM("\"rule-list\":[" LIST("guest-acl", "guest",
		RULE("deny-nacm", PATH("/ietf-netconf-acm:nacm"), "*",
			"deny")) "," LIST("limited-acl", "limited",
		RULE("permit-ipv4", PATH("/ietf-interfaces:interfaces/interface/ietf-ip:ipv4"),
			"read create update delete", "permit")) "," LIST("guest-limited-acl",
		"guest\",\"limited",
		RULE("permit-dummy-interface",
			PATH("/ietf-interfaces:interfaces/interface[name='dummy']"), "read update",
			"permit") "," RULE("deny-eth0",
			PATH("/ietf-interfaces:interfaces/interface[name='eth0']/enabled"), "read",
			"deny")) "," LIST("admin-acl", "admin",
		RULE("permit-interface", PATH("/ietf-interfaces:interfaces/interface"), "*",
			"permit")) "]"));
	expect("guest", "/ietf-netconf-acm:nacm", "");
	expect("wilma", IF("eth0") "/ietf-ip:ipv4/address[ip='192.0.2.1']/prefix-length", "rcud");
	expect("guest", IF("eth0") "/ietf-ip:ipv4/address[ip='192.0.2.1']/prefix-length", "r");
	expect("wilma", IF("dummy"), "ru");
	expect("wilma", IF("dummy") "/enabled", "ru");
	expect("wilma", IF("eth0"), "r");
	expect("guest", IF("eth0") "/enabled", "");
	expect("andy", IF("eth0") "/enabled", "rcud");
	expect("andy", "/ietf-interfaces:interfaces", "r");
	expect("andy", "/ietf-system:system/hostname", "r");
}

static void test_whole_datastore(void **state)
{
	load(NACM("\"read-default\":\"deny\",\"rule-list\":[" LIST("a", "*",
		RULE("no-passwords", PATH("/ietf-system:system/authentication/user/password"), "*",
			"deny") "," RULE("rest", PATH("/"), "read update", "permit")) "]"));
	expect("wilma", "/ietf-system:system/authentication/user[name='admin']/password", "");
	expect("wilma", "/ietf-system:system/authentication/user[name='admin']", "ru");
	expect("wilma", "/ietf-netconf-acm:nacm", "ru");
	expect("stranger", "/ietf-netconf-acm:nacm", ""); /* in no group: not even "*" applies */
	assert_true(access_below(of("wilma"), find("/ietf-interfaces:interfaces")->schema,
			    ACCESS_READ) == ACCESS_PERMIT);
	assert_true(access_below(of("wilma"), find("/ietf-system:system")->schema, ACCESS_READ) ==
		ACCESS_DEPENDS);
}

/* What schema verdicts promise holds for every node of the data. */
static void test_verdicts_agree(void **state)
{
	static const char *const users[] = { "wilma", "guest", "bam-bam", "andy", "stranger" };
	const struct lyd_node *top, *node, *below;
	size_t sure = 0;

	load(NACM("\"rule-list\":[" LIST("one", "limited",
		RULE("1", PATH("/ietf-interfaces:interfaces/interface[name='dummy']"), "read",
			"permit") "," RULE("2",
			PATH("/ietf-interfaces:interfaces/interface[name='eth0']/enabled"), "*",
			"deny") "," RULE("3", MODULE("ietf-system"), "*", "permit")) "," LIST("two",
		"guest",
		RULE("1", PATH("/ietf-interfaces:interfaces/interface"), "create update",
			"permit") "," RULE("2", MODULE("ietf-ip"), "read", "deny")) "]"));
	for (size_t u = 0; u < ARRAY_SIZE(users); u++) {
		for (int op = 0; op < ACCESS_EXEC; op++) {
			LY_LIST_FOR (data, top) {
				LYD_TREE_DFS_BEGIN (top, node) {
					enum access_verdict v =
						access_below(of(users[u]), node->schema, op);

					sure += v != ACCESS_DEPENDS;
					if (v == ACCESS_PERMIT) {
						for (below = lyd_child(node); below;
							below = below->next)
							assert_true(access_node(
								of(users[u]), below, op));
						assert_true(access_node(of(users[u]), node, op));
					} else if (v == ACCESS_DENY) {
						assert_false(access_node(of(users[u]), node, op));
					}
					LYD_TREE_DFS_END(top, node);
				}
			}
		}
	}
	assert_true(sure > 100);
	/* Both rules that could matter permit: no need to look at the instance. */
	assert_int_equal(
		access_schema(of("wilma"), find(IF("eth0"))->schema, ACCESS_READ), ACCESS_PERMIT);
	assert_int_equal(
		access_schema(of("wilma"), find(IF("eth0") "/enabled")->schema, ACCESS_READ),
		ACCESS_DEPENDS);
}

static void test_actions_and_notifications(void **state)
{
	const char *path = "/infix-containers:containers/container[name='web']/start";
	struct lyd_node *op = NULL, *tree = NULL;

	assert_int_equal(
		lyd_new_path2(NULL, yang_ctx(), path, NULL, 0, 0, 0, &tree, &op), LY_SUCCESS);
	load(NACM("\"rule-list\":[" LIST("1", "limited",
		RULE("1", PATH("/infix-containers:containers/container/start"), "exec",
			"deny")) "," LIST("2", "guest",
		RULE("1", PATH("/infix-containers:containers"), "read", "deny")) "]"));
	assert_true(access_action(of("andy"), op));
	assert_false(access_action(of("wilma"), op));
	assert_false(access_action(of("guest"), op)); /* may not read the container */
	lyd_free_all(tree);

	assert_int_equal(lyd_new_path2(NULL, yang_ctx(), "/ietf-yang-library:yang-library-update",
				 NULL, 0, 0, LYD_NEW_PATH_UPDATE, &tree, &op),
		LY_SUCCESS);
	load(NACM("\"rule-list\":[" LIST("1", "limited",
		RULE("1",
			MODULE("ietf-yang-library") "\"notification-name\":\"yang-library-update\",",
			"read", "deny")) "]"));
	assert_true(access_notification(of("guest"), op));
	assert_false(access_notification(of("wilma"), op));
	lyd_free_all(tree);
}

static void test_errors_name_nothing_hidden(void **state)
{
	_cleanup_err_ struct err err = { 0 };
	const char *path = "/ietf-system:system/authentication/user[name='admin']/password";

	load(NACM("\"rule-list\":[" LIST("1", "limited",
		RULE("1", PATH("/ietf-system:system/authentication"), "read", "deny")) "]"));
	assert_int_equal(access_denied(of("wilma"), find(path), &err), -EACCES);
	assert_string_equal(err.path, "/ietf-system:system");
	assert_int_equal(err_effective_tag(&err), ERR_TAG_ACCESS_DENIED);
	(void)access_denied(of("guest"), find(IF("eth0") "/enabled"), &err);
	assert_string_equal(err.path, IF("eth0") "/enabled");
}

static void test_counters_and_old_rules(void **state)
{
	struct ds_denied before = *ds_denied();
	struct access *old;

	load(NACM("\"write-default\":\"permit\""));
	old = access_ref(of("wilma"));
	assert_ptr_equal(old, of("wilma"));
	load(NACM("\"write-default\":\"deny\""));
	assert_ptr_not_equal(old, of("wilma"));
	assert_true(access_node(old, find(IF("eth0")), ACCESS_UPDATE));
	assert_false(access_node(of("wilma"), find(IF("eth0")), ACCESS_UPDATE));
	assert_false(access_rpc(of("wilma"), "ietf-netconf", "kill-session"));
	access_unref(old);
	assert_int_equal(ds_denied()->data_writes, before.data_writes + 1);
	assert_int_equal(ds_denied()->operations, before.operations + 1);
	for (int i = 0; i < 1000; i++) { /* more users than are remembered */
		char name[16];

		snprintf(name, sizeof(name), "user%d", i);
		assert_true(access_node(of(name), find(IF("eth0")), ACCESS_READ));
	}
	assert_true(access_concerns(find("/ietf-netconf-acm:nacm/enable-nacm")->schema));
	assert_false(access_concerns(find(IF("eth0"))->schema));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_configured),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_module_rules),
		cmocka_unit_test(test_rpc_rules),
		cmocka_unit_test(test_data_rules),
		cmocka_unit_test(test_whole_datastore),
		cmocka_unit_test(test_verdicts_agree),
		cmocka_unit_test(test_actions_and_notifications),
		cmocka_unit_test(test_errors_name_nothing_hidden),
		cmocka_unit_test(test_counters_and_old_rules),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
