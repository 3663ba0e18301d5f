/*
 * Link aggregates: their mode, LACP, and how failing ports are noticed. Their ports are in lag-port.c.
 *
 * A static aggregate spreads by a hash of addresses (balance-xor), as does one that speaks LACP: what
 * belongs together stays in order. Carriers are looked at every 100 ms, or as often as is needed to wait as
 * long as configured: the kernel waits for a number of looks.
 */
#include <linux/if_bonding.h>

#include "ashlar/str.h"

#include "interface.h"

#define LAG	     "infix-interfaces:lag"
#define LACP	     LAG "/lacp"
#define DEBOUNCE     LAG "/link-monitor/debounce"
#define LOOK_MS	     100 /* as often as is usual */
#define LOOK_MIN_MS  10	 /* as often as is bearable */
#define PRIORITY_MAX 65535

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	if (!str_equal(interface_guess(interface_name(unit->node), NULL, NULL), "lag"))
		return 0;
	return interface_fill_type(edit, unit, "lag", err);
}

static int check(const struct unit *unit, struct err *err)
{
	return interface_is(unit->node, "lag") ? interface_check_kind(&link_kind_bond, err) : 0;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static uint32_t round_up(uint32_t value, uint32_t to)
{
	return (value + to - 1) / to * to;
}

static void want_delays(const struct lyd_node *node, struct link_bond *bond)
{
	uint32_t up = (uint32_t)node_u64(node, DEBOUNCE "/up", 0);
	uint32_t down = (uint32_t)node_u64(node, DEBOUNCE "/down", 0);

	bond->look_ms = common_divisor(common_divisor(LOOK_MS, up), down);
	if (bond->look_ms < LOOK_MIN_MS)
		bond->look_ms = LOOK_MIN_MS;
	bond->up_delay_ms = round_up(up, bond->look_ms);
	bond->down_delay_ms = round_up(down, bond->look_ms);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *node = unit->node;
	struct link_bond *bond;
	struct link *link;
	int r;

	if (!interface_is(node, "lag"))
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_KIND, LAG, err);
	if (r < 0)
		return r;
	link->kind = &link_kind_bond;
	bond = &link->bond;
	bond->mode = str_equal(node_text(node, LAG "/mode", ""), "lacp") ? BOND_MODE_8023AD
									 : BOND_MODE_XOR;
	bond->hash = BOND_XMIT_POLICY_LAYER23;
	want_delays(node, bond);
	if (bond->mode != BOND_MODE_8023AD)
		return 0;
	bond->lacp_active = str_equal(node_text(node, LACP "/mode", "active"), "active");
	bond->lacp_fast = str_equal(node_text(node, LACP "/rate", "slow"), "fast");
	bond->system_priority = (uint16_t)node_u64(node, LACP "/system-priority", PRIORITY_MAX);
	return 0;
}

/* --- show -------------------------------------------------------------------------------------- */

static int show_hash(const struct link_bond *bond, struct lyd_node *node, struct err *err)
{
	static const char *const names[] = {
		[BOND_XMIT_POLICY_LAYER2] = "layer2",
		[BOND_XMIT_POLICY_LAYER34] = "layer3-4",
		[BOND_XMIT_POLICY_LAYER23] = "layer2-3",
		[BOND_XMIT_POLICY_ENCAP23] = "encap2-3",
		[BOND_XMIT_POLICY_ENCAP34] = "encap3-4",
		[BOND_XMIT_POLICY_VLAN_SRCMAC] = "vlan-srcmac",
	};

	return bond->hash < ARRAY_SIZE(names) ? build_leaf(node, "hash", names[bond->hash], err)
					      : 0;
}

static int show_lacp(const struct link_bond *bond, struct lyd_node *lag, struct err *err)
{
	struct lyd_node *lacp = NULL;
	char mac[18];
	int r = build_container(lag, "lacp", &lacp, err);

	if (r == 0)
		r = show_hash(bond, lacp, err);
	if (r < 0 || !bond->aggregator)
		return r;
	r = build_u64(lacp, "aggregator-id", bond->aggregator, err);
	if (r == 0)
		r = build_u64(lacp, "actor-key", bond->actor_key, err);
	if (r == 0)
		r = build_u64(lacp, "partner-key", bond->partner_key, err);
	if (r < 0)
		return r;
	str_mac(mac, bond->partner_mac);
	return build_leaf(lacp, "partner-mac", mac, err);
}

static int show_static(const struct link_bond *bond, struct lyd_node *lag, struct err *err)
{
	static const char *const names[] = {
		[BOND_MODE_ROUNDROBIN] = "balance-rr",
		[BOND_MODE_ACTIVEBACKUP] = "active-backup",
		[BOND_MODE_XOR] = "balance-xor",
		[BOND_MODE_BROADCAST] = "broadcast",
		[BOND_MODE_TLB] = "balance-tlb",
		[BOND_MODE_ALB] = "balance-alb",
	};
	const char *name = bond->mode < ARRAY_SIZE(names) ? names[bond->mode] : NULL;
	struct lyd_node *node = NULL;
	int r = name ? build_container(lag, "static", &node, err) : 0;

	if (r < 0 || !name)
		return r;
	r = build_leaf(node, "mode", name, err);
	return r < 0 ? r : show_hash(bond, node, err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	bool speaks_lacp;
	struct lyd_node *lag = NULL;
	int r;

	if (!link || link->kind != &link_kind_bond || !interface_is_shown_as(node, "lag"))
		return 0;
	speaks_lacp = link->bond.mode == BOND_MODE_8023AD;
	r = build_container(node, LAG, &lag, err);
	if (r == 0 && !node_exists(lag, "mode"))
		r = build_leaf(lag, "mode", speaks_lacp ? "lacp" : "static", err);
	if (r < 0)
		return r;
	return speaks_lacp ? show_lacp(&link->bond, lag, err) : show_static(&link->bond, lag, err);
}

const struct feature feature_lag = {
	.name = "lag",
	.roots = (const char *const[]){ INTERFACE_PATH "/infix-interfaces:lag", NULL },
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
	.silent =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:lag/lacp/aggregator-id",
			INTERFACE_PATH "/infix-interfaces:lag/lacp/actor-key",
			INTERFACE_PATH "/infix-interfaces:lag/lacp/partner-key",
			INTERFACE_PATH "/infix-interfaces:lag/lacp/partner-mac",
			NULL,
		},
	.link_types = (const char *const[]){ "lag", NULL },
};
