/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver's own types: a device, its queues, its users, an open file, a request. */
#ifndef DRIVER_H
#define DRIVER_H

#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <crypto/cryptodev.h>
#include "virtio_cryptodev.h"

/* Largest digest or tag, IV, and associated data (that of SRTP type excepted), in bytes */
#define VCD_MAX_MAC	64
#define VCD_MAX_IV	16
#define VCD_MAX_AUTH	4096
/* What is copied is copied in pieces of so much, where an operation can be cut: a power of 2 */
#define VCD_PIECE	SZ_512K
/* Largest data, whatever the device says: with all that is added to it a length fits 32 bits. */
#define VCD_MAX_DATA	SZ_1G

struct vcd_queue {
	/* Held for everything below, in interrupts too */
	spinlock_t lock;
	/* NULL while the device is stopped; then requests fail with this error. */
	struct virtqueue *vq;
	int error;
	/* Which life of the device this is: see vcd_device */
	unsigned int generation;
	unsigned int in_flight;
	/* How many look for answers: as long as there are any, the device need not interrupt. */
	unsigned int pollers;
	/* How long that is worth it, in nanoseconds: without the lock */
	u64 poll_window;
	/* Requests for which the ring had no room */
	struct list_head backlog;
	char name[16];
} ____cacheline_aligned_in_smp;

/*
 * A device. Lives as long as any file that was opened on it, also when the hardware is long gone.
 */
struct vcd_device {
	struct device dev;
	struct cdev cdev;
	struct virtio_device *vdev;
	int minor;
	/* Starting and stopping, one at a time */
	struct mutex lock;
	bool running;
	/* While it runs, it hears of processors that come. */
	struct hlist_node hotplug;
	/*
	 * Counts the starts. What was opened in an earlier life has a handle that means nothing
	 * now, or that means another file: its requests must not reach the device.
	 */
	unsigned int generation;
	struct work_struct reset_work;
	/* Those who poll files hear here that the device has gone. */
	wait_queue_head_t left;

	/* What users have, and who waits for memory: see user.c. The lock is for all of it. */
	spinlock_t users_lock;
	struct list_head users;
	struct list_head waiting_users;
	u64 bytes;
	unsigned int files;

	u32 max_handles;
	u32 max_sessions;
	u32 max_data_len;
	u32 max_auth_len;
	u32 max_key_len;
	u32 max_mac_key_len;
	/* Most descriptors that a request may have, and most bytes that one of them may name */
	unsigned int max_segments;
	unsigned int max_segment_len;
	unsigned int queue_count;
	struct vcd_queue queues[];
};

/* Who has files of a device open, or memory that it still uses */
struct vcd_user {
	struct vcd_device *dev;
	unsigned int references;
	kuid_t uid;
	struct list_head link;
	unsigned int files;
	unsigned long sessions;
	u64 bytes;
	/* struct vcd_claim; and the place among those who have any */
	struct list_head claims;
	struct list_head waiting;
};

/* An open file */
struct vcd_file {
	struct kref ref;
	struct vcd_device *dev;
	/* Who opened it, whoever uses it */
	struct vcd_user *user;
	/*
	 * The order of requests on one queue is kept, so what must follow something else goes
	 * through this one.
	 */
	struct vcd_queue *queue;
	unsigned int generation;
	u32 handle;
	/* Sends CLOSE: made at open, for release cannot fail. */
	struct vcd_request *close;
	/* struct vcd_session by the device's number */
	struct xarray sessions;

	/* Asynchronous operations in the order of their submission; the lock is for both. */
	spinlock_t lock;
	struct list_head jobs;
	unsigned int job_count;
	wait_queue_head_t poll;
	struct delayed_work expiry;
};

/*
 * Whose turn it is with the state of a session's hash: all who ask, or one whose data come in
 * pieces
 */
struct vcd_turn {
	struct rcu_head rcu;
	refcount_t references;
	struct rw_semaphore sem;
	/* Asynchronous operations that have not been answered: they keep nobody waiting. */
	atomic_t jobs;
};

/* What the driver must know of a session to give its operations the memory that they need */
struct vcd_session {
	struct rcu_head rcu;
	u32 id;
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

/* A program's memory that an operation works on */
struct vcd_data {
	u8 __user *src;
	u32 src_len;
	u8 __user *dst;
	u32 dst_len;
	/* The destination is the source, from this offset on. */
	bool in_place;
	u32 offset;
	/* COP_FLAG_NO_ZC: not the program's own pages */
	bool copy;
	/*
	 * Only the program's own pages, for who is to find the result there may not be who asked
	 * for it
	 */
	bool pin;
	/* Rather -E2BIG than a copy of more than VCD_PIECE, for the operation can be cut. */
	bool can_cut;
};

/* Pages of a program's, pinned */
struct vcd_pages {
	struct page **pages;
	unsigned int count;
	bool written;
	struct sg_table table;
};

/* What of those pages is source or destination: the list of them all, or one made of some */
struct vcd_part {
	struct scatterlist *list;
	unsigned int count;
	struct sg_table slice;
};

/*
 * A request, with all memory that the device uses for it. Whoever waits for the answer holds a
 * reference, and so does the queue until the device has given the memory back, however long it
 * takes.
 */
struct vcd_request {
	struct kref ref;
	struct list_head link;
	struct work_struct work;
	struct completion answered;
	struct vcd_device *dev;
	bool keeps_device;
	/*
	 * Whose it is; what is charged to it: the data, and the request itself once nobody waits
	 * for it any more
	 */
	struct vcd_user *user;
	u64 claimed;
	u64 charged;
	struct vcd_queue *queue;
	unsigned int generation;
	/* Once answered: 0, or why there is no answer; and how much the device has written */
	int error;
	u32 used;

