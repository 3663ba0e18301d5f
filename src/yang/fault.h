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
 * An error whose error-info lacks the element that it is about: adds it (RFC 6241 appendix A), as found in the
 * XML text by the namespace or the attribute that the error-info has.
 */
void fault_element(struct err *err, const char *text, size_t size);
/* The same of JSON, where the namespace is a module's name. */
void fault_member(struct err *err, const char *text);
/* Is the XML text malformed? Then @err says so. */
bool fault_malformed(const char *text, size_t size, struct err *err);
/*
 * The XML text without the elements that are empty and to be deleted: those need no value. NULL: there are
 * none. Malloc'd.
 */
char *fault_without_deletions(const char *text, size_t size);

#endif
