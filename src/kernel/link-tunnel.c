/* What kinds of tunnels have in common: reading attributes of their data. */
#include <string.h>

#include "link.h"

void link_take_number(void *to, size_t size, const struct nlattr *attr)
{
	if (mnl_attr_get_payload_len(attr) == size)
		memcpy(to, mnl_attr_get_payload(attr), size);
}

void link_take_end(struct link_tunnel *tunnel, struct in6_addr *to, const struct nlattr *attr)
{
	size_t size = mnl_attr_get_payload_len(attr);

	if (size != sizeof(struct in_addr) && size != sizeof(struct in6_addr))
		return;
	memcpy(to, mnl_attr_get_payload(attr), size);
	tunnel->family = size == sizeof(struct in_addr) ? AF_INET : AF_INET6;
}
