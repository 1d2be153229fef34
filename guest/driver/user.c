// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much one user may have of a device at a time.
 *
 * Memory: pages that are pinned, copies, and what the device has not given back when whoever asked
 * is gone. Who wants more waits until there is room, and can be killed meanwhile; all users
 * together cannot have more than a few of them may, so that nobody takes the guest's memory by
 * having many names.
 *
 * Files and sessions: of those that the device has, so that there are some left for others, and in
 * any case for an administrator.
 */
#include <linux/capability.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "user.h"

static unsigned int user_memory;
module_param(user_memory, uint, 0644);
MODULE_PARM_DESC(user_memory, "MiB that a user's requests may have on a device (0: a 16th of all, at most 64)");

/* So many users can have as much as one may. */
#define VCD_FULL_USERS	4
/* The part of a device's handles that is kept for administrators */
#define VCD_KEPT_PART	16

/* Somebody waits for memory. */
struct vcd_claim {
	struct list_head link;
	u64 bytes;
	struct completion granted;
};

static u64 vcd_user_limit(void)
{
	u64 limit = (u64)READ_ONCE(user_memory) * SZ_1M;

	return limit ?: clamp_t(u64, ((u64)totalram_pages() << PAGE_SHIFT) / 16, SZ_4M, SZ_64M);
}

/* What is too much at all times is had by who has nothing else. */
static bool vcd_fits(u64 used, u64 bytes, u64 limit)
{
	return !used || used + bytes <= limit;
}

static void vcd_give(struct vcd_user *user, u64 bytes)
{
	WRITE_ONCE(user->bytes, user->bytes + bytes);
	user->dev->bytes += bytes;
	user->references++;
}

/*
 * Gives to those who wait, to each user in turn and to each of a user's in the order of their
 * coming. Costs a step for each user who waits. Called with the lock.
 */
static void vcd_grant(struct vcd_device *dev)
{
	u64 limit = vcd_user_limit();
	struct vcd_user *user, *next;

	list_for_each_entry_safe(user, next, &dev->waiting_users, waiting) {
		struct vcd_claim *claim;

		while ((claim = list_first_entry_or_null(&user->claims, struct vcd_claim, link))) {
			if (!vcd_fits(user->bytes, claim->bytes, limit))
				break;
			/* Whose turn it is gets it, and is not overtaken by who wants less. */
			if (!vcd_fits(dev->bytes, claim->bytes, VCD_FULL_USERS * limit))
				return;
			vcd_give(user, claim->bytes);
			list_del_init(&claim->link);
			complete(&claim->granted);
		}
		if (list_empty(&user->claims))
			list_del_init(&user->waiting);
	}
}

/*
 * Waits until the user may have so much: -EINTR if the process is being killed. vcd_user_release
 * gives it back.
 */
int vcd_user_claim(struct vcd_user *user, u64 bytes)
{
	struct vcd_device *dev = user->dev;
	struct vcd_claim claim = { .bytes = bytes };
	bool waits;

	init_completion(&claim.granted);
	spin_lock(&dev->users_lock);
	list_add_tail(&claim.link, &user->claims);
	if (list_empty(&user->waiting))
		list_add_tail(&user->waiting, &dev->waiting_users);
	vcd_grant(dev);
	waits = !list_empty(&claim.link);
	spin_unlock(&dev->users_lock);
	if (!waits || !wait_for_completion_state(&claim.granted, TASK_KILLABLE | TASK_FREEZABLE))
		return 0;

	spin_lock(&dev->users_lock);
	waits = !list_empty(&claim.link);
	if (waits) {
		list_del(&claim.link);
		if (list_empty(&user->claims))
			list_del_init(&user->waiting);
		/* Those behind it may have waited for nothing else. */
		vcd_grant(dev);
	}
	spin_unlock(&dev->users_lock);
	if (!waits)
		vcd_user_release(user, bytes);
	return -EINTR;
}

