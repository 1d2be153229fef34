// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wait for an answer: by looking for it, as long as that gains something, and then asleep; with
 * an end, where the device may not write into the program's memory after it.
 */
#include <linux/module.h>
#include <linux/sched/clock.h>
#include <linux/sched/stat.h>

#include "exchange.h"

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

/* The longest that it may be worth to look for an answer, in nanoseconds */
static u64 vcd_poll_limit(void)
{
	return NSEC_PER_USEC * min(READ_ONCE(poll_us), VCD_POLL_MAX);
}

/*
 * Looks for the answer, of this request and of all others in the queue, for as long as that gained
 * something lately; nobody else must want the processor.
 */
static void vcd_poll(struct vcd_request *req, u64 start)
{
	struct vcd_queue *queue = req->transfer.queue;
	u64 window = min_t(u64, READ_ONCE(queue->poll_window), vcd_poll_limit());

	while (!completion_done(&req->transfer.answered) && !need_resched() &&
	       single_task_running() && local_clock() - start < window) {
		vcd_look(queue);
		cpu_relax();
	}
	vcd_stop_looking(queue);
}

/*
 * How long to look the next time, as KVM does for processors that halt: longer if that would have
 * been enough for this answer, shorter if nothing allowed would have been. What counts is when the
 * answer came, not when whoever waited had a processor again.
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
	if (wait_for_completion_state(&req->transfer.answered, TASK_KILLABLE | TASK_FREEZABLE))
		return -EINTR;
	return req->transfer.error;
}

static int vcd_wait(struct vcd_request *req)
{
	long left = wait_for_completion_killable_timeout(&req->transfer.answered, vcd_timeout());

	if (left > 0)
		return req->transfer.error;
	if (!vcd_withdraw(req) && !left && req->memory.exposed)
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

	if (vcd_submit(req, queue, vcd_poll_limit() && READ_ONCE(queue->poll_window)))
		vcd_poll(req, start);
	error = vcd_wait(req);
	/* Who is killed, or has waited too long, has learned nothing of how long answers take. */
	if (error != -EINTR && error != -ETIMEDOUT && vcd_poll_limit())
		vcd_adapt(queue, max_t(s64, req->transfer.came - start, 0));
	return error;
}

/* Sends a request and waits for its answer. */
int vcd_request_call(struct vcd_request *req, struct vcd_queue *queue,
		     struct virtio_cryptodev_response *answer)
{
	int error = vcd_exchange(req, queue);

	return error ?: vcd_request_answer(req, answer);
}
