// SPDX-License-Identifier: Apache-2.0
/*
 * storm DEVICE PROCESSES SECONDS [kill] [faults] [ciphers]
 *
 * Many processes work on /dev/crypto at once and check what they get: data that are encrypted and decrypted are the
 * same again, digests of the same data are equal. They fork with files open, close files with operations under way,
 * and fetch what others submitted. With "kill" processes are killed at random and replaced. With "faults" operations
 * may fail as they do when the device goes away (ENODEV, EIO, ETIMEDOUT) or memory is short (ENOMEM), and files are
 * then opened anew.
 * With "ciphers" there are no digests, for devices that have none. Says at the end how often what happened; status 1 if anything was wrong.
 */
#define _GNU_SOURCE
#include <crypto/cryptodev.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 256 * 1024, BATCH = 8 };

/* Shared by all processes */
static struct totals {
	unsigned long operations, faults, opened, killed, wrong;
} *totals;

static const char *device;
static bool faults_allowed, ciphers_only;
static double end;
static uint32_t state;
static uint8_t *plain, *work;

static uint32_t any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % below;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void wrong(const char *what)
{
	fprintf(stderr, "storm: process %d: %s: %s\n", getpid(), what, strerror(errno));
	__atomic_add_fetch(&totals->wrong, 1, __ATOMIC_RELAXED);
	_exit(1);
}

static bool may_be(int error)
{
	static const int errors[] = { ENODEV, EIO, ETIMEDOUT, ENOENT, ENXIO, ENOMEM };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i] == error)
			return true;
	return false;
}

/* Whether it was done; a fault that may be is counted, and the rest is wrong. */
static bool done(int result, const char *what)
{
	if (!result) {
		__atomic_add_fetch(&totals->operations, 1, __ATOMIC_RELAXED);
		return true;
	}
	if (!faults_allowed || !may_be(errno))
		wrong(what);
	__atomic_add_fetch(&totals->faults, 1, __ATOMIC_RELAXED);
	return false;
}

static bool begin(int fd, uint32_t cipher, uint32_t mac, struct session_op *session)
{
	static uint8_t key[16] = "0123456789abcdef";

	*session = (struct session_op){
		.cipher = cipher, .mac = mac, .keylen = cipher ? 16 : 0, .key = key, .mackeylen = 0,
	};
	return done(ioctl(fd, CIOCGSESSION, session), "CIOCGSESSION");
}

static uint32_t some_length(void)
{
	return 16 * (1 + any(any(4) ? 64 : LARGEST / 16));
}

/* There and back again */
static bool round_trip(int fd, uint32_t ses)
{
	uint8_t iv[16] = { any(256) };
	uint32_t length = some_length();
	bool in_place = any(2);
	struct crypt_op op = {
		.ses = ses, .len = length, .src = in_place ? work : plain, .dst = work, .iv = iv,
		.flags = any(4) ? 0 : COP_FLAG_NO_ZC,
	};

	memcpy(work, plain, in_place ? length : 0);
	if (!done(ioctl(fd, CIOCCRYPT, &op), "encryption"))
		return false;
	op.op = COP_DECRYPT;
	op.src = work;
	if (!done(ioctl(fd, CIOCCRYPT, &op), "decryption"))
		return false;
	errno = 0;
	if (memcmp(work, plain, length))
		wrong("what was decrypted is not what was encrypted");
	return true;
}

static bool same_digests(int fd, uint32_t ses)
{
	uint8_t first[HASH_MAX_LEN], second[HASH_MAX_LEN];
	uint32_t length = some_length(), half = length / 2;
	struct crypt_op whole = { .ses = ses, .len = length, .src = plain, .mac = first };
	struct crypt_op part = { .ses = ses, .len = half, .src = plain, .flags = COP_FLAG_UPDATE | COP_FLAG_RESET };

	if (!done(ioctl(fd, CIOCCRYPT, &whole), "digest") || !done(ioctl(fd, CIOCCRYPT, &part), "first half"))
		return false;
	part.flags = COP_FLAG_FINAL;
	part.src = plain + half;
	part.len = length - half;
	part.mac = second;
	if (!done(ioctl(fd, CIOCCRYPT, &part), "second half"))
		return false;
	errno = 0;
	if (memcmp(first, second, 32))
		wrong("the digest of the halves is not that of the whole");
	return true;
}

