/* What is wrong with the text of an edit that libyang refused, where libyang does not tell. */
#ifndef ASHLAR_YANG_FAULT_H
#define ASHLAR_YANG_FAULT_H

#include "ashlar/yang.h"

/*
 * An error about an attribute's value: finds in the XML text which attribute, completes message,
 * error-info, and the path, which leads to the element's parent or to the element without its keys.
 */
void fault_attribute(struct err *err, const char *text, size_t size);
/*
 * The XML text without the elements that are empty and to be deleted: those need no value. NULL: there are
 * none. Malloc'd.
 */
char *fault_without_deletions(const char *text, size_t size);

#endif
