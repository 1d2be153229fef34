// SPDX-License-Identifier: GPL-2.0-only
/* Queues: requests on their way to the device and back, and the wait for them. */
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "driver.h"

/* A request's descriptors at least: head, source, answer, destination */
#define VCD_LEAST_SEGMENTS	4

static unsigned int timeout_ms = 30000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "Milliseconds until an unanswered request fails with ETIMEDOUT");

static unsigned int poll_us = 100;
module_param(poll_us, uint, 0644);
MODULE_PARM_DESC(poll_us, "Microseconds to look for an answer before sleeping, at most");

/* The longest that a processor is kept from other work, in microseconds */
#define VCD_POLL_MAX	1000u
/* The shortest that is worth the effort, in nanoseconds */
#define VCD_POLL_LEAST	5000u

unsigned long vcd_timeout(void)
{
	return msecs_to_jiffies(clamp(READ_ONCE(timeout_ms), 1u, 3600u * 1000));
}

/* The queue of a processor, which has the queue's interrupts if each queue has its own */
static unsigned int vcd_queue_of(const struct vcd_device *dev, unsigned int cpu)
{
	return cpu % dev->queue_count;
}

struct vcd_queue *vcd_this_queue(struct vcd_device *dev)
{
	return &dev->queues[vcd_queue_of(dev, raw_smp_processor_id())];
}

/*
 * Has each queue interrupt where its requests come from. These vectors are the driver's own, not
 * managed by the kernel, which would shut them down with the last processor that they are for:
 * requests that are under way in that queue, or come by it later, must be answered all the same.
 */
void vcd_spread_interrupts(struct vcd_device *dev)
{
	cpumask_var_t mask;
	unsigned int i, cpu;

	/* Without, all goes on, more slowly. */
	if (dev->queue_count == 1 || !zalloc_cpumask_var(&mask, GFP_KERNEL))
		return;
	for (i = 0; i < dev->queue_count; i++) {
		cpumask_clear(mask);
		for_each_online_cpu(cpu)
			if (vcd_queue_of(dev, cpu) == i)
				cpumask_set_cpu(cpu, mask);
		if (!cpumask_empty(mask))
			virtqueue_set_affinity(dev->queues[i].vq, mask);
	}
	free_cpumask_var(mask);
}

/* There is an answer, or why there is none, for whoever waits. May run in an interrupt. */
void vcd_answered(struct vcd_request *req)
{
	vcd_leave_job_session(req->turn);
	req->turn = NULL;
	complete(&req->answered);
	if (req->file)
		wake_up_interruptible_poll(&req->file->poll, EPOLLIN | EPOLLRDNORM);
}

/* The queue's reference becomes whatever is left of the request; may run in an interrupt. */
static void vcd_return(struct vcd_request *req, int error)
{
	req->error = error;
	if (vcd_data_settles(req)) {
		vcd_request_settle_later(req);
		return;
	}
	vcd_answered(req);
	vcd_request_put_later(req);
}

/* Whether the device that the file was opened on has gone, or has been started anew since */
bool vcd_device_left(const struct vcd_file *file)
{
	struct vcd_queue *queue = file->queue;
	bool left;

	spin_lock_irq(&queue->lock);
	left = !queue->vq || queue->generation != file->generation;
	spin_unlock_irq(&queue->lock);
	return left;
}

/* Puts a request into the ring: -ENOSPC if that is full. Called with the queue's lock. */
static int vcd_add(struct vcd_queue *queue, struct vcd_request *req)
{
	struct scatterlist *lists[4];
	unsigned int out = 0, in = 0;
	int error;

	lists[out++] = &req->head_sg;
	if (req->source.list)
		lists[out++] = req->source.list;
	lists[out + in++] = &req->answer_sg;
	if (req->destination.list)
		lists[out + in++] = req->destination.list;
	else if (req->linear && req->data.dst_len)
		lists[out + in++] = &req->linear_sg;
	error = virtqueue_add_sgs(queue->vq, lists, out, in, req, GFP_ATOMIC);
	if (!error)
		queue->in_flight++;
	/* Nothing will come back to make room: waiting would be for ever. */
	else if (error == -ENOSPC && !queue->in_flight)
		error = -ENOMEM;
	return error;
}

