// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIOCCRYPT: ciphers, hashes and MACs. In two halves, for asynchronous operations come back for the
 * second later; and in pieces, for data that are more than the device takes, or than is copied at
 * once.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "crypt.h"
#include "exchange.h"

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

/* `iv` is the one that the piece before has left, NULL for the program's. */
static struct vcd_request *vcd_crypt_request(struct vcd_file *file,
					     const struct vcd_session *session,
					     const struct crypt_op *op, const u8 *iv,
					     const struct vcd_data *data)
{
	u16 iv_len = iv || op->iv ? session->iv_size : 0;
	struct vcd_request *req = vcd_request_new(file, VIRTIO_CRYPTODEV_IOCTL, _IOC_NR(CIOCCRYPT),
						  iv_len + vcd_data_linear_len(data));
	int error;

	if (IS_ERR(req))
		return req;
	req->mac_room = vcd_mac_room(session, op);
	req->mac_len = req->mac_room;
	req->iv_len = op->flags & COP_FLAG_WRITE_IV ? session->iv_size : 0;
	req->least_data_len = data->dst_len;
	vcd_ask_session(req, session);
	/* A hash has no direction, whatever a program says. */
	if (session->has_cipher || op->op > COP_DECRYPT)
		req->header.op = cpu_to_le16(op->op);
	req->header.flags = cpu_to_le16(op->flags);
	req->header.data_len = cpu_to_le32(op->len);
	req->header.iv_len = cpu_to_le16(iv_len);
	req->header.mac_len = cpu_to_le16(req->mac_room);
	error = iv ? vcd_request_add_own(req, iv, iv_len) : vcd_request_add(req, op->iv, iv_len);
	if (!error)
		error = vcd_request_attach(req, data);
	if (error) {
		vcd_request_put(req);
		return ERR_PTR(error);
	}
	return req;
}

/*
 * A request for an operation of the session's, to be submitted; `data` says how its data may go.
 * What the device can check it checks: -EINVAL for a session that is not for this, or for too long
 * data; -EFAULT; and as vcd_data_attach.
 */
static struct vcd_request *vcd_crypt_prepare(struct vcd_file *file,
					     const struct vcd_session *session,
					     const struct crypt_op *op, const u8 *iv,
					     struct vcd_data *data)
{
	int error;

	if (session->is_aead || op->len > file->dev->max_data_len)
		return ERR_PTR(-EINVAL);
	error = vcd_crypt_data(session, op, data);
	if (error)
		return ERR_PTR(error);
	return vcd_crypt_request(file, session, op, iv, data);
}

/*
 * The same, for an operation whose result another process may fetch. The request has the session's
 * turn; -EBUSY if that is another's for long.
 */
struct vcd_request *vcd_crypt_prepare_async(struct vcd_file *file, const struct crypt_op *op)
{
	struct vcd_data data = { .pin = true };
	struct vcd_session session;
	struct vcd_request *req;
	int error = vcd_find_session(file, op->ses, &session) ?: vcd_turn_begin_job(session.turn);

	if (error)
		return ERR_PTR(error);
	req = vcd_crypt_prepare(file, &session, op, NULL, &data);
	if (IS_ERR(req))
		vcd_turn_end_job(session.turn);
	else
		req->job.turn = session.turn;
	return req;
}

/* Gives the program the IV, if it asked for that with COP_FLAG_WRITE_IV. */
int vcd_write_iv(const struct virtio_cryptodev_response *answer, u8 __user *iv)
{
	/* Without `iv` there is no place for it, and that is no error. */
	if (!iv)
		return 0;
	return copy_to_user(iv, answer->iv, le16_to_cpu(answer->iv_len)) ? -EFAULT : 0;
}

/* Gives the program the data and the digest that the device has answered; the operation's errno. */
static int vcd_crypt_result(struct vcd_request *req, const struct crypt_op *op,
			    struct virtio_cryptodev_response *answer)
{
	int error = vcd_request_answer(req, answer);
	u16 mac_len = le16_to_cpu(answer->mac_len);

