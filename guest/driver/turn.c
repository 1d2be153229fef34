// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose turn it is with the state of a session's hash. Operations that are one request each need
 * not know of each other: the device carries out one after the other. Between the pieces of one
 * that is cut there must be none (section 8 of the specification).
 *
 * Sessions without a hash have no turn: NULL, with which everything here is done at once. What is
 * begun has a reference, which goes with its end.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "turn.h"

struct vcd_turn *vcd_turn_new(void)
{
	struct vcd_turn *turn = kzalloc(sizeof(*turn), GFP_KERNEL_ACCOUNT);

	if (turn) {
		refcount_set(&turn->references, 1);
		spin_lock_init(&turn->lock);
		init_waitqueue_head(&turn->wait);
	}
	return turn;
}

/* Whether there is one still; called under RCU. */
bool vcd_turn_get(struct vcd_turn *turn)
{
	return !turn || refcount_inc_not_zero(&turn->references);
}

/* May run in an interrupt. */
void vcd_turn_put(struct vcd_turn *turn)
{
	if (turn && refcount_dec_and_test(&turn->references))
		kfree_rcu(turn, rcu);
}

/* Who waits to have it alone is not overtaken for ever. */
static bool vcd_turn_try(struct vcd_turn *turn, bool alone)
{
	bool free;

	spin_lock(&turn->lock);
	free = !turn->alone && (alone ? !turn->shared : !turn->waiting);
	if (free && alone)
		turn->alone = true;
	else if (free)
		turn->shared++;
	spin_unlock(&turn->lock);
	return free;
}

static void vcd_turn_count_waiting(struct vcd_turn *turn, int change)
{
	spin_lock(&turn->lock);
	turn->waiting += change;
	spin_unlock(&turn->lock);
}

/*
 * Waits for the turn: -EINTR if the process is being killed; -EBUSY if asynchronous operations are
 * under way, for which who asks may have to look first. The reference is gone then. The guest may
 * fall asleep meanwhile: no lock of the kernel's is waited for, as whoever has the turn may sleep
 * already.
 */
int vcd_turn_begin(struct vcd_turn *turn, bool alone)
{
	int error;

	if (!turn)
		return 0;
	if (alone)
		vcd_turn_count_waiting(turn, 1);
	error = wait_event_state(turn->wait, vcd_turn_try(turn, alone),
				 (TASK_KILLABLE | TASK_FREEZABLE));
	if (alone)
		vcd_turn_count_waiting(turn, -1);
	if (error) {
		/* Others may have waited for nothing else. */
		wake_up_all(&turn->wait);
		vcd_turn_put(turn);
		return -EINTR;
	}
	if (alone && atomic_read(&turn->jobs)) {
		vcd_turn_end(turn, alone);
		return -EBUSY;
	}
	return 0;
}

/* Two turns, not alone. All who want two must ask for them in the same order. -EINTR as above */
int vcd_turn_begin_both(struct vcd_turn *first, struct vcd_turn *second)
{
	int error = vcd_turn_begin(first, false);

	if (error) {
		vcd_turn_put(second);
		return error;
	}
	error = vcd_turn_begin(second, false);
	if (error)
		vcd_turn_end(first, false);
	return error;
}

static void vcd_turn_leave(struct vcd_turn *turn, bool alone)
{
	bool wake;

	spin_lock(&turn->lock);
	if (alone)
		turn->alone = false;
	else
		turn->shared--;
	wake = !turn->shared;
	spin_unlock(&turn->lock);
	if (wake)
		wake_up_all(&turn->wait);
}

void vcd_turn_end(struct vcd_turn *turn, bool alone)
{
	if (!turn)
		return;
	vcd_turn_leave(turn, alone);
	vcd_turn_put(turn);
}

/* For an asynchronous operation, which does not wait: -EBUSY, and the reference is gone. */
int vcd_turn_begin_job(struct vcd_turn *turn)
{
	if (!turn)
		return 0;
	if (!vcd_turn_try(turn, false)) {
		vcd_turn_put(turn);
		return -EBUSY;
	}
	atomic_inc(&turn->jobs);
	vcd_turn_leave(turn, false);
	return 0;
}

/* May run in an interrupt. */
void vcd_turn_end_job(struct vcd_turn *turn)
{
	if (!turn)
		return;
	atomic_dec(&turn->jobs);
	vcd_turn_put(turn);
}
