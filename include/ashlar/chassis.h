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

#define CHASSIS_BLOCK_MAX     2048
#define CHASSIS_FIELD_MAC     0x24
#define CHASSIS_FIELD_VERSION 0x26 /* of the device */
#define CHASSIS_FIELD_MACS    0x2a /* how many addresses count from the base */

/* Calls back for each field of an intact TlvInfo block, whatever it holds; false: it is none, or damaged. */
bool chassis_block_fields(const uint8_t *data, size_t size,
	void (*field)(uint8_t type, const uint8_t *value, size_t size, void *arg), void *arg);
/* Reads the block that a memory begins with; how many bytes, 0: it holds none. */
size_t chassis_read_memory(const char *path, uint8_t ret_data[CHASSIS_BLOCK_MAX]);
/* The MAC address in a TlvInfo block; false: it is none, is damaged, or does not tell. */
bool chassis_read_block(const uint8_t *data, size_t size, uint8_t ret_mac[6]);
/* Of the first block below @dir (NULL: where the kernel has them); false: there is none. Read once, and kept. */
bool chassis_stored_mac(const char *dir, uint8_t ret_mac[6]);
/* A locally administered one that belongs to this installation (/etc/machine-id); without that it holds until
 * the next boot. */
void chassis_derived_mac(uint8_t ret_mac[6]);

#endif
