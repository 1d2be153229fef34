// SPDX-License-Identifier: GPL-2.0-only
/* CIOCAUTHCRYPT: AEAD ciphers; a cipher and a MAC as in TLS up to 1.2; and as in SRTP. */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "authcrypt.h"
#include "exchange.h"

/* One operation: what the request has beside the data. Pointers are the program's. */
struct vcd_authcrypt {
	struct vcd_data data;
	u32 auth_len;
	/*
	 * Associated data that are a part of the request; none of SRTP type, where they are the
	 * data
	 */
	u8 __user *auth;
	u32 auth_part;
	/* As the program gave it, 0 for the default; and what that comes to */
	u16 tag_len;
	u16 full_tag_len;
	/* Length of the result: of TLS decryption it is not known before */
	u32 least_data_len;
	/* SRTP type: the tag is neither in the data's source nor in their destination */
	u16 tag_part;
	u16 mac_room;
	u32 argument;
};

static bool vcd_is_srtp(const struct crypt_auth_op *op)
{
	return op->flags & COP_FLAG_AEAD_SRTP_TYPE;
}

static bool vcd_is_tls(const struct crypt_auth_op *op)
{
	return !vcd_is_srtp(op) && (op->flags & COP_FLAG_AEAD_TLS_TYPE);
}

/* An AEAD cipher seals records of TLS as it does all data: with or without the flag. */
static u16 vcd_auth_flags(const struct vcd_session *session, const struct crypt_auth_op *op)
{
	return session->is_aead ? op->flags & ~COP_FLAG_AEAD_TLS_TYPE : op->flags;
}

/* Associated data and source, which AEAD and TLS type have in common */
static int vcd_plan_common(const struct vcd_device *dev, const struct crypt_auth_op *op,
			   struct vcd_authcrypt *plan)
{
	if (op->auth_len > min_t(u32, dev->max_auth_len, VCD_MAX_AUTH))
		return -EINVAL;
	if (op->auth_len && !op->auth_src)
		return -EFAULT;
	plan->auth = op->auth_src;
	plan->auth_len = op->auth_len;
	plan->auth_part = op->auth_len;
	plan->data.src = op->src;
	plan->data.src_len = op->len;
	plan->data.dst = op->dst;
	plan->data.in_place = op->src == op->dst;
	return 0;
}

/* The tag stands behind the ciphertext. */
static int vcd_plan_aead(const struct vcd_session *session, const struct vcd_device *dev,
			 const struct crypt_auth_op *op, struct vcd_authcrypt *plan)
{
	if (!session->is_aead || op->tag_len > session->tag_len)
		return -EINVAL;
	/* Nothing to encrypt and nothing to authenticate */
	if (!op->src && !op->auth_len)
		return -EINVAL;
	plan->tag_len = op->tag_len ?: session->tag_len;
	plan->full_tag_len = plan->tag_len;
	if (op->op == COP_ENCRYPT)
		plan->data.dst_len = op->len + plan->tag_len;
	else
		plan->data.dst_len = op->len - min_t(u32, op->len, plan->tag_len);
	plan->least_data_len = plan->data.dst_len;
	return vcd_plan_common(dev, op, plan);
}

/* Tag and padding stand behind the text. */
static int vcd_plan_tls(const struct vcd_session *session, const struct vcd_device *dev,
			const struct crypt_auth_op *op, struct vcd_authcrypt *plan)
{
	u32 tag_len = op->tag_len ?: session->digest_size;
	u32 block = session->block_size;

	if (session->is_aead || op->src != op->dst || op->tag_len > session->digest_size)
		return -EINVAL;
	plan->tag_len = op->tag_len;
	plan->full_tag_len = tag_len;
	plan->data.dst_len = op->len;
	if (op->op == COP_ENCRYPT) {
		plan->data.dst_len += tag_len;
		/* At least one byte of padding */
		if (block > 1)
			plan->data.dst_len += block - plan->data.dst_len % block;
		plan->least_data_len = plan->data.dst_len;
	}
	return vcd_plan_common(dev, op, plan);
}

/* The packet is the data, of which a part is encrypted in place; the tag is elsewhere. */
static int vcd_plan_srtp(const struct vcd_session *session, const struct vcd_device *dev,
			 const struct crypt_auth_op *op, struct vcd_authcrypt *plan)
{
	unsigned long position = (unsigned long)op->src - (unsigned long)op->auth_src;
	u16 tag_len = op->tag_len ?: session->digest_size;

	if (session->is_aead || op->src != op->dst || op->tag_len > session->digest_size ||
	    !op->auth_len || op->auth_len > dev->max_data_len ||
	    position > 256 || op->len > op->auth_len || position > op->auth_len - op->len)
		return -EINVAL;
	if (tag_len && !op->tag)
		return -EFAULT;
	plan->auth_len = op->auth_len;
	plan->argument = position;
	plan->tag_len = op->tag_len;
	plan->full_tag_len = tag_len;
	plan->least_data_len = op->len;
	if (op->op == COP_ENCRYPT)
		plan->mac_room = tag_len;
	else
		plan->tag_part = tag_len;
	plan->data.src = op->auth_src;
	plan->data.src_len = op->auth_len;
	plan->data.dst = op->dst;
	plan->data.dst_len = op->len;
	plan->data.in_place = true;
	plan->data.offset = position;
	return 0;
}

