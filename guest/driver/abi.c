// SPDX-License-Identifier: GPL-2.0-only
/*
 * The structs of the API in a program's memory: those of this kernel, and those of 32-bit programs
 * on a 64-bit kernel, whose pointers are shorter and whose ioctls, which carry the size, have other
 * numbers for that.
 */
#include <linux/compat.h>
#include <linux/uaccess.h>

#include "abi.h"

#ifdef CONFIG_COMPAT

struct compat_session_op {
	u32 cipher;
	u32 mac;
	u32 keylen;
	compat_uptr_t key;
	u32 mackeylen;
	compat_uptr_t mackey;
	u32 ses;
};

struct compat_crypt_op {
	u32 ses;
	u16 op;
	u16 flags;
	u32 len;
	compat_uptr_t src;
	compat_uptr_t dst;
	compat_uptr_t mac;
	compat_uptr_t iv;
};

struct compat_crypt_auth_op {
	u32 ses;
	u16 op;
	u16 flags;
	u32 len;
	u32 auth_len;
	compat_uptr_t auth_src;
	compat_uptr_t src;
	compat_uptr_t dst;
	compat_uptr_t tag;
	u32 tag_len;
	compat_uptr_t iv;
	u32 iv_len;
};

#define COMPAT_CIOCGSESSION	_IOWR('c', 102, struct compat_session_op)
#define COMPAT_CIOCCRYPT	_IOWR('c', 104, struct compat_crypt_op)
#define COMPAT_CIOCAUTHCRYPT	_IOWR('c', 109, struct compat_crypt_auth_op)
#define COMPAT_CIOCASYNCCRYPT	_IOW('c', 110, struct compat_crypt_op)
#define COMPAT_CIOCASYNCFETCH	_IOR('c', 111, struct compat_crypt_op)

static unsigned int compat_native_ioctl(unsigned int cmd)
{
	switch (cmd) {
	case COMPAT_CIOCGSESSION:
		return CIOCGSESSION;
	case COMPAT_CIOCCRYPT:
		return CIOCCRYPT;
	case COMPAT_CIOCAUTHCRYPT:
		return CIOCAUTHCRYPT;
	case COMPAT_CIOCASYNCCRYPT:
		return CIOCASYNCCRYPT;
	case COMPAT_CIOCASYNCFETCH:
		return CIOCASYNCFETCH;
	/* These are not for the short structs. */
	case CIOCGSESSION:
	case CIOCCRYPT:
	case CIOCAUTHCRYPT:
	case CIOCASYNCCRYPT:
	case CIOCASYNCFETCH:
		return 0;
	default:
		return cmd;
	}
}

static int compat_get_session_op(struct session_op *op, void __user *arg)
{
	struct compat_session_op in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	*op = (struct session_op) {
		.cipher = in.cipher,
		.mac = in.mac,
		.keylen = in.keylen,
		.key = compat_ptr(in.key),
		.mackeylen = in.mackeylen,
		.mackey = compat_ptr(in.mackey),
		.ses = in.ses,
	};
	return 0;
}

