/* What the features of interfaces share: they are all asked about the same units. */
#ifndef ASHLAR_FEATURES_INTERFACE_H
#define ASHLAR_FEATURES_INTERFACE_H

#include "ashlar/datastore.h"
#include "ashlar/feature.h"
#include "ashlar/kernel.h"

#define INTERFACE_PATH "/ietf-interfaces:interfaces/interface"
#define INTERFACE_VLANS_PATH                                                                       \
	INTERFACE_PATH "/infix-interfaces:bridge/vlans/vlan" /* units of their own */

/* The unit's list key; "" if it is too long for a Linux interface. */
const char *interface_name(const struct lyd_node *entry);
/* Does the entry have this identity of infix-if-type as its type? */
bool interface_is(const struct lyd_node *entry, const char *type);
/* Operational data: an entry that is configured shows nothing of another type. */
bool interface_is_shown_as(const struct lyd_node *node, const char *type);
/* The entry of another interface in the same tree; NULL: there is none. */
const struct lyd_node *interface_find(const struct lyd_node *entry, const char *name);
/* Copies the name of an interface into an object; @path is the node at fault if it is too long. */
int interface_copy_name(
	char to[KERNEL_NAME_MAX], const char *name, const char *path, struct err *err) WARN_UNUSED;
/* Refuses what cannot be the name of a link, or would not be the name of that one alone. */
int interface_check_name(const char *name, const char *path, struct err *err) WARN_UNUSED;
/* Whether the entry is a VLAN interface on top of @name, or on one that is, and so on. */
bool interface_is_above(const struct lyd_node *entry, const char *name);
/* The unit's wanted link. */
struct link *interface_link(const struct unit *unit, struct want *want);
/* The unit's observed link; NULL: there is none. */
const struct link *interface_seen(
	const struct unit *unit, const struct have *have, const struct lyd_node *node);
/* Gives an entry without a type this one, if its name is not another kind's (see interface_guess()). */
int interface_fill_type(
	struct edit *edit, const struct unit *unit, const char *type, struct err *err) WARN_UNUSED;

/* Whether this device's kernel makes links of the kind; -EOPNOTSUPP. */
int interface_check_kind(const struct link_kind *kind, struct err *err) WARN_UNUSED;

/*
 * The type that a name speaks of, as identity of infix-if-type: "br0", "veth1a", "vlan10", "eth0.10",
 * "lo", "eth0"; NULL: none. The rest goes to the arguments (may be NULL): what carries a VLAN ("" if the
 * name does not tell) and its id, or the peer of a veth. @ret_other holds KERNEL_NAME_MAX.
 */
const char *interface_guess(const char *name, char *ret_other, uint16_t *ret_vid);

#endif
