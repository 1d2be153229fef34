/* SPDX-License-Identifier: GPL-2.0-only */
/* A request, with all memory that the device uses for it */
#ifndef REQUEST_H
#define REQUEST_H

#include <linux/kref.h>
#include <linux/scatterlist.h>
#include <linux/workqueue.h>

#include <crypto/cryptodev.h>

#include "data.h"
#include "file.h"
#include "queue.h"
#include "turn.h"
#include "virtio_cryptodev.h"

/* Largest digest or tag, IV, and associated data (that of SRTP type excepted), in bytes */
#define VCD_MAX_MAC	64
#define VCD_MAX_IV	16
#define VCD_MAX_AUTH	4096

/* An asynchronous operation's part of a request: see async.c */
struct vcd_job {
	struct vcd_file *file;
	struct list_head link;
	unsigned long deadline;
	struct crypt_op op;
	/* The session's turn, until the operation is answered */
	struct vcd_turn *turn;
	/* There is an answer, or why there is none; may run in an interrupt. */
	void (*answered)(struct vcd_job *job);
	/* The request is no more. */
	void (*ended)(struct vcd_job *job);
};

/*
 * Whoever waits for the answer holds a reference, and so does the queue until the device has given
 * the memory back, however long it takes.
 */
struct vcd_request {
	struct kref ref;
	struct work_struct work;
	struct vcd_transfer transfer;
	struct vcd_device *dev;
	bool keeps_device;
	/* Whose it is, and what is charged to it once nobody waits for the answer any more */
	struct vcd_user *user;
	u64 charged;
	struct vcd_memory memory;
	struct scatterlist head_sg, answer_sg;
	/* Of an asynchronous operation: `answered` is not NULL. */
	struct vcd_job job;

	/* What the answer says if it is a success: see vcd_request_answer */
	u16 iv_len;
	u16 mac_len;
	u32 least_data_len;

	/* The device writes the response, and `mac_room` bytes of mac. */
	u16 mac_room;
	struct virtio_cryptodev_response response ____cacheline_aligned;
	u8 mac[VCD_MAX_MAC];

	/* The device reads the header, and `parts_len` bytes behind it. */
	size_t parts_len;
	size_t capacity;
	struct virtio_cryptodev_request header ____cacheline_aligned;
	u8 parts[];
};

struct vcd_request *vcd_request_new(struct vcd_file *file, u16 type, u16 ioctl, size_t capacity);
void vcd_request_put(struct vcd_request *req);
void vcd_request_put_later(struct vcd_request *req);
void vcd_request_taken(struct vcd_request *req);
int vcd_request_add(struct vcd_request *req, const void __user *from, size_t len);
int vcd_request_add_own(struct vcd_request *req, const void *from, size_t len);
int vcd_request_attach(struct vcd_request *req, const struct vcd_data *data);
void vcd_request_expect(struct vcd_request *req, u32 len);
bool vcd_submit(struct vcd_request *req, struct vcd_queue *queue, bool look);
bool vcd_withdraw(struct vcd_request *req);
int vcd_request_answer(struct vcd_request *req, struct virtio_cryptodev_response *answer);

#endif /* REQUEST_H */
