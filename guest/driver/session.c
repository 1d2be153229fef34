// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: CIOCGSESSION, CIOCFSESSION, CIOCGSESSINFO, CIOCCPHASH. They live on the device; here
 * stands only what must be known to give an operation the memory that it needs. Programs have
 * numbers of the driver's own: the device's begin anew when the guest has slept, and a number of
 * before must not mean another session, with another key.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "exchange.h"
#include "handle.h"
#include "session.h"

static struct vcd_request *vcd_session_request(struct vcd_file *file, const struct session_op *op)
{
	/* A key without an algorithm is no key, whatever its length says. */
	u32 key_len = op->cipher ? op->keylen : 0;
	u32 mac_key_len = op->mac ? op->mackeylen : 0;
	struct vcd_request *req;
	int error;

	if (key_len > min_t(u32, file->dev->max_key_len, CRYPTO_CIPHER_MAX_KEY_LEN) ||
	    mac_key_len > min_t(u32, file->dev->max_mac_key_len, CRYPTO_HMAC_MAX_KEY_LEN))
		return ERR_PTR(-EINVAL);
	req = vcd_request_new(file, VIRTIO_CRYPTODEV_IOCTL, _IOC_NR(CIOCGSESSION),
			      key_len + mac_key_len);
	if (IS_ERR(req))
		return req;
	req->header.cipher = cpu_to_le32(op->cipher);
	req->header.mac = cpu_to_le32(op->mac);
	req->header.key_len = cpu_to_le16(key_len);
	req->header.mac_key_len = cpu_to_le16(mac_key_len);
	error = vcd_request_add(req, op->key, key_len);
	if (!error)
		error = vcd_request_add(req, op->mackey, mac_key_len);
	if (error) {
		vcd_request_put(req);
		return ERR_PTR(error);
	}
	return req;
}

/*
 * Whether the IV that is left is all that an operation knows of those before (6.7). Without a
 * cipher it is, for a hash's state stays on the device.
 */
static bool vcd_cipher_chains(u32 cipher)
{
	switch (cipher) {
	case 0:
	case CRYPTO_DES_CBC:
	case CRYPTO_3DES_CBC:
	case CRYPTO_BLF_CBC:
	case CRYPTO_AES_CBC:
	case CRYPTO_CAMELLIA_CBC:
	case CRYPTO_AES_CTR:
	case CRYPTO_AES_CFB:
	case CRYPTO_AES_OFB:
	case CRYPTO_AES_ECB:
	case CRYPTO_NULL:
		return true;
	default:
		return false;
	}
}

/*
 * Gives the session that the request has made a number, in `op`. -EINVAL for an AEAD cipher with a
 * key for a MAC; -EIO if the device says that its session is like none there can be; -EMFILE if
 * there is no number left
 */
static int vcd_keep_session(struct vcd_file *file, const struct vcd_request *req,
			    const struct virtio_cryptodev_response *answer, struct session_op *op)
{
	struct vcd_session *session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	int error;

	if (!session)
		return -ENOMEM;
	session->id = le32_to_cpu(answer->id);
	session->generation = req->transfer.generation;
	session->has_cipher = op->cipher;
	session->block_size = max_t(u16, 1, le16_to_cpu(answer->session.block_size));
	session->iv_size = le16_to_cpu(answer->session.iv_size);
	session->digest_size = le16_to_cpu(answer->session.digest_size);
	session->tag_size = le16_to_cpu(answer->session.tag_size);
	session->tag_len = session->tag_size;
	session->is_aead = session->tag_size;
	session->chains = vcd_cipher_chains(op->cipher);
	if (session->digest_size) {
		session->turn = vcd_turn_new();
		if (!session->turn) {
			kfree(session);
			return -ENOMEM;
		}
	}
	if (session->iv_size > VCD_MAX_IV || session->digest_size > VCD_MAX_MAC ||
	    session->tag_size > VCD_MAX_MAC || session->block_size > EALG_MAX_BLOCK_LEN)
		error = -EIO;
	else if (session->is_aead && op->mackeylen)
		error = -EINVAL;
	else
		error = xa_alloc_cyclic(&file->sessions, &op->ses, session,
					XA_LIMIT(1, INT_MAX), &file->last_session,
					GFP_KERNEL_ACCOUNT);
	/* 1 when numbers begin anew */
	if (error >= 0)
		return 0;
	vcd_turn_put(session->turn);
	kfree(session);
	return error == -EBUSY ? -EMFILE : error;
}

