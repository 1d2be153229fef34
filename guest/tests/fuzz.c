// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz DEVICE SEED SECONDS
 *
 * Ioctls with arguments that are wrong in every way there is: pointers into nothing, into read-only memory, over the
 * end of a mapping, into the kernel; lengths of all sizes; any flags; sessions that are, were and never have been; and
 * structs and data that another process changes all the time. What they answer does not matter: the kernel must live.
 */
#define _GNU_SOURCE
#include <crypto/cryptodev.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 4, SESSIONS = 32, MEMORY = 64 * 4096, PROCESSES = 4 };

static const char *device;
static uint32_t state;
static int files[FILES];
static uint32_t sessions[SESSIONS];
/* Shared with the process that changes it */
static uint8_t *memory;
static uint8_t *read_only;

static uint32_t next(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static uint32_t any(uint32_t below)
{
	return next() % below;
}

static uint8_t *pointer(void)
{
	switch (any(16)) {
	case 0:
		return NULL;
	case 1:
		return (uint8_t *)(uintptr_t)any(65536);
	case 2:
		return (uint8_t *)(UINTPTR_MAX - any(65536));
	case 3:
		return (uint8_t *)((uintptr_t)1 << (sizeof(void *) * 8 - 1)) + next();
	case 4:
		return read_only + any(4096);
	case 5:
		/* Ends before the data do */
		return memory + MEMORY - any(64);
	default:
		return memory + any(MEMORY);
	}
}

static uint32_t length(void)
{
	static const uint32_t lengths[] = {
		0, 1, 15, 16, 17, 31, 32, 63, 64, 65, 256, 511, 512, 513, 4080, 4095, 4096, 4097, 8192, 16384,
		16385, 65536, 65537, 1 << 20, (1 << 24) - 16, 1 << 24, (1 << 24) + 16, 0x7fffffff, 0x80000000,
		0xffffffef, 0xfffffff0, 0xffffffff,
	};

	switch (any(4)) {
	case 0:
		return lengths[any(sizeof(lengths) / sizeof(lengths[0]))];
	case 1:
		return next();
	default:
		return 16 * any(1024);
	}
}

static uint32_t algorithm(void)
{
	static const uint32_t some[] = { 0, 0, 0, 2, 7, 11, 11, 13, 14, 16, 18, 21, 22, 23, 24, 25, 50, 50, 51, 101, 104, 112 };

	return any(16) ? some[any(sizeof(some) / sizeof(some[0]))] : any(256);
}

static uint32_t *session(void)
{
	return &sessions[any(SESSIONS)];
}

static uint16_t flags(void)
{
	return any(3) ? any(128) & any(128) : next();
}

static void make_session(int fd)
{
	static const uint32_t key_lengths[] = { 0, 16, 16, 16, 24, 32, 32, 64 };
	struct session_op op = {
		.cipher = algorithm(), .mac = algorithm(), .key = any(8) ? memory : pointer(),
		.mackey = any(8) ? memory : pointer(),
	};

	op.keylen = any(8) ? key_lengths[any(8)] : length();
	op.mackeylen = any(4) ? any(64) : length();
	if (!ioctl(fd, CIOCGSESSION, &op))
		*session() = op.ses;
}

static struct crypt_op crypt_operation(void)
{
	struct crypt_op op = {
		.ses = *session(), .op = any(8) ? any(2) : next(), .flags = flags(), .len = length(), .src = pointer(),
		.mac = pointer(), .iv = pointer(),
	};

	op.dst = any(2) ? op.src : pointer();
	return op;
}

static struct crypt_auth_op auth_operation(void)
{
	struct crypt_auth_op op = {
		.ses = *session(), .op = any(8) ? any(2) : next(), .flags = flags(), .len = length(),
		.auth_len = any(2) ? any(300) : length(), .auth_src = pointer(), .src = pointer(), .tag = pointer(),
		.tag_len = any(2) ? 0 : any(2) ? any(32) : next(), .iv = pointer(), .iv_len = any(32),
	};

	if (any(3) == 0)
		op.src = op.auth_src + any(300);
	op.dst = any(2) ? op.src : pointer();
	return op;
}

/* The struct where the other process can change it between two looks at it */
static void call_shared(int fd, unsigned long request, const void *argument, size_t size)
{
	uint8_t *place = any(2) ? memory + 8 * any(1024) : memory + MEMORY - size;

	memcpy(place, argument, size);
	ioctl(fd, request, place);
}

static void step(void)
{
	int *file = &files[any(FILES)];
	struct pollfd state = { .fd = *file, .events = POLLIN };
	struct crypt_op op;
	struct crypt_auth_op auth;
	struct cphash_op copy;

	switch (any(16)) {
	case 0:
	case 1:
		make_session(*file);
		break;
	case 2:
		ioctl(*file, CIOCFSESSION, any(8) ? (void *)session() : (void *)pointer());
		break;
	case 3:
	case 4:
	case 5:
		op = crypt_operation();
		if (any(2))
			ioctl(*file, CIOCCRYPT, &op);
		else
			call_shared(*file, CIOCCRYPT, &op, sizeof(op));
		break;
	case 6:
	case 7:
	case 8:
		auth = auth_operation();
		if (any(2))
			ioctl(*file, CIOCAUTHCRYPT, &auth);
		else
			call_shared(*file, CIOCAUTHCRYPT, &auth, sizeof(auth));
		break;
	case 9:
	case 10:
		op = crypt_operation();
		op.flags &= ~COP_FLAG_NO_ZC;
		ioctl(*file, CIOCASYNCCRYPT, &op);
		break;
	case 11:
		poll(&state, 1, any(4));
		ioctl(*file, CIOCASYNCFETCH, any(4) ? (void *)&op : (void *)pointer());
		break;
	case 12:
		copy = (struct cphash_op){ *session(), *session() };
		ioctl(*file, CIOCCPHASH, &copy);
		break;
	case 13:
		ioctl(*file, CIOCGSESSINFO, pointer());
		break;
	case 14:
		/* Any number of the API's letter, any size and direction */
		ioctl(*file, (next() & 0xffff0000) | 'c' << 8 | (100 + any(16)), pointer());
		break;
	default:
		if (any(8))
			break;
		close(*file);
		*file = open(device, O_RDWR);
	}
}

int main(int count, char **words)
{
	pid_t children[PROCESSES + 1];
	uint32_t seed = count > 3 ? strtoul(words[2], NULL, 0) : 0;
	time_t end = time(NULL) + (count > 3 ? atoi(words[3]) : 0);
	unsigned long *steps;

	if (!seed)
		return 2;
	device = words[1];
	memory = mmap(NULL, MEMORY + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* A gap, so that what runs over the end meets nothing of ours */
	mprotect(memory + MEMORY, 4096, PROT_NONE);
	read_only = mmap(NULL, 4 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	steps = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i <= PROCESSES; i++) {
		int fd;

		children[i] = fork();
		if (children[i])
			continue;
		state = seed + i * 2654435761u;
		state |= 1;
		/* The last one changes the memory that the others work with. */
		while (i == PROCESSES) {
			memory[any(MEMORY)] = next();
			if (!any(1024))
				usleep(100);
		}
		for (int file = 0; file < FILES; file++)
			files[file] = open(words[1], O_RDWR);
		/* Where the kernel can (CONFIG_FAULT_INJECTION), allocations fail from here on. */
		fd = open("/proc/self/make-it-fail", O_WRONLY);
		if (fd >= 0 && write(fd, "1", 1) != 1)
			_exit(1);
		while (time(NULL) < end) {
			step();
			__atomic_add_fetch(steps, 1, __ATOMIC_RELAXED);
		}
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = 0;

		waitpid(children[i], &status, 0);
		/* A wild result may have been written over a process of ours; that is its own fault. */
		if (WIFEXITED(status) && WEXITSTATUS(status))
			return 1;
	}
	kill(children[PROCESSES], SIGKILL);
	printf("steps %lu\n", *steps);
	return 0;
}
