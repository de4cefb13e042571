/* SPDX-License-Identifier: BSD-2-Clause */
/* Files: read whole, written atomically, found in folders. */
#ifndef KLDCHECK_FILES_H
#define KLDCHECK_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* The whole of a regular file, at most KC_FILE_MAX bytes; the caller frees *data.  0 or negative errno. */
int kc_file_read(const char *path, void **data, size_t *size);

/* path becomes data, or stays as it was; with the mode of the file like. */
int kc_file_write(const char *path, const void *data, size_t size, const char *like);

/* visit(path) for a file, or for each *.ko below a folder in the order of names; -ENOENT when there is none. */
int kc_files_each(const char *path, int (*visit)(const char *path, void *arg), void *arg);

#endif
