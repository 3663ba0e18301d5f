/*
 * Devices that have ports (switches, adapters), and those of their ports that are sockets on the outside, as
 * devlink tells. They are read as a whole when the kernel tells that something came or went: there are few.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/map.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "devlink.h"

#define FIRMWARE "fw" /* as the kernel's documentation has it, devlink-info.rst */

/* --- reading ----------------------------------------------------------------------------------- */

struct reading {
	struct map found; /* key → struct switch_part */
};

static void take_text(char *to, size_t size, const struct nlattr *attr)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		snprintf(to, size, "%s", mnl_attr_get_str(attr));
}

static struct switch_part *add(struct reading *reading, const char *key)
{
	struct switch_part *part = map_get_str(&reading->found, key);

	if (!part) {
		part = object_new(&object_kind_switch_part, key);
		map_put_str(&reading->found, part->object.key, part);
	}
	return part;
}

/* "mdio_bus/fixed-0:1f" */
static void read_device(const struct nlmsghdr *nlh, char device[SWITCH_NAME_MAX])
{
	char bus[SWITCH_NAME_MAX / 2] = "", name[SWITCH_NAME_MAX / 2] = "";
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == DEVLINK_ATTR_BUS_NAME)
			take_text(bus, sizeof(bus), attr);
		else if (mnl_attr_get_type(attr) == DEVLINK_ATTR_DEV_NAME)
			take_text(name, sizeof(name), attr);
	}
	snprintf(device, SWITCH_NAME_MAX, "%s/%s", bus, name);
}

static uint32_t number_of(const struct nlattr *attr, uint32_t other)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(attr) : other;
}

/* Only those with a socket, or with a link at least: a switch has ports to the processor, and unused ones. */
static int take_port(const struct nlmsghdr *nlh, void *arg)
{
	uint32_t index = UINT32_MAX, ifindex = 0, number = UINT32_MAX;
	char device[SWITCH_NAME_MAX], key[SWITCH_NAME_MAX + 16], link[KERNEL_NAME_MAX] = "";
	uint16_t flavour = UINT16_MAX;
	const struct nlattr *attr;
	struct switch_part *port;

	read_device(nlh, device);
	mnl_attr_for_each (attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case DEVLINK_ATTR_PORT_INDEX:
			index = number_of(attr, index);
			break;
		case DEVLINK_ATTR_PORT_NETDEV_IFINDEX:
			ifindex = number_of(attr, ifindex);
			break;
		case DEVLINK_ATTR_PORT_NUMBER:
			number = number_of(attr, number);
			break;
		case DEVLINK_ATTR_PORT_FLAVOUR:
			if (mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
				flavour = mnl_attr_get_u16(attr);
			break;
		}
	}
	if (flavour != DEVLINK_PORT_FLAVOUR_PHYSICAL)
		return 0;
	if (ifindex && nl_name_of(nl_of(""), ifindex))
		snprintf(link, sizeof(link), "%s", nl_name_of(nl_of(""), ifindex));
	snprintf(key, sizeof(key), "%s/%u", device, index);
	port = add(arg, key);
	port->is_port = true;
	port->number = number;
	memcpy(port->link, link, sizeof(link));
	memcpy(port->device, device, sizeof(device));
	return 0;
}

static int take_device(const struct nlmsghdr *nlh, void *arg)
{
	char device[SWITCH_NAME_MAX];

	read_device(nlh, device);
	(void)add(arg, device);
	return 0;
}

/* The version of the firmware as a whole, of which a device may have many parts. */
static void take_version(struct switch_part *part, const struct nlattr *nest)
{
	char name[64] = "", value[SWITCH_NAME_MAX] = "";
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		if (mnl_attr_get_type(attr) == DEVLINK_ATTR_INFO_VERSION_NAME)
			take_text(name, sizeof(name), attr);
		else if (mnl_attr_get_type(attr) == DEVLINK_ATTR_INFO_VERSION_VALUE)
			take_text(value, sizeof(value), attr);
	}
	if (str_equal(name, FIRMWARE))
		memcpy(part->firmware, value, sizeof(value));
}

