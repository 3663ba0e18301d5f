/* RESTCONF's listener. */
#include "ashlar/datastore.h"

#include "listen.h"
#include "rc-conn.h"
#include "restconf.h"
#include "tls.h"

static struct listener *listener;

static void on_accept(int fd, struct place *place, void *arg)
{
	struct conn *conn = tls_accept(fd, place, &rc_conn_user);

	if (conn)
		rc_conn_new(conn);
}

int restconf_listen(uint16_t port, const char *key_dir, struct err *err)
{
	int ret = tls_load(key_dir, err);

	if (ret < 0)
		return ret;
	ret = listen_tcp("restconf", PLACE_HTTPS, port, on_accept, NULL, &listener, err);
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