/* Takes what the device has answered. Called with the queue's lock. */
static void vcd_take_used(struct vcd_queue *queue)
{
	struct vcd_device *dev = queue->vq->vdev->priv;
	struct vcd_request *req;
	unsigned int used;

	while ((req = virtqueue_get_buf(queue->vq, &used))) {
		req->used = used;
		queue->in_flight--;
		vcd_return(req, 0);
	}
	/* It names requests that there are not: there is no more to be had from it. */
	if (virtqueue_is_broken(queue->vq))
		queue_work(vcd_workqueue, &dev->reset_work);
}

/* Called with the queue's lock, when there may be room. */
static void vcd_add_backlog(struct vcd_queue *queue)
{
	struct vcd_request *req, *next;
	bool added = false;

	list_for_each_entry_safe(req, next, &queue->backlog, link) {
		int error = vcd_add(queue, req);

		if (error == -ENOSPC)
			break;
		list_del_init(&req->link);
		if (error)
			vcd_return(req, error);
		else
			added = true;
	}
	if (added)
		virtqueue_kick(queue->vq);
}

/*
 * Takes what the device has answered, has it interrupt for all that it will answer from now on, and
 * gives it what waited for room. Called with the queue's lock.
 */
static void vcd_collect(struct vcd_queue *queue)
{
	do {
		virtqueue_disable_cb(queue->vq);
		vcd_take_used(queue);
	} while (!virtqueue_enable_cb(queue->vq));
	vcd_add_backlog(queue);
}

/* The same, while somebody looks for answers: interrupts are not wanted. */
static void vcd_collect_quietly(struct vcd_queue *queue)
{
	vcd_take_used(queue);
	if (!list_empty(&queue->backlog))
		vcd_add_backlog(queue);
}

