// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIOCASYNCCRYPT, CIOCASYNCFETCH and poll. All operations of a file are on the device at the same
 * time; they come back in the order of their submission. The result stands in the memory of the
 * process that submitted; digest and IV are written by the one that fetches.
 */
#include <linux/jiffies.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "async.h"
#include "exchange.h"

/* Operations of a file that were submitted and not fetched */
#define VCD_MAX_JOBS	64

/* Jiffies until the job's time is over, 0 if it is */
static unsigned long vcd_job_left(const struct vcd_request *req)
{
	long left = req->job.deadline - jiffies;

	return max(left, 0L);
}

/* Nobody hears of an error while the device may still write into the program's memory. */
static bool vcd_given_up(const struct vcd_request *req)
{
	return !vcd_job_left(req) && !req->memory.exposed;
}

/* The oldest job, if it can be fetched: answered, or given up. Called with the file's lock. */
static struct vcd_request *vcd_finished_job(struct vcd_file *file)
{
	struct vcd_request *req =
		list_first_entry_or_null(&file->jobs, struct vcd_request, job.link);

	if (req && !completion_done(&req->transfer.answered) && !vcd_given_up(req))
		req = NULL;
	return req;
}

/* Tells those who poll about jobs that the device has not answered in time. */
static void vcd_expiry_work(struct work_struct *work)
{
	struct vcd_file *file = container_of(to_delayed_work(work), struct vcd_file, expiry);
	struct vcd_request *req;
	unsigned long delay = 0;

	spin_lock_irq(&file->lock);
	list_for_each_entry(req, &file->jobs, job.link) {
		if (completion_done(&req->transfer.answered))
			continue;
		delay = vcd_job_left(req);
		if (delay)
			break;
	}
	if (delay)
		queue_delayed_work(vcd_workqueue, &file->expiry, delay);
	spin_unlock_irq(&file->lock);
	wake_up_interruptible_poll(&file->poll, EPOLLIN | EPOLLRDNORM);
}

void vcd_async_init(struct vcd_file *file)
{
	spin_lock_init(&file->lock);
	INIT_LIST_HEAD(&file->jobs);
	init_waitqueue_head(&file->poll);
	INIT_DELAYED_WORK(&file->expiry, vcd_expiry_work);
}

static void vcd_job_answered(struct vcd_job *job)
{
	vcd_turn_end_job(job->turn);
	job->turn = NULL;
	wake_up_interruptible_poll(&job->file->poll, EPOLLIN | EPOLLRDNORM);
}

static void vcd_job_ended(struct vcd_job *job)
{
	/* One that was never handed over, as there were too many, or never came to be seen */
	vcd_turn_end_job(job->turn);
	vcd_file_put(job->file);
}

/* -EBUSY if there are 64 already */
static int vcd_enter_job(struct vcd_file *file, struct vcd_request *req, const struct crypt_op *op)
{
	int error = -EBUSY;

	kref_get(&file->ref);
	req->job.file = file;
	req->job.answered = vcd_job_answered;
	req->job.ended = vcd_job_ended;
	req->transfer.queue = file->queue;
	req->job.op = *op;
	req->job.deadline = jiffies + vcd_timeout();
	spin_lock_irq(&file->lock);
	if (file->job_count < VCD_MAX_JOBS) {
		file->job_count++;
		kref_get(&req->ref);
		/* What is still to come may be for jobs that were fetched, and later than this. */
		if (list_empty(&file->jobs))
			mod_delayed_work(vcd_workqueue, &file->expiry, vcd_job_left(req));
		else
			queue_delayed_work(vcd_workqueue, &file->expiry, vcd_job_left(req));
		list_add_tail(&req->job.link, &file->jobs);
		error = 0;
	}
	spin_unlock_irq(&file->lock);
	return error;
}

int vcd_async_submit(struct vcd_file *file, const struct crypt_op *op)
{
	struct vcd_request *req;
	int error;

	if (op->flags & COP_FLAG_NO_ZC)
		return -EINVAL;
	req = vcd_crypt_prepare_async(file, op);
	if (IS_ERR(req))
		return PTR_ERR(req);
	error = vcd_enter_job(file, req, op);
	if (!error)
		vcd_submit(req, file->queue, false);
	vcd_request_put(req);
	return error;
}

/* The oldest operation, and its errno; -EBUSY if it is not done. */
int vcd_async_fetch(struct vcd_file *file, struct crypt_op *op)
{
	struct vcd_request *req;
	int error;

	spin_lock_irq(&file->lock);
	req = vcd_finished_job(file);
	if (req) {
		list_del(&req->job.link);
		file->job_count--;
	}
	spin_unlock_irq(&file->lock);
	if (!req)
		return -EBUSY;
	/* There is room for who waits to submit. */
	wake_up_interruptible_poll(&file->poll, EPOLLOUT | EPOLLWRNORM);
	*op = req->job.op;
	if (completion_done(&req->transfer.answered)) {
		error = vcd_crypt_finish(req, op);
	} else {
		vcd_withdraw(req);
		error = -ETIMEDOUT;
	}
	vcd_request_put(req);
	return error;
}

__poll_t vcd_async_poll(struct vcd_file *file)
{
	bool left = vcd_device_left(file);
	__poll_t events = 0;

	spin_lock_irq(&file->lock);
	if (vcd_finished_job(file))
		events |= EPOLLIN | EPOLLRDNORM;
	/* What is under way comes back first, for whoever is woken is going to fetch that. */
	if (left && (events || list_empty(&file->jobs)))
		events |= EPOLLHUP;
	if (file->job_count < VCD_MAX_JOBS)
		events |= EPOLLOUT | EPOLLWRNORM;
	spin_unlock_irq(&file->lock);
	return events;
}

static void vcd_drop_job(struct vcd_request *req)
{
	list_del(&req->job.link);
	vcd_request_put(req);
}

/*
 * The file is closed: what is not fetched never will be. A program that goes on may use its memory
 * for something else then, so what still writes there is waited for, until whatever kills the
 * program. A program that ends has no use for its memory; and a kernel thread, which closes files
 * that were lost on their way between processes, has others to serve.
 */
void vcd_async_abandon(struct vcd_file *file)
{
	bool waits = !(current->flags & (PF_EXITING | PF_KTHREAD));
	struct vcd_request *req, *next;

	cancel_delayed_work_sync(&file->expiry);
	/* All at once, so that none is begun while another is waited for. */
	list_for_each_entry_safe(req, next, &file->jobs, job.link)
		if (vcd_withdraw(req))
			vcd_drop_job(req);
	list_for_each_entry_safe(req, next, &file->jobs, job.link) {
		if (waits && req->memory.exposed)
			vcd_wait_answer(req);
		vcd_drop_job(req);
	}
}
