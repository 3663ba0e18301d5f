/*
 * A strict pull scanner for the XML of NETCONF messages: well-formedness, names and references are
 * checked; nothing is copied, no tree is built. All texts point into the document.
 */
#ifndef ASHLAR_SERVER_NC_XML_H
#define ASHLAR_SERVER_NC_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/err.h"

#define NC_XML_DEPTH_MAX      256
#define NC_XML_ATTRIBUTES_MAX 64

struct nc_text {
	const char *at;
	size_t size;
};

#define NC_TEXT(literal) ((struct nc_text){ (literal), sizeof(literal) - 1 })

struct nc_xml_attribute {
	struct nc_text raw;	     /* name="value" as it stands */
	struct nc_text prefix, name; /* prefix is empty when there is none */
	struct nc_text value;	     /* between the quotes, references unresolved */
};

enum nc_xml_event {
	NC_XML_START,
	NC_XML_END,  /* also follows the START of an empty element */
	NC_XML_TEXT, /* character data or one CDATA section; may come in pieces */
	NC_XML_DONE,
};

struct nc_xml {
	const char *at, *end;
	const char *begin;     /* the document */
	const char *token;     /* where the markup or text of the last event begins */
	struct nc_text prefix, name; /* START and END */
	struct nc_text text;   /* TEXT: raw; CDATA: its content */
	bool is_cdata;
	bool is_fragment;      /* any number of roots, text between them, no declaration */
	bool is_empty;	       /* START: written as <name/> */
	bool has_root;
	size_t attribute_count;
	size_t depth; /* open elements; START counts its own, END no more */
	struct nc_xml_attribute attributes[NC_XML_ATTRIBUTES_MAX]; /* START */
	struct nc_text open[NC_XML_DEPTH_MAX];			   /* qualified names */
};

/* Is the text UTF-8 made of characters that XML allows? */
bool nc_xml_is_text(const char *data, size_t size);
/* Begins with a whole document, which must have passed nc_xml_is_text(). */
void nc_xml_init(struct nc_xml *xml, const char *data, size_t size);
/* Begins with the inside of an element. */
void nc_xml_init_fragment(struct nc_xml *xml, const char *data, size_t size);
/* The next enum nc_xml_event, or -EBADMSG (malformed-message, with the reason and where). */
int nc_xml_next(struct nc_xml *xml, struct err *err) WARN_UNUSED;

bool nc_text_is(struct nc_text text, const char *literal);
bool nc_text_equal(struct nc_text a, struct nc_text b);
/* Nothing but white space? */
bool nc_text_is_blank(struct nc_text text);
char *nc_text_dup(struct nc_text text);
/* Raw text with its references resolved; of an attribute, line breaks and tabs become blanks. */
char *nc_text_decode(struct nc_text raw, bool is_attribute);

#endif