/* With `poll`, whoever asked looks for the answer if this says so: see vcd_poll. */
static bool vcd_hand_over(struct vcd_request *req, struct vcd_queue *queue, bool poll)
{
	struct virtqueue *vq;
	unsigned long flags;
	bool kick = false;
	int error;

	kref_get(&req->ref);
	req->queue = queue;
	sg_init_one(&req->head_sg, &req->header, sizeof(req->header) + req->parts_len);
	sg_init_one(&req->answer_sg, &req->response, sizeof(req->response) + req->mac_room);

	/*
	 * vcd_stop_queues waits for this, so that the virtqueue is there to be notified without the
	 * lock.
	 */
	rcu_read_lock();
	spin_lock_irqsave(&queue->lock, flags);
	vq = queue->vq;
	if (!vq)
		error = queue->error;
	else if (req->generation != queue->generation)
		error = -ENODEV;
	else if (!list_empty(&queue->backlog))
		error = -ENOSPC;
	else
		error = vcd_add(queue, req);
	if (error == -ENOSPC) {
		list_add_tail(&req->link, &queue->backlog);
		error = 0;
	}
	if (!error) {
		if (poll && !queue->pollers++)
			virtqueue_disable_cb(vq);
		kick = virtqueue_kick_prepare(vq);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	if (kick)
		virtqueue_notify(vq);
	rcu_read_unlock();
	if (error)
		vcd_return(req, error);
	return poll && !error;
}

/*
 * Hands a request to the device, for which nobody waits now. It is answered in any case, if only
 * with an error.
 */
void vcd_submit(struct vcd_request *req, struct vcd_queue *queue)
{
	vcd_hand_over(req, queue, false);
}

static void vcd_used(struct virtqueue *vq)
{
	struct vcd_device *dev = vq->vdev->priv;
	struct vcd_queue *queue = &dev->queues[vq->index];
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->vq == vq) {
		/* An interrupt that was on its way already */
		if (queue->pollers)
			vcd_collect_quietly(queue);
		else
			vcd_collect(queue);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
}

/*
 * Nobody waits any more for this request: if the device has not seen it yet, it never will; if it
 * has, the user is charged for it until it comes back. Returns whether the device will not see it.
 */
bool vcd_withdraw(struct vcd_request *req)
{
	struct vcd_queue *queue = req->queue;
	unsigned long flags;
	bool waiting;

	spin_lock_irqsave(&queue->lock, flags);
	waiting = !list_empty(&req->link);
	list_del_init(&req->link);
	spin_unlock_irqrestore(&queue->lock, flags);
	if (waiting)
		vcd_request_put(req);
	else
		vcd_request_charge(req);
	return waiting;
}

/* The longest that it may be worth to look for an answer, in nanoseconds */
static u64 vcd_poll_limit(void)
{
	return NSEC_PER_USEC * min(READ_ONCE(poll_us), VCD_POLL_MAX);
}

/*
 * Looks for the answer, of this request and of all others in the queue, for as long as that gained
 * something lately; nobody else must want the processor. Whoever leaves last has the device
 * interrupt again.
 */
static void vcd_poll(struct vcd_request *req, u64 start)
{
	struct vcd_queue *queue = req->queue;
	u64 window = min_t(u64, READ_ONCE(queue->poll_window), vcd_poll_limit());

	while (!completion_done(&req->answered) && !need_resched() && single_task_running() &&
	       local_clock() - start < window) {
		/* Another one looks already. */
		if (spin_trylock_irq(&queue->lock)) {
			if (queue->vq)
				vcd_collect_quietly(queue);
			spin_unlock_irq(&queue->lock);
		}
		cpu_relax();
	}
	spin_lock_irq(&queue->lock);
	if (!--queue->pollers && queue->vq)
		vcd_collect(queue);
	spin_unlock_irq(&queue->lock);
}

/*
 * How long to look the next time, as KVM does for processors that halt: longer if that would have
 * been enough for this answer, shorter if nothing allowed would have been.
 */
static void vcd_adapt(struct vcd_queue *queue, u64 waited)
{
	u64 window = READ_ONCE(queue->poll_window), limit = vcd_poll_limit();

	if (waited > limit)
		window = window / 2 < VCD_POLL_LEAST ? 0 : window / 2;
	else if (waited > window)
		window = min(max_t(u64, 2 * window, VCD_POLL_LEAST), limit);
	else
		return;
	if (window != READ_ONCE(queue->poll_window))
		WRITE_ONCE(queue->poll_window, window);
}

/*
 * Waits for the answer without an end, for until it is there the device may write into the
 * program's memory, which must not change once the program has been told of an error: -EINTR if the
 * process is being killed, for then nobody is told. The guest may fall asleep meanwhile.
 */
int vcd_wait_answer(struct vcd_request *req)
{
	if (wait_for_completion_state(&req->answered, TASK_KILLABLE | TASK_FREEZABLE))
		return -EINTR;
	return req->error;
}

static int vcd_wait(struct vcd_request *req)
{
	long left = wait_for_completion_killable_timeout(&req->answered, vcd_timeout());

	if (left > 0)
		return req->error;
	if (!vcd_withdraw(req) && !left && req->exposed)
		return vcd_wait_answer(req);
	return left ? -EINTR : -ETIMEDOUT;
}

/*
 * Hands a request to the device and waits for the answer: 0, or -ETIMEDOUT, -EINTR if the process
 * is being killed, -ENODEV, -EIO. After any of them the device writes no more into the memory of a
 * program that is still there. Other signals wait until the operation is done: it cannot be taken
 * back, and must not be done twice.
 */
int vcd_exchange(struct vcd_request *req, struct vcd_queue *queue)
{
	u64 start = local_clock();
	int error;

	if (vcd_hand_over(req, queue, vcd_poll_limit() && READ_ONCE(queue->poll_window)))
		vcd_poll(req, start);
	error = vcd_wait(req);
	if (vcd_poll_limit())
		vcd_adapt(queue, local_clock() - start);
	return error;
}

static int vcd_find_queues(struct vcd_device *dev, struct virtqueue **vqs)
{
	unsigned int i, count = dev->queue_count;
	int error;
#ifdef VCD_HAVE_VIRTQUEUE_INFO
	struct virtqueue_info *info = kcalloc(count, sizeof(*info), GFP_KERNEL);

	if (!info)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		info[i].name = dev->queues[i].name;
		info[i].callback = vcd_used;
	}
	error = virtio_find_vqs(dev->vdev, count, vqs, info, NULL);
	kfree(info);
#else
	vq_callback_t **callbacks = kcalloc(count, sizeof(*callbacks), GFP_KERNEL);
	const char **names = kcalloc(count, sizeof(*names), GFP_KERNEL);

	error = -ENOMEM;
	if (callbacks && names) {
		for (i = 0; i < count; i++) {
			names[i] = dev->queues[i].name;
			callbacks[i] = vcd_used;
		}
		error = virtio_find_vqs(dev->vdev, count, vqs, callbacks, names, NULL);
	}
	kfree(callbacks);
	kfree(names);
#endif
	return error;
}

