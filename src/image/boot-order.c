/* Which slot is started: what the boot loaders' ways have in common. */
#include <string.h>

#include "ashlar/boot-order.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

static const char *known_slot(const char *name)
{
	for (size_t i = 0; slot_names[i]; i++)
		if (str_equal(slot_names[i], name))
			return slot_names[i];
	return NULL;
}

bool boot_order_has(const struct boot_order *order, const char *slot)
{
	for (size_t i = 0; order->slots[i]; i++)
		if (str_equal(order->slots[i], slot))
			return true;
	return false;
}

void boot_order_add(struct boot_order *order, const char *slot)
{
	size_t count = 0;

	slot = known_slot(slot);
	while (order->slots[count])
		count++;
	if (slot && count < BOOT_ORDER_MAX && !boot_order_has(order, slot)) {
		order->slots[count] = slot;
		order->slots[count + 1] = NULL;
	}
}

bool boot_order_equal(const struct boot_order *a, const struct boot_order *b)
{
	size_t i = 0;

	while (a->slots[i] && str_equal(a->slots[i], b->slots[i]))
		i++;
	return str_equal(a->slots[i], b->slots[i]) && str_equal(a->next, b->next);
}

const struct boot_loader *boot_order_loader(const char *efivars)
{
	_cleanup_free_ char *variable =
		file_join(efivars, "BootCurrent-8be4df61-93ca-11d2-aa0d-00e098032b8c");

	return file_exists(variable) ? &boot_order_uefi : &boot_order_grub;
}
