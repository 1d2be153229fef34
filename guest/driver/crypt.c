// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIOCCRYPT: ciphers, hashes and MACs. In two halves, for asynchronous operations come back for the
 * second later.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

/* The room that the digest needs: none before the last part */
static u16 vcd_mac_room(const struct vcd_session *session, const struct crypt_op *op)
{
	bool last = (op->flags & COP_FLAG_FINAL) || !(op->flags & COP_FLAG_UPDATE) || !op->len;

	/*
	 * A program that has no room for the digest hears of that from the device, after the
	 * cipher's work.
	 */
	return last && op->mac ? session->digest_size : 0;
}

static int vcd_crypt_data(const struct vcd_session *session, const struct crypt_op *op,
			  struct vcd_data *data)
{
	if (op->len && (!op->src || (session->has_cipher && !op->dst)))
		return -EFAULT;
	data->src = op->src;
	data->src_len = op->len;
	data->dst = op->dst;
	data->dst_len = session->has_cipher ? op->len : 0;
	/* A hash has no destination, whatever `dst` is. */
	data->in_place = session->has_cipher && op->src == op->dst;
	data->copy = op->flags & COP_FLAG_NO_ZC;
	return 0;
}

static struct vcd_request *vcd_crypt_request(struct vcd_file *file,
					     const struct vcd_session *session,
					     const struct crypt_op *op,
					     const struct vcd_data *data)
{
	u16 iv_len = op->iv ? session->iv_size : 0;
	struct vcd_request *req = vcd_request_new(file, VIRTIO_CRYPTODEV_IOCTL, _IOC_NR(CIOCCRYPT),
						  iv_len + vcd_data_linear_len(data));
	int error;

	if (IS_ERR(req))
		return req;
	req->mac_room = vcd_mac_room(session, op);
	req->mac_len = req->mac_room;
	req->iv_len = op->flags & COP_FLAG_WRITE_IV ? session->iv_size : 0;
	req->least_data_len = data->dst_len;
	req->header.session = cpu_to_le32(op->ses);
	req->header.op = cpu_to_le16(op->op);
	req->header.flags = cpu_to_le16(op->flags);
	req->header.data_len = cpu_to_le32(op->len);
	req->header.iv_len = cpu_to_le16(iv_len);
	req->header.mac_len = cpu_to_le16(req->mac_room);
	error = vcd_request_add(req, op->iv, iv_len);
	if (!error)
		error = vcd_data_attach(req, data);
	if (error) {
		vcd_request_put(req);
		return ERR_PTR(error);
	}
	return req;
}

/*
 * A request for the operation, to be submitted; `pin` as in struct vcd_data. What the device can
 * check it checks: -EINVAL for a session that is not there or not for this, or for too long data;
 * -EFAULT.
 */
struct vcd_request *vcd_crypt_prepare(struct vcd_file *file, const struct crypt_op *op, bool pin)
{
	struct vcd_data data = { .pin = pin };
	struct vcd_session session;
	int error;

	error = vcd_find_session(file, op->ses, &session);
	if (error)
		return ERR_PTR(error);
	if (session.is_aead || op->len > file->dev->max_data_len)
		return ERR_PTR(-EINVAL);
	error = vcd_crypt_data(&session, op, &data);
	if (error)
		return ERR_PTR(error);
	return vcd_crypt_request(file, &session, op, &data);
}

/* Gives the program the IV, if it asked for that with COP_FLAG_WRITE_IV. */
int vcd_write_iv(const struct virtio_cryptodev_response *answer, u8 __user *iv)
{
	/* Without `iv` there is no place for it, and that is no error. */
	if (!iv)
		return 0;
	return copy_to_user(iv, answer->iv, le16_to_cpu(answer->iv_len)) ? -EFAULT : 0;
}

/* Gives the program what the device has answered; the operation's errno. */
int vcd_crypt_finish(struct vcd_request *req, const struct crypt_op *op)
{
	struct virtio_cryptodev_response answer;
	int error = vcd_request_answer(req, &answer);
	u16 mac_len = le16_to_cpu(answer.mac_len);

	/* Without room for the digest the cipher's work is done all the same. */
	if (!error || error == -EFAULT)
		error = vcd_data_copy_out(req, le32_to_cpu(answer.data_len)) ?: error;
	if (error)
		return error;
	if (mac_len && copy_to_user(op->mac, req->mac, mac_len))
		return -EFAULT;
	return vcd_write_iv(&answer, op->iv);
}

int vcd_crypt(struct vcd_file *file, const struct crypt_op *op)
{
	struct vcd_request *req = vcd_crypt_prepare(file, op, false);
	int error;

	if (IS_ERR(req))
		return PTR_ERR(req);
	error = vcd_exchange(req, vcd_this_queue(file->dev));
	if (!error)
		error = vcd_crypt_finish(req, op);
	vcd_request_put(req);
	return error;
}