/* VIRTIO 2.7.5.3.1: a chain is no longer than its queue, indirect or not. -EINVAL for short ones */
static int vcd_measure_queues(struct vcd_device *dev, struct virtqueue **vqs)
{
	unsigned int i;

	dev->max_segments = UINT_MAX;
	for (i = 0; i < dev->queue_count; i++)
		dev->max_segments = min_t(unsigned int, dev->max_segments,
					  virtqueue_get_vring_size(vqs[i]));
	dev->max_segment_len = min_t(size_t, virtio_max_dma_size(dev->vdev), UINT_MAX & PAGE_MASK);
	if (dev->max_segments >= VCD_LEAST_SEGMENTS)
		return 0;
	dev_err(&dev->vdev->dev, "a queue of %u descriptors is too short\n", dev->max_segments);
	return -EINVAL;
}

int vcd_start_queues(struct vcd_device *dev)
{
	struct virtqueue **vqs = kcalloc(dev->queue_count, sizeof(*vqs), GFP_KERNEL);
	unsigned int i;
	int error;

	if (!vqs)
		return -ENOMEM;
	error = vcd_find_queues(dev, vqs);
	if (error)
		goto free;
	error = vcd_measure_queues(dev, vqs);
	if (error) {
		dev->vdev->config->del_vqs(dev->vdev);
		goto free;
	}
	dev->generation++;
	for (i = 0; i < dev->queue_count; i++) {
		struct vcd_queue *queue = &dev->queues[i];

		spin_lock_irq(&queue->lock);
		queue->vq = vqs[i];
		queue->generation = dev->generation;
		queue->in_flight = 0;
		spin_unlock_irq(&queue->lock);
	}
free:
	kfree(vqs);
	return error;
}

/* After this the device uses no memory, and every request has been answered with the error. */
void vcd_stop_queues(struct vcd_device *dev, int error)
{
	struct vcd_request *req, *next;
	struct virtqueue *vq;
	unsigned int i;

	for (i = 0; i < dev->queue_count; i++) {
		struct vcd_queue *queue = &dev->queues[i];

		spin_lock_irq(&queue->lock);
		queue->vq = NULL;
		queue->error = error;
		list_for_each_entry_safe(req, next, &queue->backlog, link) {
			list_del_init(&req->link);
			vcd_return(req, error);
		}
		spin_unlock_irq(&queue->lock);
	}
	synchronize_rcu();
	virtio_reset_device(dev->vdev);
	virtio_device_for_each_vq(dev->vdev, vq)
		while ((req = virtqueue_detach_unused_buf(vq)))
			vcd_return(req, error);
	dev->vdev->config->del_vqs(dev->vdev);
	wake_up_interruptible_poll(&dev->left, EPOLLHUP);
}
