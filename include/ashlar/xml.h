/*
 * A strict pull scanner for XML as NETCONF has it: well-formedness, names and references are
 * checked; nothing is copied, no tree is built. All texts point into the document.
 */
#ifndef ASHLAR_XML_H
#define ASHLAR_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/err.h"

#define XML_DEPTH_MAX	   256
#define XML_ATTRIBUTES_MAX 64

struct xml_text {
	const char *at;
	size_t size;
};

#define XML_LITERAL(literal) ((struct xml_text){ (literal), sizeof(literal) - 1 })

struct xml_attribute {
	struct xml_text raw;	      /* name="value" as it stands */
	struct xml_text prefix, name; /* prefix is empty when there is none */
	struct xml_text value;	      /* between the quotes, references unresolved */
};

enum xml_event {
	XML_START,
	XML_END,  /* also follows the START of an empty element */
	XML_TEXT, /* character data or one CDATA section; may come in pieces */
	XML_DONE,
};

struct xml {
	const char *at, *end;
	const char *begin;	      /* the document */
	const char *token;	      /* where the markup or text of the last event begins */
	struct xml_text prefix, name; /* START and END */
	struct xml_text text;	      /* TEXT: raw; CDATA: its content */
	bool is_cdata;
	bool is_fragment; /* any number of roots, text between them, no declaration */
	bool is_empty;	  /* START: written as <name/> */
	bool has_root;
	bool has_comments; /* comments or processing instructions were skipped so far */
	size_t attribute_count;
	size_t depth; /* open elements; START counts its own, END no more */
	struct xml_attribute attributes[XML_ATTRIBUTES_MAX]; /* START */
	struct xml_text open[XML_DEPTH_MAX];		     /* qualified names */
};

/* Is the text UTF-8 made of characters that XML allows? */
bool xml_is_text(const char *data, size_t size);
/* Begins with a whole document, which must have passed xml_is_text(). */
void xml_init(struct xml *xml, const char *data, size_t size);
/* Begins with the inside of an element. */
void xml_init_fragment(struct xml *xml, const char *data, size_t size);
/* The next enum xml_event, or -EBADMSG (malformed-message, with the reason and where). */
int xml_next(struct xml *xml, struct err *err) WARN_UNUSED;

bool xml_text_is(struct xml_text text, const char *literal);
bool xml_text_equal(struct xml_text a, struct xml_text b);
/* Nothing but white space? */
bool xml_text_is_blank(struct xml_text text);
char *xml_text_dup(struct xml_text text);
/* Raw text with its references resolved; of an attribute, line breaks and tabs become blanks. */
char *xml_text_decode(struct xml_text raw, bool is_attribute);

#endif
