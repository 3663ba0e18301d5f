/* Words for whoever stands before the device. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "ashlar/mem.h"
#include "ashlar/system.h"

void console_say(const char *format, ...)
{
	_cleanup_close_ int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	char text[512];
	va_list arguments;

	if (fd < 0)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	dprintf(fd, "\r\nashlar: %s\r\n", text);
}
