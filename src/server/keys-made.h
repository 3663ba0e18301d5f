/* What the device has made for the keystore is put into the configuration. */
#ifndef ASHLAR_SERVER_KEYS_MADE_H
#define ASHLAR_SERVER_KEYS_MADE_H

void keys_made_start(void);
void keys_made_stop(void);

#endif
