/*
 * Data as XML or JSON text, node by node: whoever walks a tree says what begins, what a leaf is, what
 * ends. A container or entry comes into the text with the first thing in it, so that nothing is left of
 * what selection, access control or default handling emptied.
 *
 * The text is what libyang prints without blanks, but for the order of attributes.
 */
#ifndef ASHLAR_DATASTORE_PRINT_H
#define ASHLAR_DATASTORE_PRINT_H

#include "ashlar/datastore.h"

struct print_level;

struct print {
	struct buf *out;
	enum format format;
	enum with_defaults defaults;
	struct print_level *levels; /* [0]: the top level */
	size_t depth, room;
	struct ly_set modules; /* whose prefixes the element at hand uses */
	bool tags_equal;       /* tagged is whatever equals the default, not only what nobody set */
	/* Where the next node to begin, or leaf, comes from, if that is to be said. */
	const char *origin;
	const char *note; /* of the element at hand */
	struct buf scratch;
	/* While what is printed is dropped: the text proper (else NULL), and the levels as they were. */
	struct buf *aside_of;
	struct buf aside;
	struct print_level *kept;
	struct ds_rows *rows; /* where entries without keys are; NULL: not asked for */
};

/* Appends to @out, which must not have a ceiling. */
void print_init(
	struct print *print, struct buf *out, enum format format, enum with_defaults defaults);
/*
 * What is printed from here to the end of that is dropped, and all is as it was. One node that begins and ends
 * may come between, with all that is in it, and nothing else.
 */
void print_aside_begin(struct print *print);
void print_aside_end(struct print *print);
/* Is anything of the node that began last in the text? */
bool print_is_open(const struct print *print);
/* Every begun node must have ended, unless the text is thrown away. */
void print_done(struct print *print);

/* A container or list entry, until print_end(). The node must live until then. */
void print_begin(struct print *print, const struct lyd_node *node);
/* It is in the text even if nothing is in it. */
void print_touch(struct print *print);
void print_end(struct print *print);
/*
 * A leaf, leaf-list item or anydata, if the mode of default handling lets it (always with @always). Keys
 * come by themselves: for them it is print_touch().
 */
void print_leaf(struct print *print, const struct lyd_node *node, bool always);

#endif
