/* Dummy interfaces: they drop all that is sent through them, and their addresses are always there. */
#include "ashlar/str.h"

#include "interface.h"

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	if (!str_equal(interface_guess(interface_name(unit->node), NULL, NULL), "dummy"))
		return 0;
	return interface_fill_type(edit, unit, "dummy", err);
}

static int check(const struct unit *unit, struct err *err)
{
	return interface_is(unit->node, "dummy") ? interface_check_kind(&link_kind_dummy, err) : 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	struct link *link;

	if (!interface_is(unit->node, "dummy"))
		return 0;
	link = interface_link(unit, want);
	link->kind = &link_kind_dummy;
	return link_set(link, LINK_KIND, "type", err);
}

const struct feature feature_dummy = {
	.name = "dummy",
	.roots = (const char *const[]){ INTERFACE_PATH "/type", NULL },
	.fill = fill,
	.check = check,
	.want = want,
	.link_types = (const char *const[]){ "dummy", NULL },
};
