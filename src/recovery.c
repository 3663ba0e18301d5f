/*
 * The recovery system is the same program with a configuration of its own, made anew at each start and kept in
 * memory: what is saved on the device is looked at and not changed. An IPv4 link-local address is one that
 * whatever is plugged in gives itself a neighbour of when there is no DHCP server.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/software.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "recovery.h"

#define LINKS	   "/sys/class/net"
#define CONFIG_MAX (64 * 1024 * 1024)
#define PREFIX	   16
#define PORT_ROOM  16

static char port[PORT_ROOM]; /* the first one; "": none */

static bool is_recovery(void)
{
	return str_equal(software_now()->slot, "recovery");
}

/* -1: it has none, or is no port of the device. */
static long port_index(const char *name)
{
	_cleanup_free_ char *device = xasprintf(LINKS "/%s/device", name);
	_cleanup_free_ char *path = xasprintf(LINKS "/%s/ifindex", name), *text = NULL;

	if (!file_exists(device) || file_read_virtual(path, 32, &text, NULL) < 0)
		return -1;
	return strtol(text, NULL, 10);
}

static void find_port(void)
{
	DIR *dir = opendir(LINKS);
	struct dirent *entry;
	long first = -1;

	*port = '\0';
	while (dir && (entry = readdir(dir))) {
		long index = entry->d_name[0] == '.' ? -1 : port_index(entry->d_name);

		if (index > 0 && (first < 0 || index < first) &&
			str_copy(port, sizeof(port), entry->d_name) == 0)
			first = index;
	}
	if (dir)
		closedir(dir);
}

/* Who may come in, and what he may do, as it was saved; NULL: nobody. */
static json_t *saved_users(const char *config_dir, json_t **ret_access)
{
	_cleanup_free_ char *path =
		xasprintf("%s/generations/current/startup-config.cfg", config_dir);
	_cleanup_free_ char *text = NULL;
	json_t *saved = NULL, *users;
	size_t size;

	*ret_access = NULL;
	if (file_read(path, CONFIG_MAX, &text, &size, NULL) == 0)
		saved = json_loadb(text, size, 0, NULL);
	users = json_incref(
		json_object_get(json_object_get(saved, "ietf-system:system"), "authentication"));
	if (json_array_size(json_object_get(users, "user")) == 0) {
		json_decref(users);
		users = NULL;
	} else {
		*ret_access = json_incref(json_object_get(saved, "ietf-netconf-acm:nacm"));
	}
	json_decref(saved);
	return users;
}

static json_t *make_interfaces(void)
{
	return json_pack("{s:[{s:s, s:s, s:{s:[{s:s, s:i}]}}]}", "interface", "name", port, "type",
		"infix-if-type:ethernet", "ietf-ip:ipv4", "address", "ip", RECOVERY_ADDRESS,
		"prefix-length", PREFIX);
}

/* Takes both. */
static int write_config(const char *path, json_t *users, json_t *access, struct err *err)
{
	json_t *root = json_pack("{s:{s:s, s:o}, s:o*}", "ietf-system:system", "hostname",
		"recovery", "authentication", users, "ietf-netconf-acm:nacm", access);
	char *text;
	int r;

	if (*port)
		json_object_set_new(root, "ietf-interfaces:interfaces", make_interfaces());
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	if (!text)
		return err_set(err, -EINVAL, NULL, "the configuration of recovery");
	r = file_replace(path, text, strlen(text), 0600, err);
	free(text);
	return r;
}

int recovery_prepare(const char *startup_dir, const char *config_dir, struct err *err)
{
	_cleanup_free_ char *path = file_join(startup_dir, "startup-config.cfg");
	json_t *users, *access;

	if (!is_recovery())
		return 0;
	find_port();
	if (file_exists(path))
		return 0; /* of this boot: the daemon was started again */
	users = saved_users(config_dir, &access);
	return users ? write_config(path, users, access, err) : 0;
}

void recovery_say(void)
{
	if (is_recovery())
		console_say("this is the recovery system, %s on port %s", RECOVERY_ADDRESS, port);
}