/* What the request is about: in the device's life in which there is that session, or in none */
void vcd_ask_session(struct vcd_request *req, const struct vcd_session *session)
{
	req->header.session = cpu_to_le32(session->id);
	if (req->transfer.generation != session->generation)
		req->transfer.generation = 0;
}

static int vcd_end_device_session(struct vcd_file *file, const struct vcd_session *session)
{
	struct vcd_request *req =
		vcd_request_new(file, VIRTIO_CRYPTODEV_IOCTL, _IOC_NR(CIOCFSESSION), 0);
	struct virtio_cryptodev_response answer;
	int error;

	if (IS_ERR(req))
		return PTR_ERR(req);
	vcd_ask_session(req, session);
	error = vcd_request_call(req, file->queue, &answer);
	vcd_request_put(req);
	return error;
}

int vcd_create_session(struct vcd_file *file, struct session_op *op)
{
	struct virtio_cryptodev_response answer;
	struct vcd_request *req;
	int error;

	if (!op->cipher && !op->mac)
		return -EINVAL;
	error = vcd_handle_renew(file);
	if (error)
		return error;
	req = vcd_session_request(file, op);
	if (IS_ERR(req))
		return PTR_ERR(req);
	error = vcd_user_add_session(file->user);
	if (error)
		goto put;
	error = vcd_request_call(req, vcd_this_queue(file->dev), &answer);
	if (!error)
		error = vcd_keep_session(file, req, &answer, op);
	if (!error)
		vcd_request_taken(req);
	else
		vcd_user_drop_sessions(file->user, 1);
put:
	vcd_request_put_later(req);
	return error;
}

/* A session that is not there has ended already: no error. */
int vcd_end_session(struct vcd_file *file, u32 id)
{
	struct vcd_session *session = xa_erase(&file->sessions, id);
	int error;

	if (!session)
		return 0;
	error = vcd_end_device_session(file, session);
	vcd_turn_put(session->turn);
	kfree_rcu(session, rcu);
	vcd_user_drop_sessions(file->user, 1);
	return error;
}

/*
 * -EINVAL if there is no such session. The caller gets a reference to its turn, for vcd_turn_begin
 * or vcd_turn_begin_job.
 */
int vcd_find_session(struct vcd_file *file, u32 id, struct vcd_session *copy)
{
	const struct vcd_session *session;
	bool found;

	rcu_read_lock();
	session = xa_load(&file->sessions, id);
	found = session && vcd_turn_get(session->turn);
	if (found) {
		*copy = *session;
		/* Operations change it: vcd_keep_tag_len. */
		copy->tag_len = READ_ONCE(session->tag_len);
	}
	rcu_read_unlock();
	return found ? 0 : -EINVAL;
}

/* A tag's length, once used, becomes the session's. */
void vcd_keep_tag_len(struct vcd_file *file, u32 id, u16 tag_len)
{
	struct vcd_session *session;

	xa_lock(&file->sessions);
	session = xa_load(&file->sessions, id);
	/* Operations of other threads may have been quicker: it never grows again. */
	if (session)
		WRITE_ONCE(session->tag_len, min(session->tag_len, tag_len));
	xa_unlock(&file->sessions);
}