static int vcd_plan(const struct vcd_session *session, const struct vcd_device *dev,
		    const struct crypt_auth_op *op, struct vcd_authcrypt *plan)
{
	if (!session->has_cipher || op->op > COP_DECRYPT || op->len > dev->max_data_len)
		return -EINVAL;
	if (op->len && (!op->src || !op->dst))
		return -EINVAL;
	plan->data.copy = op->flags & COP_FLAG_NO_ZC;
	if (vcd_is_srtp(op))
		return vcd_plan_srtp(session, dev, op, plan);
	if (vcd_is_tls(op))
		return vcd_plan_tls(session, dev, op, plan);
	return vcd_plan_aead(session, dev, op, plan);
}

/* Programs are used to EINVAL here for data that are not in their memory. */
static int vcd_data_error(int error)
{
	return error == -EFAULT ? -EINVAL : error;
}

static struct vcd_request *vcd_authcrypt_request(struct vcd_file *file,
						 const struct vcd_session *session,
						 const struct crypt_auth_op *op,
						 const struct vcd_authcrypt *plan)
{
	u16 iv_len = op->iv ? session->iv_size : 0;
	size_t capacity = iv_len + plan->tag_part + plan->auth_part +
			  vcd_data_linear_len(&plan->data);
	struct vcd_request *req =
		vcd_request_new(file, VIRTIO_CRYPTODEV_IOCTL, _IOC_NR(CIOCAUTHCRYPT), capacity);
	int error;

	if (IS_ERR(req))
		return req;
	req->mac_room = plan->mac_room;
	req->mac_len = plan->full_tag_len;
	req->iv_len = op->flags & COP_FLAG_WRITE_IV ? session->iv_size : 0;
	req->least_data_len = plan->least_data_len;
	vcd_ask_session(req, session);
	req->header.op = cpu_to_le16(op->op);
	req->header.flags = cpu_to_le16(op->flags);
	req->header.data_len = cpu_to_le32(op->len);
	req->header.auth_len = cpu_to_le32(plan->auth_len);
	req->header.iv_len = cpu_to_le16(iv_len);
	req->header.mac_len = cpu_to_le16(plan->mac_room + plan->tag_part);
	req->header.tag_len = cpu_to_le16(plan->tag_len);
	req->header.argument = cpu_to_le32(plan->argument);
	error = vcd_request_add(req, op->iv, iv_len);
	if (!error)
		error = vcd_request_add(req, op->tag, plan->tag_part);
	if (!error)
		error = vcd_request_add(req, plan->auth, plan->auth_part);
	if (!error)
		error = vcd_data_error(vcd_request_attach(req, &plan->data));
	if (error) {
		vcd_request_put(req);
		return ERR_PTR(error);
	}
	return req;
}

/*
 * Gives the program the result; the operation's errno. On an error it gets nothing of what was
 * decrypted.
 */
static int vcd_authcrypt_finish(struct vcd_file *file, struct vcd_request *req,
				const struct virtio_cryptodev_response *answer,
				const struct vcd_authcrypt *plan, struct crypt_auth_op *op)
{
	u32 data_len = le32_to_cpu(answer->data_len);
	u16 mac_len = le16_to_cpu(answer->mac_len);
	int error;

	error = vcd_data_error(vcd_data_copy_out(&req->memory, data_len));
	if (error)
		return error;
	if (plan->mac_room && copy_to_user(op->tag, req->mac, mac_len))
		return -EFAULT;
	error = vcd_write_iv(answer, op->iv);
	if (error)
		return error;
	op->len = data_len;
	op->tag_len = mac_len;
	if (!vcd_is_srtp(op) && !vcd_is_tls(op))
		op->tag = op->dst + data_len - (op->op == COP_ENCRYPT ? mac_len : 0);
	return 0;
}

int vcd_authcrypt(struct vcd_file *file, struct crypt_auth_op *op)
{
	struct virtio_cryptodev_response answer;
	struct vcd_authcrypt plan = {};
	struct vcd_session session;
	struct vcd_request *req;
	u16 flags = op->flags;
	int error;

	error = vcd_find_session(file, op->ses, &session) ?: vcd_turn_begin(session.turn, false);
	if (error)
		return error;
	op->flags = vcd_auth_flags(&session, op);
	error = vcd_plan(&session, file->dev, op, &plan);
	if (error)
		goto leave;
	req = vcd_authcrypt_request(file, &session, op, &plan);
	error = PTR_ERR_OR_ZERO(req);
	if (error)
		goto leave;
	error = vcd_request_call(req, vcd_this_queue(file->dev), &answer);
	if (session.is_aead && (!error || error == -EBADMSG))
		vcd_keep_tag_len(file, op->ses, plan.tag_len);
	if (!error)
		error = vcd_authcrypt_finish(file, req, &answer, &plan, op);
	op->flags = flags;
	vcd_request_put(req);
leave:
	vcd_turn_end(session.turn, false);
	return error;
}
