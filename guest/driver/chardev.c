// SPDX-License-Identifier: GPL-2.0-only
/* /dev/cryptodevN: open and close, and the way of an ioctl to who carries it out. */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "abi.h"
#include "async.h"
#include "authcrypt.h"
#include "chardev.h"
#include "handle.h"

static int vcd_open(struct inode *inode, struct file *filp)
{
	struct vcd_device *dev = container_of(inode->i_cdev, struct vcd_device, cdev);
	struct vcd_file *file = vcd_file_new(dev);
	int error;

	if (IS_ERR(file))
		return PTR_ERR(file);
	vcd_async_init(file);
	error = vcd_handle_open(file);
	if (error) {
		vcd_file_put(file);
		return error;
	}
	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

static int vcd_release(struct inode *inode, struct file *filp)
{
	struct vcd_file *file = filp->private_data;

	vcd_async_abandon(file);
	vcd_handle_close(file);
	vcd_forget_sessions(file);
	vcd_file_put(file);
	return 0;
}

static long vcd_ioctl_session(struct vcd_file *file, void __user *arg, bool compat)
{
	struct session_op op;
	int error = vcd_get_session_op(&op, arg, compat);

	if (!error)
		error = vcd_create_session(file, &op);
	if (error)
		return error;
	error = vcd_put_session_op(&op, arg, compat);
	if (error)
		vcd_end_session(file, op.ses);
	return error;
}

static long vcd_ioctl_crypt(struct vcd_file *file, void __user *arg, bool compat)
{
	struct crypt_op op;
	int error = vcd_get_crypt_op(&op, arg, compat);

	if (!error)
		error = vcd_crypt(file, &op);
	return error ?: vcd_put_crypt_op(&op, arg, compat);
}

static long vcd_ioctl_authcrypt(struct vcd_file *file, void __user *arg, bool compat)
{
	struct crypt_auth_op op;
	int error = vcd_get_auth_op(&op, arg, compat);

	if (!error)
		error = vcd_authcrypt(file, &op);
	return error ?: vcd_put_auth_op(&op, arg, compat);
}

static long vcd_ioctl_submit(struct vcd_file *file, void __user *arg, bool compat)
{
	struct crypt_op op;
	int error = vcd_get_crypt_op(&op, arg, compat);

	return error ?: vcd_async_submit(file, &op);
}

static long vcd_ioctl_fetch(struct vcd_file *file, void __user *arg, bool compat)
{
	struct crypt_op op;
	int error = vcd_async_fetch(file, &op);

	return error ?: vcd_put_crypt_op(&op, arg, compat);
}

static long vcd_ioctl_copy_hash(struct vcd_file *file, void __user *arg)
{
	struct cphash_op op;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;
	return vcd_copy_hash(file, &op);
}

/* Another descriptor of the same file, with its sessions */
static long vcd_ioctl_clone(struct file *filp, u32 __user *arg)
{
	int fd = get_unused_fd_flags(0);

	if (fd < 0)
		return fd;
	if (put_user(fd, arg)) {
		put_unused_fd(fd);
		return -EFAULT;
	}
	get_file(filp);
	fd_install(fd, filp);
	return 0;
}

static long vcd_do_ioctl(struct file *filp, unsigned int cmd, void __user *arg, bool compat)
{
	struct vcd_file *file = filp->private_data;
	u32 session;

	switch (vcd_native_ioctl(cmd, compat)) {
	case CIOCGSESSION:
		return vcd_ioctl_session(file, arg, compat);
	case CIOCFSESSION:
		return get_user(session, (u32 __user *)arg) ?: vcd_end_session(file, session);
	case CIOCCRYPT:
		return vcd_ioctl_crypt(file, arg, compat);
	case CIOCAUTHCRYPT:
		return vcd_ioctl_authcrypt(file, arg, compat);
	case CIOCGSESSINFO:
		return vcd_session_info(file, arg);
	case CIOCCPHASH:
		return vcd_ioctl_copy_hash(file, arg);
	case CIOCASYNCCRYPT:
		return vcd_ioctl_submit(file, arg, compat);
	case CIOCASYNCFETCH:
		return vcd_ioctl_fetch(file, arg, compat);
	case CRIOGET:
		return vcd_ioctl_clone(filp, arg);
	case CIOCASYMFEAT:
		return put_user(0, (u32 __user *)arg);
	default:
		return -EINVAL;
	}
}

static long vcd_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return vcd_do_ioctl(filp, cmd, (void __user *)arg, false);
}

#ifdef CONFIG_COMPAT
static long vcd_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return vcd_do_ioctl(filp, cmd, compat_ptr(arg), true);
}
#endif

static __poll_t vcd_poll(struct file *filp, poll_table *wait)
{
	struct vcd_file *file = filp->private_data;

	poll_wait(filp, &file->poll, wait);
	poll_wait(filp, &file->dev->left, wait);
	return vcd_async_poll(file);
}

const struct file_operations vcd_file_operations = {
	.owner = THIS_MODULE,
	.open = vcd_open,
	.release = vcd_release,
	.unlocked_ioctl = vcd_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = vcd_compat_ioctl,
#endif
	.poll = vcd_poll,
};
