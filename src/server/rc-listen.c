/* RESTCONF's listener and the limits on its connections, each of which costs some 40 KiB. */
#include <unistd.h>

#include "ashlar/datastore.h"
#include "ashlar/log.h"

#include "listen.h"
#include "rc-conn.h"
#include "restconf.h"
#include "tls.h"

#define CONNS_MAX	 256
#define CONNS_SOURCE_MAX 64

static struct listener *listener;

static void on_accept(int fd, struct listen_place *place, void *arg)
{
	struct conn *conn;

	if (rc_conn_count(NULL) >= CONNS_MAX || rc_conn_count(place->source) >= CONNS_SOURCE_MAX) {
		log_info("restconf", "too many connections, refusing %s", place->peer);
		listen_leave(place);
		close(fd);
		return;
	}
	conn = tls_accept(fd, place, &rc_conn_user);
	if (conn)
		rc_conn_new(conn);
}

int restconf_listen(uint16_t port, const char *key_dir, struct err *err)
{
	int ret = tls_load(key_dir, err);

	if (ret < 0)
		return ret;
	ret = listen_tcp("restconf", port, on_accept, NULL, &listener, err);
	if (ret < 0)
		tls_unload();
	else
		ds_set_state_provider(
			"/ietf-restconf-monitoring:restconf-state", restconf_monitoring_show);
	return ret;
}

void restconf_stop(void)
{
	listen_free(TAKE(listener));
	rc_conn_destroy_all();
	tls_unload();
}
