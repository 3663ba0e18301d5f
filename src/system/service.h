/* Services: what the rest of this layer calls. */
#ifndef ASHLAR_SYSTEM_SERVICE_H
#define ASHLAR_SYSTEM_SERVICE_H

/* After genfile_init(). */
void service_init(void);
void service_done(void);

#endif
