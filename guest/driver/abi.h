/* SPDX-License-Identifier: GPL-2.0-only */
/* The structs of the API in a program's memory */
#ifndef ABI_H
#define ABI_H

#include <linux/compiler.h>
#include <linux/types.h>

#include <crypto/cryptodev.h>

unsigned int vcd_native_ioctl(unsigned int cmd, bool compat);
int vcd_get_session_op(struct session_op *op, void __user *arg, bool compat);
int vcd_put_session_op(const struct session_op *op, void __user *arg, bool compat);
int vcd_get_crypt_op(struct crypt_op *op, void __user *arg, bool compat);
int vcd_put_crypt_op(const struct crypt_op *op, void __user *arg, bool compat);
int vcd_get_auth_op(struct crypt_auth_op *op, void __user *arg, bool compat);
int vcd_put_auth_op(const struct crypt_auth_op *op, void __user *arg, bool compat);

#endif /* ABI_H */
