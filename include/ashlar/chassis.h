/*
 * The device's base MAC address: what interfaces with an address of the chassis count from.
 *
 * Devices made for this carry it in an EEPROM, as a TlvInfo block (ONIE, "EEPROM Data Format"), which the
 * kernel offers as a nonvolatile memory.
 */
#ifndef ASHLAR_CHASSIS_H
#define ASHLAR_CHASSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The MAC address in a TlvInfo block; false: it is none, is damaged, or does not tell. */
bool chassis_read_block(const uint8_t *data, size_t size, uint8_t ret_mac[6]);
/* Of the first block below @dir (NULL: where the kernel has them); false: there is none. Read once, and kept. */
bool chassis_stored_mac(const char *dir, uint8_t ret_mac[6]);
/* A locally administered one that belongs to this installation (/etc/machine-id); without that it holds until
 * the next boot. */
void chassis_derived_mac(uint8_t ret_mac[6]);

#endif
