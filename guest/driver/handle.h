/* SPDX-License-Identifier: GPL-2.0-only */
/* What a file is called on the device */
#ifndef HANDLE_H
#define HANDLE_H

#include "file.h"

int vcd_handle_open(struct vcd_file *file);
int vcd_handle_renew(struct vcd_file *file);
void vcd_handle_close(struct vcd_file *file);

#endif /* HANDLE_H */