	/* Without room for the digest the cipher's work is done all the same. */
	if (!error || error == -EFAULT)
		error = vcd_data_copy_out(&req->memory, le32_to_cpu(answer->data_len)) ?: error;
	if (!error && mac_len && copy_to_user(op->mac, req->mac, mac_len))
		error = -EFAULT;
	return error;
}

/* Gives the program all that the device has answered; the operation's errno. */
int vcd_crypt_finish(struct vcd_request *req, const struct crypt_op *op)
{
	struct virtio_cryptodev_response answer;

	return vcd_crypt_result(req, op, &answer) ?: vcd_write_iv(&answer, op->iv);
}

/* As vcd_crypt_prepare; the answer's header is for the caller. */
static int vcd_crypt_piece(struct vcd_file *file, const struct vcd_session *session,
			   const struct crypt_op *op, const u8 *iv,
			   struct virtio_cryptodev_response *answer)
{
	struct vcd_data data = { .can_cut = session->chains };
	struct vcd_request *req = vcd_crypt_prepare(file, session, op, iv, &data);
	int error;

	if (IS_ERR(req))
		return PTR_ERR(req);
	error = vcd_exchange(req, vcd_this_queue(file->dev));
	if (!error)
		error = vcd_crypt_result(req, op, answer);
	vcd_request_put(req);
	return error;
}

/* The most that a request may have: less than all only if what follows can be a piece of its own */
static u32 vcd_crypt_most(const struct vcd_file *file, const struct vcd_session *session,
			  const struct crypt_op *op)
{
	u32 most = round_down(file->dev->max_data_len, VCD_PIECE);

	if (!session->chains || op->len % session->block_size)
		return U32_MAX;
	if (op->flags & COP_FLAG_NO_ZC)
		most = min_t(u32, most, VCD_PIECE);
	return most ?: U32_MAX;
}

/*
 * The flags of a piece, such that all together do to the hash's state what the operation would
 * (6.8): fresh with the first, if that is asked for, and a digest with the last
 */
static u16 vcd_piece_flags(const struct crypt_op *op, bool first, bool last)
{
	u16 flags = op->flags & ~(COP_FLAG_RESET | COP_FLAG_UPDATE | COP_FLAG_FINAL);
	bool starts = !op->flags || (op->flags & COP_FLAG_RESET);
	bool ends = (op->flags & COP_FLAG_FINAL) || !(op->flags & COP_FLAG_UPDATE);

	flags |= COP_FLAG_WRITE_IV | COP_FLAG_UPDATE;
	if (first && starts)
		flags |= COP_FLAG_RESET;
	if (last && ends)
		flags |= COP_FLAG_FINAL;
	return flags;
}

/*
 * A cipher may have other operations between two pieces, by other threads: each piece is told the
 * IV that the one before has left. A hash must not: only who has the session's turn alone cuts.
 */
static int vcd_crypt_pieces(struct vcd_file *file, const struct vcd_session *session,
			    const struct crypt_op *op)
{
	u32 done = 0, most = vcd_crypt_most(file, session, op);
	struct virtio_cryptodev_response answer;
	u8 iv[VCD_MAX_IV];
	int error;

	do {
		struct crypt_op piece = *op;

		piece.len = min(op->len - done, most);
		if (piece.len < op->len) {
			piece.flags = vcd_piece_flags(op, !done, done + piece.len == op->len);
			piece.src += done;
			piece.dst += done;
		}
		error = vcd_crypt_piece(file, session, &piece, done ? iv : NULL, &answer);
		if (error == -E2BIG) {
			most = VCD_PIECE;
			continue;
		}
		if (error)
			return error;
		memcpy(iv, answer.iv, sizeof(iv));
		done += piece.len;
	} while (done < op->len);
	return op->flags & COP_FLAG_WRITE_IV ? vcd_write_iv(&answer, op->iv) : 0;
}

int vcd_crypt(struct vcd_file *file, const struct crypt_op *op)
{
	/* What is shorter is never cut. */
	bool alone = op->len > VCD_PIECE;
	struct vcd_session session;
	int error = vcd_find_session(file, op->ses, &session) ?:
		    vcd_turn_begin(session.turn, alone);

	if (error)
		return error;
	error = vcd_crypt_pieces(file, &session, op);
	vcd_turn_end(session.turn, alone);
	return error;
}
