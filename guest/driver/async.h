/* SPDX-License-Identifier: GPL-2.0-only */
/* CIOCASYNCCRYPT, CIOCASYNCFETCH and poll */
#ifndef ASYNC_H
#define ASYNC_H

#include <linux/poll.h>

#include "crypt.h"

int vcd_async_submit(struct vcd_file *file, const struct crypt_op *op);
int vcd_async_fetch(struct vcd_file *file, struct crypt_op *op);
__poll_t vcd_async_poll(struct vcd_file *file);
void vcd_async_init(struct vcd_file *file);
void vcd_async_abandon(struct vcd_file *file);

#endif /* ASYNC_H */
