/* The daemon's table of features under another name, beside the one that a test has of its own. */
#define feature_table real_feature_table
#include "feature-table.c"