/* Waits until the user has no more than it may. */
int vcd_user_admit(struct vcd_user *user)
{
	int error;

	/* Small requests have no claim: nothing is written here that all processors share. */
	if (likely(READ_ONCE(user->bytes) <= vcd_user_limit()))
		return 0;
	error = vcd_user_claim(user, 0);
	if (!error)
		vcd_user_release(user, 0);
	return error;
}

/* The user has this in any case, until vcd_user_release. */
void vcd_user_charge(struct vcd_user *user, u64 bytes)
{
	spin_lock(&user->dev->users_lock);
	vcd_give(user, bytes);
	spin_unlock(&user->dev->users_lock);
}

/* Drops a reference. Called with the lock, which it gives back. */
static void vcd_drop(struct vcd_user *user)
	__releases(&user->dev->users_lock)
{
	struct vcd_device *dev = user->dev;
	bool last = !--user->references;

	if (last)
		list_del(&user->link);
	spin_unlock(&dev->users_lock);
	if (!last)
		return;
	kfree(user);
	put_device(&dev->dev);
}

void vcd_user_release(struct vcd_user *user, u64 bytes)
{
	struct vcd_device *dev = user->dev;

	spin_lock(&dev->users_lock);
	WRITE_ONCE(user->bytes, user->bytes - bytes);
	dev->bytes -= bytes;
	vcd_grant(dev);
	vcd_drop(user);
}

static struct vcd_user *vcd_find_user(struct vcd_device *dev, kuid_t uid)
{
	struct vcd_user *user;

	list_for_each_entry(user, &dev->users, link)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/*
 * Whether the user may open one more file: -EMFILE if it has its part already, -ENFILE if there are
 * none but those for administrators. Called with the lock.
 */
static int vcd_may_open(const struct vcd_user *user)
{
	const struct vcd_device *dev = user->dev;

	if (user->files >= max(dev->max_handles / VCD_FULL_USERS, 1u))
		return -EMFILE;
	if (dev->files >= max(dev->max_handles - dev->max_handles / VCD_KEPT_PART, 1u))
		return -ENFILE;
	return 0;
}

/*
 * Who this process belongs to, with one more file open: -EMFILE, -ENFILE, -ENOMEM. vcd_user_close
 * once the file is closed. Costs a step for each user of the device.
 */
struct vcd_user *vcd_user_open(struct vcd_device *dev)
{
	struct vcd_user *new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	bool exempt = capable(CAP_SYS_RESOURCE);
	struct vcd_user *user;
	int error;

	if (!new)
		return ERR_PTR(-ENOMEM);
	new->dev = dev;
	new->uid = current_uid();
	INIT_LIST_HEAD(&new->claims);
	INIT_LIST_HEAD(&new->waiting);

	spin_lock(&dev->users_lock);
	user = vcd_find_user(dev, new->uid);
	if (!user) {
		user = new;
		get_device(&dev->dev);
		list_add(&user->link, &dev->users);
	}
	error = exempt ? 0 : vcd_may_open(user);
	user->references++;
	user->files++;
	dev->files++;
	spin_unlock(&dev->users_lock);
	if (user != new)
		kfree(new);
	if (!error)
		return user;
	vcd_user_close(user);
	return ERR_PTR(error);
}

void vcd_user_close(struct vcd_user *user)
{
	spin_lock(&user->dev->users_lock);
	user->files--;
	user->dev->files--;
	vcd_drop(user);
}

/* One more session: -EMFILE if the user has as many as a file can have. */
int vcd_user_add_session(struct vcd_user *user)
{
	bool exempt = capable(CAP_SYS_RESOURCE);
	int error = 0;

	spin_lock(&user->dev->users_lock);
	if (user->sessions >= user->dev->max_sessions && !exempt)
		error = -EMFILE;
	else
		user->sessions++;
	spin_unlock(&user->dev->users_lock);
	return error;
}

void vcd_user_drop_sessions(struct vcd_user *user, unsigned long count)
{
	spin_lock(&user->dev->users_lock);
	user->sessions -= count;
	spin_unlock(&user->dev->users_lock);
}
