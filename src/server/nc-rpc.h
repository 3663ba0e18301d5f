/* The envelope of a NETCONF message: what <rpc> carries, as ranges of the message. Pure. */
#ifndef ASHLAR_SERVER_NC_RPC_H
#define ASHLAR_SERVER_NC_RPC_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/buf.h"
#include "ashlar/err.h"

#include "ashlar/xml.h"

#define NC_NS_BASE	      "urn:ietf:params:xml:ns:netconf:base:1.0"
#define NC_NS_MONITORING      "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
#define NC_NS_WITH_DEFAULTS   "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
#define NC_NS_ACTION	      "urn:ietf:params:xml:ns:yang:1"
#define NC_NS_NMDA	      "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
#define NC_NS_PARTIAL_LOCK    "urn:ietf:params:xml:ns:netconf:partial-lock:1.0"
#define NC_NS_DATASTORES      "urn:ietf:params:xml:ns:yang:ietf-datastores"
#define NC_NS_ORIGIN	      "urn:ietf:params:xml:ns:yang:ietf-origin"
#define NC_NS_FACTORY_DEFAULT "urn:ietf:params:xml:ns:yang:ietf-factory-default"
#define NC_NS_HISTORY	      "urn:ashlar:params:xml:ns:yang:ashlar-history"
#define NC_NS_PAGING	      "urn:ashlar:params:xml:ns:yang:ashlar-paging"

#define NC_RPC_ELEMENTS_MAX   32   /* operation, its parameters and their children */
#define NC_RPC_ATTRIBUTES_MAX 32   /* on <rpc> and those elements */
#define NC_RPC_BINDINGS_MAX   64   /* namespace declarations on <rpc> and those elements */
#define NC_RPC_ECHO_MAX	      8192 /* bytes of attributes on <rpc> */

/* xmlns="…" or xmlns:prefix="…"; what an element sees is a chain from its own outward. */
struct nc_binding {
	struct xml_text prefix; /* empty: the default namespace */
	struct xml_text uri;	/* references unresolved; empty: none */
	struct xml_text raw;	/* the declaration */
	int outer;		/* index of the next one outward; -1: none */
};

struct nc_element {
	unsigned level;	      /* 0: the operation, 1: its parameters, 2: their children */
	struct xml_text name; /* local */
	struct xml_text ns;   /* empty: none */
	struct xml_text outer, inner;
	unsigned attributes, attribute_count; /* index of its first one */
	int scope, outer_scope;		      /* bindings seen inside and outside; -1: none */
	bool has_children, has_text;	      /* text: more than blanks, directly in it */
	bool children_declare;		      /* all its children have xmlns="…" of their own */
};

struct nc_rpc {
	size_t attribute_count, binding_count, element_count;
	size_t rpc_attributes; /* the first of attributes[] are <rpc>'s; namespace declarations are not here */
	int rpc_scope;
	bool has_comments; /* comments or processing instructions, anywhere in the message */
	bool overflow;	   /* there was more than fits into elements[] or attributes[] */
	struct xml_attribute attributes[NC_RPC_ATTRIBUTES_MAX];
	struct nc_binding bindings[NC_RPC_BINDINGS_MAX];
	struct nc_element
		elements[NC_RPC_ELEMENTS_MAX]; /* in document order; [0] is the operation */
};

/*
 * Scans a whole message, which must outlive @rpc. -EBADMSG: not well-formed, or no <rpc>. Other errors
 * are about the <rpc> (no or two operations, no message-id). What attributes there are can be echoed
 * in any case.
 */
int nc_rpc_parse(struct nc_rpc *rpc, const char *message, size_t size, struct err *err) WARN_UNUSED;
/*
 * The same in pieces, for a large message: each call looks at about @size bytes; 1: done, 0: there is
 * more to do.
 */
struct nc_rpc_scan;
struct nc_rpc_scan *nc_rpc_scan_new(struct nc_rpc *rpc, const char *message, size_t size);
int nc_rpc_scan_more(struct nc_rpc_scan *scan, size_t size, struct err *err) WARN_UNUSED;
/* NULL is fine. */
void nc_rpc_scan_free(struct nc_rpc_scan *scan);
/*
 * The attributes of <rpc> as a prefix of a message that was cut off, for the error's reply; without them
 * when it is too short.
 */
void nc_rpc_parse_head(struct nc_rpc *rpc, const char *message, size_t size);

/* First child of @parent (level + 1), or the sibling after @child; NULL at the end. */
const struct nc_element *nc_rpc_child(const struct nc_rpc *rpc, const struct nc_element *parent);
const struct nc_element *nc_rpc_next(const struct nc_rpc *rpc, const struct nc_element *child);
/* Below the operation, no namespace stands for the base namespace. */
bool nc_element_is(const struct nc_element *element, const char *ns, const char *name);
/* Attribute without namespace, or of the base namespace; NULL when absent. */
const struct xml_attribute *nc_rpc_attribute(
	const struct nc_rpc *rpc, const struct nc_element *element, const char *name);
/* What a prefix stands for in the content of the element; an empty text when it is not declared. */
struct xml_text nc_rpc_namespace(
	const struct nc_rpc *rpc, const struct nc_element *element, struct xml_text prefix);
/* Character data of an element without children, decoded; malloc'd. */
int nc_rpc_value(const struct nc_rpc *rpc, const struct nc_element *element, char **ret_value,
	struct err *err) WARN_UNUSED;
/*
 * The content of an element (or the element itself) as XML that stands alone: namespaces declared
 * further out are declared on its top elements; comments are left out, as libyang does not take them
 * within values. Made in @scratch only if something had to be changed; otherwise the text lies in the
 * message.
 */
int nc_rpc_content(const struct nc_rpc *rpc, const struct nc_element *element, struct buf *scratch,
	struct xml_text *ret_text, struct err *err) WARN_UNUSED;
int nc_rpc_whole(const struct nc_rpc *rpc, const struct nc_element *element, struct buf *scratch,
	struct xml_text *ret_text, struct err *err) WARN_UNUSED;

#endif
