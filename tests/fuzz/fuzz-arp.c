/* ARP packets: what claims an address is whole, speaks of it, and is another host's. */
#include <assert.h>
#include <string.h>

#include "../../src/kernel/arp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 }, other[6] = { 2, 0, 0, 0, 0, 2 };
	static const uint8_t bytes[4] = { 169, 254, 7, 7 };
	uint8_t packet[ARP_BYTES];
	struct in_addr addr, none = { 0 };
	enum arp_claim claim;

	memcpy(&addr, bytes, sizeof(addr));
	claim = arp_claim(data, size, mac, addr);
	if (claim != ARP_CLAIM_NONE) {
		assert(size >= ARP_BYTES && memcmp(data + 8, mac, 6));
		assert(!memcmp(data + (claim == ARP_CLAIM_USE ? 14 : 24), bytes, 4));
	}
	arp_request(packet, other, none, addr);
	assert(arp_claim(packet, sizeof(packet), mac, addr) == ARP_CLAIM_PROBE);
	assert(arp_claim(packet, sizeof(packet), other, addr) == ARP_CLAIM_NONE);
	assert(arp_claim(packet, sizeof(packet) - 1, mac, addr) == ARP_CLAIM_NONE);
	arp_request(packet, other, addr, addr);
	assert(arp_claim(packet, sizeof(packet), mac, addr) == ARP_CLAIM_USE);
	return 0;
}
