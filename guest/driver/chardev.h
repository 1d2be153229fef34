/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/cryptodevN */
#ifndef CHARDEV_H
#define CHARDEV_H

#include <linux/fs.h>

extern const struct file_operations vcd_file_operations;

#endif /* CHARDEV_H */
