/* SPDX-License-Identifier: GPL-2.0-only */
/* CIOCAUTHCRYPT */
#ifndef AUTHCRYPT_H
#define AUTHCRYPT_H

#include "crypt.h"

int vcd_authcrypt(struct vcd_file *file, struct crypt_auth_op *op);

#endif /* AUTHCRYPT_H */
