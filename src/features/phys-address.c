/*
 * A MAC address other than the interface's own: one that is given, or the device's base address, to whose
 * octets those of an offset are added, each by itself.
 *
 * The base address is what the device's EEPROM says (chassis.h). On a machine without one, such as a PC, it is
 * the permanent address of the Ethernet port that was found first; those on USB, which may be plugged in, come
 * after all others. Where no port has one (in a virtual machine's namespace) it is derived from the
 * installation's identity.
 */
#include <errno.h>
#include <linux/if_arp.h>
#include <string.h>

#include "ashlar/chassis.h"
#include "ashlar/str.h"

#include "interface.h"

#define ADDRESS "infix-interfaces:custom-phys-address"
#define STATIC	ADDRESS "/static"
#define CHASSIS ADDRESS "/chassis"
#define OFFSET	CHASSIS "/offset"

static bool is_candidate(const struct link *link)
{
	static const uint8_t none[6];

	return link->arptype == ARPHRD_ETHER && !*link->kind_name &&
		memcmp(link->perm_mac, none, sizeof(none));
}

static bool comes_before(const struct link *link, const struct link *other)
{
	return link->is_usb != other->is_usb ? other->is_usb : link->ifindex < other->ifindex;
}

static bool first_port_mac(uint8_t ret_mac[6])
{
	const struct link *link, *first = NULL;
	size_t at = 0;

	while ((link = have_next(have_all(), &object_kind_link, &at))) {
		if (is_candidate(link) && (!first || comes_before(link, first)))
			first = link;
	}
	if (first)
		memcpy(ret_mac, first->perm_mac, 6);
	return first;
}

static int read_chassis(const struct lyd_node *entry, uint8_t ret_mac[6], struct err *err)
{
	const char *text = node_text(entry, OFFSET, NULL);
	uint8_t offset[6] = { 0 };
	char shown[18];

	if (text && str_parse_mac(text, offset) < 0)
		return err_set(err, -EINVAL, OFFSET, "\"%s\" is not a MAC address", text);
	if (!chassis_stored_mac(NULL, ret_mac) && !first_port_mac(ret_mac))
		chassis_derived_mac(ret_mac);
	for (size_t i = 0; i < sizeof(offset); i++)
		ret_mac[i] = (uint8_t)(ret_mac[i] + offset[i]);
	if (!(ret_mac[0] & 1))
		return 0;
	str_mac(shown, ret_mac);
	return err_set(err, -EINVAL, OFFSET, "makes %s, which is the address of a group", shown);
}

static int check(const struct unit *unit, struct err *err)
{
	static const char *const without[] = { "gre", "wireguard", "loopback" };

	if (!node_exists(unit->node, STATIC) && !node_exists(unit->node, CHASSIS))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
		if (interface_is(unit->node, without[i]))
			return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, ADDRESS,
				"an interface of this type carries no frames and has no MAC "
				"address");
	}
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const char *text = node_text(unit->node, STATIC, NULL);
	bool is_chassis = node_exists(unit->node, CHASSIS);
	struct link *link;
	int r;

	if (!text && !is_chassis)
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_MAC, text ? STATIC : CHASSIS, err);
	if (r < 0)
		return r;
	if (is_chassis)
		return read_chassis(unit->node, link->mac, err);
	if (str_parse_mac(text, link->mac) < 0)
		return err_set(err, -EINVAL, STATIC, "\"%s\" is not a MAC address", text);
	return 0;
}

const struct feature feature_phys_address = {
	.name = "phys-address",
	.roots = (const char *const[]){ INTERFACE_PATH "/" ADDRESS, NULL },
	.check = check,
	.want = want,
};
