/* Files that configuration makes: what others of this layer need. */
#ifndef ASHLAR_SYSTEM_GENFILE_H
#define ASHLAR_SYSTEM_GENFILE_H

/* Looks at the files that there may be; @root_dir is before each path. */
void genfile_init(const char *root_dir);
void genfile_done(void);
/* Where a path is on this machine; malloc'd. */
char *genfile_path(const char *path);

#endif