/* The device ends them all with CLOSE. */
void vcd_forget_sessions(struct vcd_file *file)
{
	struct vcd_session *session;
	unsigned long id, count = 0;

	xa_for_each(&file->sessions, id, session) {
		vcd_turn_put(session->turn);
		kfree(session);
		count++;
	}
	vcd_user_drop_sessions(file->user, count);
	xa_destroy(&file->sessions);
}

static int vcd_put_names(struct alg_info __user *to, const u8 *name, const u8 *driver_name)
{
	struct alg_info info = {};

	BUILD_BUG_ON(sizeof(info.cra_name) !=
		     sizeof_field(struct virtio_cryptodev_session_info, cipher_name));
	strscpy(info.cra_name, name, sizeof(info.cra_name));
	strscpy(info.cra_driver_name, driver_name, sizeof(info.cra_driver_name));
	return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

/* What the session does not have is left as the program had it. */
static int vcd_put_info(const struct virtio_cryptodev_session_info *info,
			struct session_info_op __user *arg)
{
	int error = 0;

	if (info->cipher_name[0])
		error = vcd_put_names(&arg->cipher_info, info->cipher_name,
				      info->cipher_driver_name);
	if (!error && info->hash_name[0])
		error = vcd_put_names(&arg->hash_info, info->hash_name, info->hash_driver_name);
	return error ?: put_user(le16_to_cpu(info->alignmask), &arg->alignmask) ?:
			put_user(le32_to_cpu(info->flags), &arg->flags);
}

int vcd_session_info(struct vcd_file *file, struct session_info_op __user *arg)
{
	struct virtio_cryptodev_session_info info;
	struct virtio_cryptodev_response answer;
	struct vcd_session session;
	struct vcd_request *req;
	u32 id;
	int error;

	if (get_user(id, &arg->ses))
		return -EFAULT;
	error = vcd_find_session(file, id, &session);
	if (error)
		return error;
	vcd_turn_put(session.turn);
	req = vcd_request_new(file, VIRTIO_CRYPTODEV_IOCTL, _IOC_NR(CIOCGSESSINFO), sizeof(info));
	if (IS_ERR(req))
		return PTR_ERR(req);
	vcd_ask_session(req, &session);
	vcd_request_expect(req, sizeof(info));
	error = vcd_request_call(req, vcd_this_queue(file->dev), &answer);
	memcpy(&info, req->memory.linear, sizeof(info));
	vcd_request_put(req);
	return error ?: vcd_put_info(&info, arg);
}

static int vcd_call_copy_hash(struct vcd_file *file, const struct vcd_session *to,
			      const struct vcd_session *from)
{
	struct vcd_request *req =
		vcd_request_new(file, VIRTIO_CRYPTODEV_IOCTL, _IOC_NR(CIOCCPHASH), 0);
	struct virtio_cryptodev_response answer;
	int error;

	if (IS_ERR(req))
		return PTR_ERR(req);
	vcd_ask_session(req, from);
	vcd_ask_session(req, to);
	req->header.argument = cpu_to_le32(from->id);
	error = vcd_request_call(req, vcd_this_queue(file->dev), &answer);
	vcd_request_put(req);
	return error;
}

/* -EDEADLK for one and the same session, whether there is that or not; -ENOENT */
int vcd_copy_hash(struct vcd_file *file, const struct cphash_op *op)
{
	struct vcd_session to, from;
	int error;

	if (op->dst_ses == op->src_ses)
		return -EDEADLK;
	if (vcd_find_session(file, op->dst_ses, &to))
		return -ENOENT;
	if (vcd_find_session(file, op->src_ses, &from)) {
		vcd_turn_put(to.turn);
		return -ENOENT;
	}
	/* All take two turns in the same order. */
	if (op->dst_ses < op->src_ses)
		error = vcd_turn_begin_both(to.turn, from.turn);
	else
		error = vcd_turn_begin_both(from.turn, to.turn);
	if (error)
		return error;
	error = vcd_call_copy_hash(file, &to, &from);
	vcd_turn_end(to.turn, false);
	vcd_turn_end(from.turn, false);
	return error;
}