static int compat_put_session_op(const struct session_op *op, void __user *arg)
{
	struct compat_session_op out = {
		.cipher = op->cipher,
		.mac = op->mac,
		.keylen = op->keylen,
		.key = ptr_to_compat(op->key),
		.mackeylen = op->mackeylen,
		.mackey = ptr_to_compat(op->mackey),
		.ses = op->ses,
	};

	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

static int compat_get_crypt_op(struct crypt_op *op, void __user *arg)
{
	struct compat_crypt_op in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	/* With what lies between the fields: a 64-bit program may fetch what this one submits. */
	memset(op, 0, sizeof(*op));
	op->ses = in.ses;
	op->op = in.op;
	op->flags = in.flags;
	op->len = in.len;
	op->src = compat_ptr(in.src);
	op->dst = compat_ptr(in.dst);
	op->mac = compat_ptr(in.mac);
	op->iv = compat_ptr(in.iv);
	return 0;
}

static int compat_put_crypt_op(const struct crypt_op *op, void __user *arg)
{
	struct compat_crypt_op out = {
		.ses = op->ses,
		.op = op->op,
		.flags = op->flags,
		.len = op->len,
		.src = ptr_to_compat(op->src),
		.dst = ptr_to_compat(op->dst),
		.mac = ptr_to_compat(op->mac),
		.iv = ptr_to_compat(op->iv),
	};

	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

static int compat_get_auth_op(struct crypt_auth_op *op, void __user *arg)
{
	struct compat_crypt_auth_op in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	*op = (struct crypt_auth_op) {
		.ses = in.ses,
		.op = in.op,
		.flags = in.flags,
		.len = in.len,
		.auth_len = in.auth_len,
		.auth_src = compat_ptr(in.auth_src),
		.src = compat_ptr(in.src),
		.dst = compat_ptr(in.dst),
		.tag = compat_ptr(in.tag),
		.tag_len = in.tag_len,
		.iv = compat_ptr(in.iv),
		.iv_len = in.iv_len,
	};
	return 0;
}

static int compat_put_auth_op(const struct crypt_auth_op *op, void __user *arg)
{
	struct compat_crypt_auth_op out = {
		.ses = op->ses,
		.op = op->op,
		.flags = op->flags,
		.len = op->len,
		.auth_len = op->auth_len,
		.auth_src = ptr_to_compat(op->auth_src),
		.src = ptr_to_compat(op->src),
		.dst = ptr_to_compat(op->dst),
		.tag = ptr_to_compat(op->tag),
		.tag_len = op->tag_len,
		.iv = ptr_to_compat(op->iv),
		.iv_len = op->iv_len,
	};

	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

#else

static unsigned int compat_native_ioctl(unsigned int cmd)
{
	return cmd;
}

#define compat_get_session_op(op, arg)	(-EINVAL)
#define compat_put_session_op(op, arg)	(-EINVAL)
#define compat_get_crypt_op(op, arg)	(-EINVAL)
#define compat_put_crypt_op(op, arg)	(-EINVAL)
#define compat_get_auth_op(op, arg)	(-EINVAL)
#define compat_put_auth_op(op, arg)	(-EINVAL)

#endif /* CONFIG_COMPAT */

/* What an ioctl's number is called here, 0 for none */
unsigned int vcd_native_ioctl(unsigned int cmd, bool compat)
{
	return compat ? compat_native_ioctl(cmd) : cmd;
}

int vcd_get_session_op(struct session_op *op, void __user *arg, bool compat)
{
	if (compat)
		return compat_get_session_op(op, arg);
	return copy_from_user(op, arg, sizeof(*op)) ? -EFAULT : 0;
}

int vcd_put_session_op(const struct session_op *op, void __user *arg, bool compat)
{
	if (compat)
		return compat_put_session_op(op, arg);
	return copy_to_user(arg, op, sizeof(*op)) ? -EFAULT : 0;
}

int vcd_get_crypt_op(struct crypt_op *op, void __user *arg, bool compat)
{
	if (compat)
		return compat_get_crypt_op(op, arg);
	return copy_from_user(op, arg, sizeof(*op)) ? -EFAULT : 0;
}

int vcd_put_crypt_op(const struct crypt_op *op, void __user *arg, bool compat)
{
	if (compat)
		return compat_put_crypt_op(op, arg);
	return copy_to_user(arg, op, sizeof(*op)) ? -EFAULT : 0;
}

int vcd_get_auth_op(struct crypt_auth_op *op, void __user *arg, bool compat)
{
	if (compat)
		return compat_get_auth_op(op, arg);
	return copy_from_user(op, arg, sizeof(*op)) ? -EFAULT : 0;
}

int vcd_put_auth_op(const struct crypt_auth_op *op, void __user *arg, bool compat)
{
	if (compat)
		return compat_put_auth_op(op, arg);
	return copy_to_user(arg, op, sizeof(*op)) ? -EFAULT : 0;
}
