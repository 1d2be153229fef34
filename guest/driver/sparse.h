/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the headers of Linux 7 ask of the compiler and sparse 0.6.4 does not know, in words that it
 * knows. For `make check` alone: no source includes this.
 */
#define __typeof_unqual__ __typeof__
/* In assertions about the strings of MODULE_INFO(), which have to be constant. */
#define __builtin_strlen(string) (sizeof(string) - 1)
