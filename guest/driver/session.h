/* SPDX-License-Identifier: GPL-2.0-only */
/* Sessions */
#ifndef SESSION_H
#define SESSION_H

#include "request.h"
#include "turn.h"

/* What the driver must know of a session to give its operations the memory that they need */
struct vcd_session {
	struct rcu_head rcu;
	/* The device's number, and in which life of that */
	u32 id;
	unsigned int generation;
	bool has_cipher;
	bool is_aead;
	/*
	 * A message may be given in pieces, each with the IV that the one before has left, and with
	 * the hash's state.
	 */
	bool chains;
	/* NULL without hash or MAC */
	struct vcd_turn *turn;
	u16 block_size;
	u16 iv_size;
	u16 digest_size;
	u16 tag_size;
	/* The length that tags have unless an operation says another */
	u16 tag_len;
};

int vcd_create_session(struct vcd_file *file, struct session_op *op);
int vcd_end_session(struct vcd_file *file, u32 id);
int vcd_session_info(struct vcd_file *file, struct session_info_op __user *arg);
int vcd_copy_hash(struct vcd_file *file, const struct cphash_op *op);
int vcd_find_session(struct vcd_file *file, u32 id, struct vcd_session *copy);
void vcd_ask_session(struct vcd_request *req, const struct vcd_session *session);
void vcd_keep_tag_len(struct vcd_file *file, u32 id, u16 tag_len);
void vcd_forget_sessions(struct vcd_file *file);

#endif /* SESSION_H */
