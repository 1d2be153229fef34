// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose turn it is with the state of a session's hash. Operations that are one request each need
 * not know of each other: the device carries out one after the other. Between the pieces of one
 * that is cut there must be none (section 8 of the specification).
 *
 * Sessions without a hash have no turn: NULL, with which everything here is done at once. What is
 * begun has a reference, which goes with its end.
 */
#include <linux/slab.h>

#include "turn.h"

struct vcd_turn *vcd_turn_new(void)
{
	struct vcd_turn *turn = kzalloc(sizeof(*turn), GFP_KERNEL_ACCOUNT);

	if (turn) {
		refcount_set(&turn->references, 1);
		init_rwsem(&turn->sem);
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

/*
 * Waits for the turn: -EINTR if the process is being killed; -EBUSY if asynchronous operations are
 * under way, for which who asks may have to look first. The reference is gone then.
 */
int vcd_turn_begin(struct vcd_turn *turn, bool alone)
{
	if (!turn)
		return 0;
	if (alone ? down_write_killable(&turn->sem) : down_read_killable(&turn->sem)) {
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

	if (error || !second)
		goto put;
	if (!down_read_killable_nested(&second->sem, SINGLE_DEPTH_NESTING))
		return 0;
	vcd_turn_end(first, false);
	error = -EINTR;
put:
	if (error)
		vcd_turn_put(second);
	return error;
}

void vcd_turn_end(struct vcd_turn *turn, bool alone)
{
	if (!turn)
		return;
	if (alone)
		up_write(&turn->sem);
	else
		up_read(&turn->sem);
	vcd_turn_put(turn);
}

/* For an asynchronous operation, which does not wait: -EBUSY, and the reference is gone. */
int vcd_turn_begin_job(struct vcd_turn *turn)
{
	if (!turn)
		return 0;
	if (!down_read_trylock(&turn->sem)) {
		vcd_turn_put(turn);
		return -EBUSY;
	}
	atomic_inc(&turn->jobs);
	up_read(&turn->sem);
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