/* Several under way; now and then nobody waits for them. */
static bool batch(int fd, uint32_t ses)
{
	uint8_t iv[16] = { 0 };
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	uint32_t length = 16 * (1 + any(LARGEST / 16 / BATCH));
	struct crypt_op op = { .ses = ses, .len = length, .iv = iv };
	struct crypt_op fetched;
	int submitted;

	for (submitted = 0; submitted < BATCH; submitted++) {
		op.src = plain;
		op.dst = work + submitted * (LARGEST / BATCH);
		if (!done(ioctl(fd, CIOCASYNCCRYPT, &op), "CIOCASYNCCRYPT"))
			return false;
	}
	if (!any(4))
		return false;
	for (int i = 0; i < submitted; i++) {
		if (poll(&ready, 1, 60000) != 1)
			wrong("nothing to fetch in a minute");
		if (!done(ioctl(fd, CIOCASYNCFETCH, &fetched), "CIOCASYNCFETCH"))
			return false;
		errno = 0;
		if (fetched.dst != work + i * (LARGEST / BATCH))
			wrong("fetched out of order");
		if (memcmp(fetched.dst, work, length))
			wrong("one of a batch differs");
	}
	return true;
}

/* A child with the same file, that uses it and dies with it */
static void fork_with_file(int fd, uint32_t ses)
{
	pid_t child = fork();

	if (!child) {
		round_trip(fd, ses);
		_exit(0);
	}
	if (child > 0) {
		if (any(2))
			kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

static bool use_file(int fd)
{
	struct session_op cipher, hash;

	if (!begin(fd, CRYPTO_AES_CBC, 0, &cipher))
		return false;
	if (!ciphers_only && !begin(fd, 0, CRYPTO_SHA2_256, &hash))
		return false;
	for (unsigned int i = any(40); i > 0 && now() < end; i--) {
		uint32_t what = any(12);
		bool good = true;

		if (what < 6 || (what < 10 && ciphers_only))
			good = round_trip(fd, cipher.ses);
		else if (what < 10)
			good = same_digests(fd, hash.ses);
		else if (what == 10)
			good = batch(fd, cipher.ses);
		else
			fork_with_file(fd, cipher.ses);
		if (!good)
			return false;
	}
	return done(ioctl(fd, CIOCFSESSION, &cipher.ses), "CIOCFSESSION");
}

/* What was under way when the file was closed no longer writes. */
static void memory_is_ours(void)
{
	memset(work, 0x5a, LARGEST);
	usleep(2000);
	errno = 0;
	for (int i = 0; i < LARGEST; i++)
		if (work[i] != 0x5a)
			wrong("memory was written to after its file was closed");
}

static void __attribute__((noreturn)) work_until_end(void)
{
	state = getpid() * 2654435761u | 1;
	work = mmap(NULL, LARGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while (now() < end) {
		int fd = open(device, O_RDWR);

		if (!done(fd < 0 ? -1 : 0, "open")) {
			usleep(20000);
			continue;
		}
		__atomic_add_fetch(&totals->opened, 1, __ATOMIC_RELAXED);
		bool finished = use_file(fd);

		close(fd);
		if (!finished)
			memory_is_ours();
	}
	_exit(0);
}

static pid_t start(void)
{
	pid_t child = fork();

	if (!child)
		work_until_end();
	return child;
}

int main(int count, char **words)
{
	enum { MOST = 256 };
	pid_t children[MOST];
	int processes = count > 3 ? atoi(words[2]) : 0;
	bool killing = false;

	if (processes < 1 || processes > MOST)
		return 2;
	device = words[1];
	end = now() + atof(words[3]);
	for (int i = 4; i < count; i++) {
		killing |= !strcmp(words[i], "kill");
		faults_allowed |= !strcmp(words[i], "faults");
		ciphers_only |= !strcmp(words[i], "ciphers");
	}
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	plain = mmap(NULL, LARGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	state = getpid() | 1;
	for (int i = 0; i < LARGEST; i++)
		plain[i] = any(256);
	for (int i = 0; i < processes; i++)
		children[i] = start();
	while (killing && now() < end) {
		int victim = any(processes);

		usleep(10000);
		kill(children[victim], SIGKILL);
		waitpid(children[victim], NULL, 0);
		totals->killed++;
		children[victim] = start();
	}
	for (int i = 0; i < processes; i++)
		waitpid(children[i], NULL, 0);
	printf("operations %lu files %lu faults %lu killed %lu wrong %lu\n", totals->operations, totals->opened,
	       totals->faults, totals->killed, totals->wrong);
	return totals->wrong ? 1 : 0;
}
