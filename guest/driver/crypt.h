/* SPDX-License-Identifier: GPL-2.0-only */
/* CIOCCRYPT */
#ifndef CRYPT_H
#define CRYPT_H

#include "session.h"

struct vcd_request *vcd_crypt_prepare_async(struct vcd_file *file, const struct crypt_op *op);
int vcd_crypt_finish(struct vcd_request *req, const struct crypt_op *op);
int vcd_crypt(struct vcd_file *file, const struct crypt_op *op);
int vcd_write_iv(const struct virtio_cryptodev_response *answer, u8 __user *iv);

#endif /* CRYPT_H */