static int take_info(const struct nlmsghdr *nlh, void *arg)
{
	char device[SWITCH_NAME_MAX];
	const struct nlattr *attr;
	struct switch_part *part;

	read_device(nlh, device);
	part = add(arg, device);
	mnl_attr_for_each (attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case DEVLINK_ATTR_INFO_DRIVER_NAME:
			take_text(part->driver, sizeof(part->driver), attr);
			break;
		case DEVLINK_ATTR_INFO_SERIAL_NUMBER:
			take_text(part->serial, sizeof(part->serial), attr);
			break;
		case DEVLINK_ATTR_INFO_VERSION_RUNNING:
			take_version(part, attr);
			break;
		}
	}
	return 0;
}

static int ask(uint8_t command, nl_reply_fn reply, void *arg)
{
	static int family;
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *genl;

	if (family <= 0)
		family = nl_genl_family(DEVLINK_GENL_NAME);
	if (family < 0)
		return family;
	nlh->nlmsg_type = (uint16_t)family;
	nlh->nlmsg_flags = NLM_F_DUMP;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = DEVLINK_GENL_VERSION;
	return nl_genl_request(nl_of(""), nlh, reply, arg);
}

static bool is_same(const struct switch_part *a, const struct switch_part *b)
{
	return !memcmp((const char *)a + sizeof(a->object), (const char *)b + sizeof(b->object),
		sizeof(*a) - sizeof(a->object));
}

static void forget_unseen(const struct map *found)
{
	char **gone = NULL;
	size_t count = 0, room = 0, at = 0;
	struct object *object;

	while ((object = have_next(have_all(), &object_kind_switch_part, &at))) {
		if (map_get_str(found, object->key))
			continue;
		ARRAY_GROW(gone, count, room);
		gone[count++] = xstrdup(object->key);
	}
	for (size_t i = 0; i < count; i++) {
		have_remove(&object_kind_switch_part, gone[i]);
		free(gone[i]);
	}
	free(gone);
}

void devlink_read(void)
{
	struct reading reading = { 0 };
	struct switch_part *part;
	size_t at = 0;
	int r = ask(DEVLINK_CMD_GET, take_device, &reading);

	if (r == 0)
		r = ask(DEVLINK_CMD_PORT_GET, take_port, &reading);
	if (r == 0 && reading.found.count)
		r = ask(DEVLINK_CMD_INFO_GET, take_info, &reading);
	if (r < 0 && r != -ENOENT)
		log_debug("devlink", "reading devices: %s", strerror(-r));
	forget_unseen(&reading.found);
	while ((part = map_next(&reading.found, &at))) {
		const struct switch_part *known =
			have_get(have_all(), &object_kind_switch_part, part->object.key);

		map_del_str(&reading.found, part->object.key);
		if (known && is_same(known, part))
			object_free(&part->object);
		else
			have_put(&part->object);
	}
	map_done(&reading.found);
}

/* --- the object -------------------------------------------------------------------------------- */

static int refresh(const char *key, struct err *err)
{
	if (!kernel_is_recording())
		devlink_read();
	return 0;
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "%s", object->key);
}

/* Of a device its name, of a port that and its link's. */
static size_t groups(const struct object *have, const char **ret_names)
{
	const struct switch_part *part = (const struct switch_part *)have;

	if (!part->is_port)
		return 0;
	ret_names[0] = part->device;
	ret_names[1] = part->link;
	return *part->link ? 2 : 1;
}

/* Nobody wants one. */
const struct object_kind object_kind_switch_part = {
	.name = "switch-part",
	.size = sizeof(struct switch_part),
	.target = &kernel_target,
	.compare = compare,
	.describe = describe,
	.groups = groups,
	.refresh = refresh,
};
