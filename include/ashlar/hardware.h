/*
 * Parts of the machine, as sysfs tells: sensors, USB buses, the mainboard and memories with data about the
 * product. They are looked at beside the loop, for a sensor may answer slowly: at the start, when the kernel
 * tells that something came or went, and when somebody asks, who gets what is known by then and when it was
 * measured.
 */
#ifndef ASHLAR_HARDWARE_H
#define ASHLAR_HARDWARE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ashlar/err.h"
#include "ashlar/object.h"

/* Looks for the first time. Call after system_init(). */
void hardware_init(void);
/* Something of a subsystem of the kernel ("usb"; NULL: of any) has come or gone. */
void hardware_changed(const char *subsystem);
void hardware_done(void);

#define HARDWARE_NAME_MAX 64 /* of a part, with the NUL */

enum sensor_quantity {
	SENSOR_CELSIUS,
	SENSOR_VOLTS,
	SENSOR_AMPERES,
	SENSOR_WATTS,
	SENSOR_RPM,
	SENSOR_HUMIDITY,
	SENSOR_HERTZ,
	SENSOR_QUANTITIES,
};

enum sensor_status {
	SENSOR_OK,
	SENSOR_UNAVAILABLE, /* cannot be read now */
	SENSOR_BROKEN,
};

/* Observed only. */
struct sensor {
	struct object object; /* key: chip and input, "coretemp-temp1" */
	enum sensor_quantity quantity;
	enum sensor_status status;
	bool is_alarming, is_critical;
	int8_t scale;	     /* power of ten of the unit that the value counts: -3 for millivolts */
	int32_t value;	     /* when it is OK */
	time_t measured;     /* wall clock */
	uint32_t update_ms;  /* between two measurements of the chip; 0: when it is read */
	uint64_t changed_ms; /* monotonic, of the status; 0: not since it is known */
	char label[HARDWARE_NAME_MAX]; /* "" : none */
};
extern const struct object_kind object_kind_sensor;

/* A USB bus with its ports: what is plugged in is used or not. Wanted or observed. */
struct usb_bus {
	struct object object; /* key: its name */
	bool is_locked;
	/* Observed only. */
	uint32_t devices;		   /* plugged in */
	uint64_t changed_ms;		   /* monotonic, of the lock; 0: not since it is known */
	char directory[HARDWARE_NAME_MAX]; /* in /sys/bus/usb/devices: "usb1" */
	char product[HARDWARE_NAME_MAX];
};
extern const struct object_kind object_kind_usb_bus;
/* Whether a bus of that name is there, or its name is one that buses have: "usb2". */
bool usb_bus_is_name(const char *name);

#define BOARD_KEY      "mainboard"
#define BOARD_TEXT_MAX 96

/* What the firmware says of the machine. There is one; observed only. */
struct board {
	struct object object; /* key: BOARD_KEY */
	char manufacturer[BOARD_TEXT_MAX], model[BOARD_TEXT_MAX], serial[BOARD_TEXT_MAX],
		revision[BOARD_TEXT_MAX], firmware[BOARD_TEXT_MAX], uuid[BOARD_TEXT_MAX];
	bool has_mac;
	uint8_t mac[6];
};
extern const struct object_kind object_kind_board;

enum vpd_text {
	VPD_PRODUCT_NAME,
	VPD_PART_NUMBER,
	VPD_SERIAL_NUMBER,
	VPD_MANUFACTURE_DATE,
	VPD_LABEL_REVISION,
	VPD_PLATFORM_NAME,
	VPD_ONIE_VERSION,
	VPD_MANUFACTURER,
	VPD_COUNTRY_CODE,
	VPD_VENDOR,
	VPD_DIAG_VERSION,
	VPD_SERVICE_TAG,
	VPD_TEXTS,
};

/* A memory with data about the product (chassis.h). Observed only. */
struct vpd {
	struct object object;	/* key: the memory's name */
	char *texts[VPD_TEXTS]; /* owned; NULL: not told */
	bool has_mac, has_version, has_macs;
	uint8_t mac[6], version;
	uint16_t macs;
};
extern const struct object_kind object_kind_vpd;

#endif
