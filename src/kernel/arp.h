/* ARP (RFC 826) as address conflict detection uses it (RFC 3927, RFC 5227): who else has an address. */
#ifndef ASHLAR_KERNEL_ARP_H
#define ASHLAR_KERNEL_ARP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARP_BYTES 28 /* of a packet for Ethernet and IPv4 */

/*
 * Asks for @target, as one who has @sender (0: as one who has none yet: a probe). Announcing an address is
 * asking for it as the one who has it.
 */
void arp_request(uint8_t packet[ARP_BYTES], const uint8_t mac[6], struct in_addr sender,
	struct in_addr target);

enum arp_claim {
	ARP_CLAIM_NONE,
	ARP_CLAIM_PROBE, /* another host would like to have the address */
	ARP_CLAIM_USE,	 /* another host has it */
};
/* What a packet, as received behind its Ethernet header, says of @addr; of a host that is not @mac. */
enum arp_claim arp_claim(
	const uint8_t *packet, size_t size, const uint8_t mac[6], struct in_addr addr);

#endif
