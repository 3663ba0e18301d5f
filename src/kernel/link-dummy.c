/* Links that drop what is sent through them; what there is to say of one is what is to be said of any link. */
#include "link.h"

static enum object_diff dummy_compare(const struct link *want, const struct link *have)
{
	return OBJECT_SAME;
}

const struct link_kind link_kind_dummy = {
	.name = "dummy",
	.compare = dummy_compare,
	.lacking = "this kernel has no dummy links (CONFIG_DUMMY)",
};
