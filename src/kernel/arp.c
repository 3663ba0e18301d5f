/* ARP packets for Ethernet and IPv4, as bytes on the wire. */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <string.h>

#include "arp.h"

/* Offsets. */
enum {
	HARDWARE = 0,
	PROTOCOL = 2,
	HARDWARE_SIZE = 4,
	PROTOCOL_SIZE = 5,
	OPERATION = 6,
	SENDER_MAC = 8,
	SENDER = 14,
	TARGET = 24,
};

static void put_16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static uint16_t get_16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

void arp_request(uint8_t packet[ARP_BYTES], const uint8_t mac[6], struct in_addr sender,
	struct in_addr target)
{
	memset(packet, 0, ARP_BYTES);
	put_16(packet + HARDWARE, ARPHRD_ETHER);
	put_16(packet + PROTOCOL, ETHERTYPE_IP);
	packet[HARDWARE_SIZE] = ETHER_ADDR_LEN;
	packet[PROTOCOL_SIZE] = sizeof(struct in_addr);
	put_16(packet + OPERATION, ARPOP_REQUEST);
	memcpy(packet + SENDER_MAC, mac, ETHER_ADDR_LEN);
	memcpy(packet + SENDER, &sender, sizeof(sender));
	memcpy(packet + TARGET, &target, sizeof(target));
}

static bool is_for_ethernet(const uint8_t *packet, size_t size)
{
	return size >= ARP_BYTES && get_16(packet + HARDWARE) == ARPHRD_ETHER &&
		get_16(packet + PROTOCOL) == ETHERTYPE_IP &&
		packet[HARDWARE_SIZE] == ETHER_ADDR_LEN &&
		packet[PROTOCOL_SIZE] == sizeof(struct in_addr);
}

enum arp_claim arp_claim(
	const uint8_t *packet, size_t size, const uint8_t mac[6], struct in_addr addr)
{
	static const struct in_addr none;
	uint16_t operation;

	if (!is_for_ethernet(packet, size) || !memcmp(packet + SENDER_MAC, mac, ETHER_ADDR_LEN))
		return ARP_CLAIM_NONE;
	operation = get_16(packet + OPERATION);
	if (operation != ARPOP_REQUEST && operation != ARPOP_REPLY)
		return ARP_CLAIM_NONE;
	if (!memcmp(packet + SENDER, &addr, sizeof(addr)))
		return ARP_CLAIM_USE;
	if (operation == ARPOP_REQUEST && !memcmp(packet + SENDER, &none, sizeof(none)) &&
		!memcmp(packet + TARGET, &addr, sizeof(addr)))
		return ARP_CLAIM_PROBE;
	return ARP_CLAIM_NONE;
}