	/* The program's memory, where the result goes, and that result if it was copied */
	struct vcd_data data;
	bool copied;
	/* The result is written to pages of the program's, at any time until there is an answer. */
	bool exposed;
	/* Where the result of an asynchronous operation goes, if the pages cannot be pinned */
	struct mm_struct *mm;
	/* Data in small amounts stand behind the parts; larger ones in pages, pinned or a copy. */
	u8 *linear;
	struct vcd_pages source_pages;
	struct vcd_pages destination_pages;
	struct sg_table copy;
	struct vcd_part source;
	struct vcd_part destination;
	struct scatterlist head_sg, answer_sg, linear_sg;

	/* An asynchronous operation; the session's turn until it is answered */
	struct vcd_file *file;
	struct vcd_turn *turn;
	struct list_head job;
	unsigned long deadline;
	struct crypt_op op;

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

/* device.c */
extern struct workqueue_struct *vcd_workqueue;

/* queue.c */
int vcd_start_queues(struct vcd_device *dev);
void vcd_stop_queues(struct vcd_device *dev, int error);
bool vcd_device_left(const struct vcd_file *file);
void vcd_spread_interrupts(struct vcd_device *dev);
struct vcd_queue *vcd_this_queue(struct vcd_device *dev);
void vcd_submit(struct vcd_request *req, struct vcd_queue *queue);
void vcd_answered(struct vcd_request *req);
bool vcd_withdraw(struct vcd_request *req);
unsigned long vcd_timeout(void);
int vcd_wait_answer(struct vcd_request *req);
int vcd_exchange(struct vcd_request *req, struct vcd_queue *queue);

/* request.c */
struct vcd_request *vcd_request_new(struct vcd_file *file, u16 type, u16 ioctl, size_t capacity);
void vcd_request_put(struct vcd_request *req);
void vcd_request_put_later(struct vcd_request *req);
void vcd_request_taken(struct vcd_request *req);
void vcd_request_charge(struct vcd_request *req);
void vcd_request_settle_later(struct vcd_request *req);
int vcd_request_add(struct vcd_request *req, const void __user *from, size_t len);
int vcd_request_add_own(struct vcd_request *req, const void *from, size_t len);
int vcd_request_answer(struct vcd_request *req, struct virtio_cryptodev_response *answer);
int vcd_request_call(struct vcd_request *req, struct vcd_queue *queue,
		     struct virtio_cryptodev_response *answer);

/* data.c */
size_t vcd_data_linear_len(const struct vcd_data *data);
int vcd_data_attach(struct vcd_request *req, const struct vcd_data *data);
bool vcd_data_settles(const struct vcd_request *req);
int vcd_data_copy_out(struct vcd_request *req, u32 len);
void vcd_data_release(struct vcd_request *req);

/* user.c */
struct vcd_user *vcd_user_open(struct vcd_device *dev);
void vcd_user_close(struct vcd_user *user);
int vcd_user_add_session(struct vcd_user *user);
void vcd_user_drop_sessions(struct vcd_user *user, unsigned long count);
int vcd_user_admit(struct vcd_user *user);
int vcd_user_claim(struct vcd_user *user, u64 bytes);
void vcd_user_charge(struct vcd_user *user, u64 bytes);
void vcd_user_release(struct vcd_user *user, u64 bytes);

/* file.c */
extern const struct file_operations vcd_file_operations;
void vcd_file_put(struct vcd_file *file);

/* abi.c */
unsigned int vcd_native_ioctl(unsigned int cmd, bool compat);
int vcd_get_session_op(struct session_op *op, void __user *arg, bool compat);
int vcd_put_session_op(const struct session_op *op, void __user *arg, bool compat);
int vcd_get_crypt_op(struct crypt_op *op, void __user *arg, bool compat);
int vcd_put_crypt_op(const struct crypt_op *op, void __user *arg, bool compat);
int vcd_get_auth_op(struct crypt_auth_op *op, void __user *arg, bool compat);
int vcd_put_auth_op(const struct crypt_auth_op *op, void __user *arg, bool compat);

/* session.c */
int vcd_create_session(struct vcd_file *file, struct session_op *op);
int vcd_end_session(struct vcd_file *file, u32 id);
int vcd_session_info(struct vcd_file *file, struct session_info_op __user *arg);
int vcd_copy_hash(struct vcd_file *file, const struct cphash_op *op);
int vcd_enter_session(struct vcd_file *file, u32 id, bool alone, struct vcd_session *copy);
void vcd_leave_session(const struct vcd_session *session, bool alone);
int vcd_enter_job_session(struct vcd_file *file, u32 id, struct vcd_session *copy);
void vcd_leave_job_session(struct vcd_turn *turn);
void vcd_keep_tag_len(struct vcd_file *file, u32 id, u16 tag_len);
void vcd_forget_sessions(struct vcd_file *file);

/* crypt.c */
struct vcd_request *vcd_crypt_prepare_async(struct vcd_file *file, const struct crypt_op *op);
int vcd_crypt_finish(struct vcd_request *req, const struct crypt_op *op);
int vcd_crypt(struct vcd_file *file, const struct crypt_op *op);
int vcd_write_iv(const struct virtio_cryptodev_response *answer, u8 __user *iv);

/* authcrypt.c */
int vcd_authcrypt(struct vcd_file *file, struct crypt_auth_op *op);

/* async.c */
int vcd_async_submit(struct vcd_file *file, const struct crypt_op *op);
int vcd_async_fetch(struct vcd_file *file, struct crypt_op *op);
__poll_t vcd_async_poll(struct vcd_file *file);
void vcd_async_init(struct vcd_file *file);
void vcd_async_abandon(struct vcd_file *file);

#endif /* DRIVER_H */
