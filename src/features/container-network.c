/*
 * Interfaces that are given to containers: the link lives in the network namespace of the container that
 * names it, there under a name of its own if the option interface_name says so. Which container that is
 * stands with the container, so a change there asks the interface again.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/containers.h"
#include "ashlar/str.h"

#include "container-network.h"
#include "interface.h"

#define NETWORK	     "infix-interfaces:container-network"
#define NETWORK_PATH INTERFACE_PATH "/" NETWORK
#define GIVEN_PATH   "/infix-containers:containers/container/network/interface"
#define OPTION_NAME  "interface_name="

/* --- looking across ----------------------------------------------------------------------------- */

static const struct lyd_node *first_container(const struct lyd_node *node)
{
	while (lyd_parent(node))
		node = lyd_parent(node);
	LY_LIST_FOR (lyd_first_sibling(node), node) {
		if (node->schema && str_equal(node->schema->name, "containers") &&
			str_equal(node->schema->module->name, "infix-containers"))
			return node_child(node, "container");
	}
	return NULL;
}

/* The entry of network/interface by which the container has this interface; NULL: it has not. */
static const struct lyd_node *given_to(const struct lyd_node *container, const char *name)
{
	return node_entry(node_child(container, "network"), "interface", name);
}

/* The container that has the interface of that name, other than @but (may be NULL). */
static const struct lyd_node *owner_of(
	const struct lyd_node *node, const char *name, const struct lyd_node *but)
{
	const struct lyd_node *container;

	for (container = first_container(node); container; container = node_next(container)) {
		if (container != but && given_to(container, name))
			return container;
	}
	return NULL;
}

/* The value of the last option that is one of ours; NULL: there is none. */
static const char *name_inside(const struct lyd_node *given)
{
	const struct lyd_node *option;
	const char *name = NULL;

	NODE_FOREACH (option, given, "option") {
		if (str_starts(node_value(option), OPTION_NAME))
			name = node_value(option) + strlen(OPTION_NAME);
	}
	return name;
}

/* --- fill ---------------------------------------------------------------------------------------- */

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	if (!node_exists(unit->node, NETWORK) || node_exists(unit->node, NETWORK "/type"))
		return 0;
	return edit_fill(edit, unit->node, NETWORK "/type",
		interface_is(unit->node, "bridge") ? "infix-interfaces:bridge"
						   : "infix-interfaces:host",
		err);
}

/* --- check --------------------------------------------------------------------------------------- */

static int check_options(const struct lyd_node *given, struct err *err)
{
	const struct lyd_node *option;
	const char *name = name_inside(given);

	NODE_FOREACH (option, given, "option") {
		if (!str_starts(node_value(option), OPTION_NAME))
			return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED,
				"network/interface/option",
				"the only option of an interface is interface_name=NAME, not %s",
				node_value(option));
	}
	if (name && str_equal(name, "lo"))
		return err_set(
			err, -EINVAL, "network/interface/option", "\"lo\" is the container's own");
	return name ? interface_check_name(name, "network/interface/option", err) : 0;
}

static const char *name_of(const struct lyd_node *given)
{
	const char *name = name_inside(given);

	return name ? name : node_text(given, "name", "");
}

int container_network_check(const struct lyd_node *container, struct err *err)
{
	const struct lyd_node *network = node_child(container, "network"), *given, *other;
	size_t count = 0;
	int r;

	NODE_FOREACH (given, network, "interface") {
		const char *name = node_text(given, "name", "");
		const struct lyd_node *owner = owner_of(container, name, container);

		if (owner)
			return err_set(err, -EINVAL, "network/interface",
				"interface %s is given to container %s already", name,
				node_text(owner, "name", ""));
		if (++count > CONTAINER_ITEMS_MAX)
			return err_set(err, -E2BIG, "network/interface",
				"there are more than %d entries", CONTAINER_ITEMS_MAX);
		r = check_options(given, err);
		if (r < 0)
			return r;
		NODE_FOREACH (other, network, "interface") {
			if (other != given && str_equal(name_of(other), name_of(given)))
				return err_set(err, -EINVAL, "network/interface",
					"two interfaces cannot both be %s in the container",
					name_of(given));
		}
	}
	return 0;
}

static int check(const struct unit *unit, struct err *err)
{
	if (node_exists(unit->node, NETWORK) && interface_is(unit->node, "bridge"))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, NETWORK,
			"a bridge cannot be given to containers: give them one end of a veth pair "
			"whose other end is a port of the bridge");
	return 0;
}

/* --- want ---------------------------------------------------------------------------------------- */

static void affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const char *name = node_text(node_ancestor(node, "interface"), "name", "");
	_cleanup_free_ char *path = NULL;

	if (strlen(name) >= KERNEL_NAME_MAX || strpbrk(name, "'\""))
		return; /* no interface can have it */
	path = xasprintf(INTERFACE_PATH "[name='%s']", name);
	unit_set_add_path(set, path);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const char *name = interface_name(unit->node), *container;
	const struct lyd_node *owner;
	char inside[KERNEL_NAME_MAX];
	struct link *link;
	int r;

	if (!node_exists(unit->node, NETWORK))
		return 0;
	owner = owner_of(unit->node, name, NULL);
	if (!owner)
		return 0;
	container = node_text(owner, "name", "");
	link = interface_link(unit, want);
	r = link_set(link, LINK_NETNS, NETWORK, err);
	if (r < 0)
		return r;
	if (strlen(container) >= KERNEL_NETNS_MAX)
		return err_set(err, -EINVAL, NETWORK,
			"the name of container %s is too long to have interfaces: at most %zu "
			"characters",
			container, (size_t)KERNEL_NETNS_MAX - 1);
	link_put_text(&link->netns, container);
	want_needs(link, &object_kind_netns, container);
	r = interface_copy_name(inside, name_of(given_to(owner, name)), NETWORK, err);
	if (r == 0)
		link_put_text(&link->netns_name, inside);
	return r;
}

/* --- show ---------------------------------------------------------------------------------------- */

static bool has_interface(const struct container *container, const char *name)
{
	for (size_t i = 0; i < container->interface_count; i++) {
		if (str_equal(container->interfaces[i], name))
			return true;
	}
	return false;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct container *container;
	struct lyd_node *network = NULL;
	size_t at = 0;
	int r;

	if (!node_exists(node, NETWORK))
		return 0;
	r = build_container(node, NETWORK, &network, err);
	while (r == 0 && (container = have_next(have, &object_kind_container, &at))) {
		if (has_interface(container, interface_name(node)))
			r = build_item(network, "containers", container->object.key, err);
	}
	return r;
}

static void shown_by(
	const struct object *object, void (*add)(void *arg, const char *key), void *arg)
{
	const struct container *container = (const struct container *)object;

	for (size_t i = 0; i < container->interface_count; i++)
		add(arg, container->interfaces[i]);
}

static const char *const infix_features[] = { "containers", NULL };

const struct feature feature_container_network = {
	.name = "container-network",
	.modules = (const struct feature_module[]){ { "infix-interfaces", infix_features },
		{ NULL, NULL } },
	.roots = (const char *const[]){ NETWORK_PATH, NULL },
	.except = (const char *const[]){ NETWORK_PATH "/subnet", NETWORK_PATH "/route", NULL },
	.reads =
		(const struct feature_reads[]){
			{ GIVEN_PATH, affects },
			{ NULL, NULL },
		},
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_container, INTERFACE_PATH, shown_by },
			{ NULL, NULL, NULL },
		},
};
