/*
 * The media of Ethernet and the link modes that stand for them in Linux (enum ethtool_link_mode_bit_indices, whose
 * numbers never change; the headers of an older system lack the later ones). Some modes stand for several
 * media, told apart by the length of the fibre only. What is no standard of IEEE 802.3 has no row.
 */
#include "ashlar/kernel.h"

const struct ethernet_medium ethernet_media[] = {
	{ "10BASE-T", "10BASE-T", 10, 0, 1 },
	{ "10BASE-T1L", "10BASE-T1L", 10, -1, 92 },
	{ "10BASE-T1S", "10BASE-T1S", 10, 100, 99 },
	{ "10BASE-T1SMD", "10BASE-T1S", 10, 101, -1 },
	{ "100BASE-TX", "100BASE-X", 100, 2, 3 },
	{ "100BASE-FX", "100BASE-X", 100, 90, 91 },
	{ "100BASE-T1", "100BASE-T1", 100, -1, 67 },
	{ "1000BASE-T", "1000BASE-T", 1000, 4, 5 },
	{ "1000BASE-T1", "1000BASE-T1", 1000, -1, 68 },
	{ "1000BASE-X", "1000BASE-X", 1000, -1, 41 },
	{ "1000BASE-KX", "1000BASE-X", 1000, -1, 17 },
	{ "2.5GBASE-T", "2.5GBASE-T", 2500, -1, 47 },
	{ "2.5GBASE-X", "2.5GBASE-X", 2500, -1, 15 },
	{ "5GBASE-T", "5GBASE-T", 5000, -1, 48 },
	{ "10GBASE-T", "10GBASE-T", 10000, -1, 12 },
	{ "10GBASE-KX4", "10GBASE-X", 10000, -1, 18 },
	{ "10GBASE-KR", "10GBASE-R", 10000, -1, 19 },
	{ "10GBASE-R", "10GBASE-R", 10000, -1, 20 },
	{ "10GBASE-SR", "10GBASE-R", 10000, -1, 43 },
	{ "10GBASE-LR", "10GBASE-R", 10000, -1, 44 },
	{ "10GBASE-LRM", "10GBASE-R", 10000, -1, 45 },
	{ "10GBASE-ER", "10GBASE-R", 10000, -1, 46 },
	{ "25GBASE-CR", "25GBASE-R", 25000, -1, 31 },
	{ "25GBASE-KR", "25GBASE-R", 25000, -1, 32 },
	{ "25GBASE-SR", "25GBASE-R", 25000, -1, 33 },
	{ "40GBASE-KR4", "40GBASE-R", 40000, -1, 23 },
	{ "40GBASE-CR4", "40GBASE-R", 40000, -1, 24 },
	{ "40GBASE-SR4", "40GBASE-R", 40000, -1, 25 },
	{ "40GBASE-LR4", "40GBASE-R", 40000, -1, 26 },
	{ "50GBASE-KR", "50GBASE-R", 50000, -1, 52 },
	{ "50GBASE-SR", "50GBASE-R", 50000, -1, 53 },
	{ "50GBASE-CR", "50GBASE-R", 50000, -1, 54 },
	{ "50GBASE-LR", "50GBASE-R", 50000, -1, 55 },
	{ "50GBASE-ER", "50GBASE-R", 50000, -1, 55 },
	{ "50GBASE-FR", "50GBASE-R", 50000, -1, 55 },
	{ "100GBASE-KR4", "100GBASE-R", 100000, -1, 36 },
	{ "100GBASE-SR4", "100GBASE-R", 100000, -1, 37 },
	{ "100GBASE-CR4", "100GBASE-R", 100000, -1, 38 },
	{ "100GBASE-LR4", "100GBASE-R", 100000, -1, 39 },
	{ "100GBASE-ER4", "100GBASE-R", 100000, -1, 39 },
	{ "100GBASE-KR2", "100GBASE-P", 100000, -1, 57 },
	{ "100GBASE-SR2", "100GBASE-P", 100000, -1, 58 },
	{ "100GBASE-CR2", "100GBASE-P", 100000, -1, 59 },
	{ "100GBASE-SR1", "100GBASE-P", 100000, -1, 76 },
	{ "100GBASE-LR1", "100GBASE-P", 100000, -1, 77 },
	{ "100GBASE-FR1", "100GBASE-P", 100000, -1, 77 },
	{ "100GBASE-CR1", "100GBASE-P", 100000, -1, 78 },
	{ "100GBASE-DR", "100GBASE-P", 100000, -1, 79 },
	{ "200GBASE-KR4", "200GBASE-R", 200000, -1, 62 },
	{ "200GBASE-SR4", "200GBASE-R", 200000, -1, 63 },
	{ "200GBASE-LR4", "200GBASE-R", 200000, -1, 64 },
	{ "200GBASE-ER4", "200GBASE-R", 200000, -1, 64 },
	{ "200GBASE-FR4", "200GBASE-R", 200000, -1, 64 },
	{ "200GBASE-DR4", "200GBASE-R", 200000, -1, 65 },
	{ "200GBASE-CR4", "200GBASE-R", 200000, -1, 66 },
	{ "200GBASE-KR2", "200GBASE-R", 200000, -1, 80 },
	{ "200GBASE-SR2", "200GBASE-R", 200000, -1, 81 },
	{ "200GBASE-CR2", "200GBASE-R", 200000, -1, 84 },
	{ "400GBASE-SR8", "400GBASE-R", 400000, -1, 70 },
	{ "400GBASE-LR8", "400GBASE-R", 400000, -1, 71 },
	{ "400GBASE-ER8", "400GBASE-R", 400000, -1, 71 },
	{ "400GBASE-FR8", "400GBASE-R", 400000, -1, 71 },
	{ "400GBASE-SR4", "400GBASE-R", 400000, -1, 86 },
	{ "400GBASE-FR4", "400GBASE-R", 400000, -1, 87 },
	{ "400GBASE-DR4", "400GBASE-R", 400000, -1, 88 },
	{ "800GBASE-CR8", "800GBASE-R", 800000, -1, 93 },
	{ "800GBASE-KR8", "800GBASE-R", 800000, -1, 94 },
	{ "800GBASE-DR8", "800GBASE-R", 800000, -1, 95 },
	{ "800GBASE-DR8-2", "800GBASE-R", 800000, -1, 96 },
	{ "800GBASE-SR8", "800GBASE-R", 800000, -1, 97 },
	{ "800GBASE-VR8", "800GBASE-R", 800000, -1, 98 },
	{ NULL, NULL, 0, -1, -1 },
};

void ethernet_modes_add(struct ethernet_modes *modes, int mode)
{
	if (mode >= 0 && mode < ETHERNET_MODES)
		modes->words[mode / 32] |= 1U << (mode % 32);
}

bool ethernet_modes_have(const struct ethernet_modes *modes, int mode)
{
	return mode >= 0 && mode < ETHERNET_MODES &&
		(modes->words[mode / 32] & 1U << (mode % 32)) != 0;
}

bool ethernet_modes_allow(const struct ethernet_modes *modes, const struct ethernet_medium *medium)
{
	return ethernet_modes_have(modes, medium->half) || ethernet_modes_have(modes, medium->full);
}
