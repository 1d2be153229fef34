// SPDX-License-Identifier: Apache-2.0
/*
 * Does by ioctl on /dev/crypto what it is told on standard input, a line for each step, and answers each with a line.
 * Written to cryptodev.h alone. Files and sessions are called by numbers of the script's own:
 *
 *   open F                                    0 or -errno
 *   become UID                                makes this another user's process
 *   openro F                                  the same, read-only
 *   close F
 *   get F G                                   CRIOGET: G is another descriptor of F
 *   session F S CIPHER MAC KEY MACKEY         CIOCGSESSION
 *   free F S                                  CIOCFSESSION
 *   number S N                                makes S the session number N, without asking the device
 *   crypt F S OP FLAGS SRC DST MAC IV         CIOCCRYPT: "RESULT DST MAC IV"
 *   auth F S OP FLAGS SRC DST AUTH TAGLEN IV  CIOCAUTHCRYPT of AEAD or TLS type: "RESULT LEN TAGLEN TAG-DST DST IV"
 *   rocrypt F S OP FLAGS SRC DST MAC IV       CIOCCRYPT with a struct that cannot be written to
 *   srtp F S OP FLAGS POS LEN PACKET TAG TAGLEN IV   of SRTP type: "RESULT PACKET TAG IV"
 *   srtpto F S OP FLAGS POS LEN PACKET TAG TAGLEN IV   the same with another destination
 *   again                                     what stands now where the last CIOCCRYPT or CIOCASYNCCRYPT wrote: "DST"
 *   async F S OP FLAGS SRC DST MAC IV         CIOCASYNCCRYPT
 *   fetch F                                   CIOCASYNCFETCH: "RESULT JOB DST MAC IV"
 *   await F                                   poll until there is something to fetch, then fetch
 *   handover F JOB                            poll until there is room, which another process makes by fetching JOB:
 *                                             "RESULT REVENTS DST MAC IV" in the memory of the one that submitted
 *   poll F                                    revents
 *   pollin F                                  the same, once there is something to fetch
 *   info F S                                  CIOCGSESSINFO: "RESULT CIPHER DRIVER HASH DRIVER ALIGNMASK FLAGS"
 *   cphash F TO FROM                          CIOCCPHASH
 *   ioctl F NUMBER VALUE                      any ioctl, with a pointer to a word: "RESULT WORD"
 *   read F, write F, mmap F
 *
 * Bytes are hexadecimal, "-" for none; "rand:SEED:LENGTH" for many, "apart:SEED:LENGTH" for the same in pages that lie
 * apart, "secret:SEED:LENGTH" in pages that nobody can pin; "null", "null:LENGTH" and "bad" for pointers that lead nowhere; "ro:LENGTH" for zeros that cannot be changed.
 * DST is "same", "new", "apart", "secret", "null", "bad" or "ro"; MAC and TAG are "room", "null", "bad", a TAG may be bytes.
 * Memory for results is full of 0xaa first. Bytes of answers are hexadecimal, or, if there are many, "fnv:" and their
 * hash.
 */
#define _GNU_SOURCE
#include <crypto/cryptodev.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 512, SESSIONS = 4096, JOBS = 256, ROOM = 512, LONG = 4096 };
/* The number of the system call, the same for all processors; older headers lack its name. */
enum { MEMFD_SECRET = 447 };

/* What programs that were built long ago count on */
_Static_assert(sizeof(struct session_info_op) == 268 && sizeof(struct cphash_op) == 8, "without pointers");
_Static_assert(CRIOGET == 0xc0046365 && CIOCFSESSION == 0x40046367 && CIOCASYMFEAT == 0x8004636a, "without a struct");
_Static_assert(CIOCGSESSINFO == 0xc10c636b && CIOCCPHASH == 0x40086370, "the same for all word sizes");
#if UINTPTR_MAX > UINT32_MAX
_Static_assert(sizeof(struct session_op) == 48 && sizeof(struct crypt_op) == 48, "64-bit structs");
_Static_assert(sizeof(struct crypt_auth_op) == 72 && sizeof(struct crypt_kop) == 144, "64-bit structs");
_Static_assert(CIOCGSESSION == 0xc0306366 && CIOCCRYPT == 0xc0306368 && CIOCAUTHCRYPT == 0xc048636d, "64-bit numbers");
_Static_assert(CIOCASYNCCRYPT == 0x4030636e && CIOCASYNCFETCH == 0x8030636f, "64-bit numbers");
#else
_Static_assert(sizeof(struct session_op) == 28 && sizeof(struct crypt_op) == 28, "32-bit structs");
_Static_assert(sizeof(struct crypt_auth_op) == 44 && sizeof(struct crypt_kop) == 80, "32-bit structs");
_Static_assert(CIOCGSESSION == 0xc01c6366 && CIOCCRYPT == 0xc01c6368 && CIOCAUTHCRYPT == 0xc02c636d, "32-bit numbers");
_Static_assert(CIOCASYNCCRYPT == 0x401c636e && CIOCASYNCFETCH == 0x801c636f, "32-bit numbers");
#endif

static int files[FILES];
static uint32_t sessions[SESSIONS];
static const char *device = "/dev/crypto";
/* Where no program has memory */
static uint8_t *const nowhere = (uint8_t *)16;

static void die(const char *what, const char *word)
{
	fprintf(stderr, "agent: %s: %s\n", what, word ? word : "nothing");
	exit(2);
}

/* The next word of the line */
static char *word(void)
{
	char *next = strtok(NULL, " \n");

	if (!next)
		die("a word is missing", next);
	return next;
}

static long number(void)
{
	return strtol(word(), NULL, 0);
}

static int file(void)
{
	return files[number() % FILES];
}

static uint32_t session(void)
{
	return sessions[number() % SESSIONS];
}

static uint32_t xorshift(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

struct bytes {
	uint8_t *at;
	uint32_t length;
};

/* Memory whose pages seldom have their neighbour beside them, so that most are a segment of their own */
static uint8_t *pages_apart(size_t length)
{
	size_t page = sysconf(_SC_PAGESIZE), count = length / page + 1;
	uint8_t *at;

	/* 37 is prime: every page has its turn, and the next one is far away. */
	count += count % 37 == 0;
	at = mmap(NULL, count * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		die("no memory", NULL);
	madvise(at, count * page, MADV_NOHUGEPAGE);
	/* The kernel has pages in order, mostly, and gives them out as they are used for the first time. */
	for (size_t i = 0; i < count; i++)
		at[i * 37 % count * page] = 0;
	memset(at, 0xaa, count * page);
	return at;
}

/* Memory of memfd_secret(2), which even the kernel has no map of */
static uint8_t *secret_pages(size_t length)
{
	int fd = syscall(MEMFD_SECRET, 0);
	uint8_t *at;

	if (fd < 0 || ftruncate(fd, length + 1))
		die("no secret memory", NULL);
	at = mmap(NULL, length + 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		die("no secret memory", NULL);
	close(fd);
	memset(at, 0xaa, length + 1);
	return at;
}

/* Memory with `room` bytes behind the data for what is longer than they, full of 0xaa */
static struct bytes bytes(size_t room)
{
	char *text = word();
	struct bytes result = { NULL, 0 };
	uint32_t seed;

	if (!strcmp(text, "null") || sscanf(text, "null:%u", &result.length) == 1)
		return result;
	if (sscanf(text, "ro:%u", &result.length) == 1) {
		result.at = mmap(NULL, result.length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return result;
	}
	if (sscanf(text, "apart:%u:%u", &seed, &result.length) == 2) {
		result.at = pages_apart(result.length + room);
		for (uint32_t i = 0; i < result.length; i++)
			result.at[i] = xorshift(&seed);
		return result;
	}
	if (sscanf(text, "secret:%u:%u", &seed, &result.length) == 2) {
		result.at = secret_pages(result.length + room);
		for (uint32_t i = 0; i < result.length; i++)
			result.at[i] = xorshift(&seed);
		return result;
	}
	if (!strcmp(text, "bad"))
		return (struct bytes){ nowhere, 32 };
	if (sscanf(text, "rand:%u:%u", &seed, &result.length) == 2) {
		result.at = malloc(result.length + room);
		for (uint32_t i = 0; i < result.length; i++)
			result.at[i] = xorshift(&seed);
	} else {
		result.length = strcmp(text, "-") ? strlen(text) / 2 : 0;
		result.at = malloc(result.length + room + 1);
		for (uint32_t i = 0; i < result.length; i++)
			sscanf(text + 2 * i, "%2hhx", &result.at[i]);
	}
	memset(result.at + result.length, 0xaa, room);
	return result;
}

static void print(const uint8_t *at, uint32_t length)
{
	putchar(' ');
	if (!at || at == nowhere || !length) {
		putchar('-');
	} else if (length > LONG) {
		uint64_t hash = 0xcbf29ce484222325;

		for (uint32_t i = 0; i < length; i++)
			hash = (hash ^ at[i]) * 0x100000001b3;
		printf("fnv:%016llx", (unsigned long long)hash);
	} else {
		for (uint32_t i = 0; i < length; i++)
			printf("%02x", at[i]);
	}
}

static uint8_t *room(size_t length)
{
	uint8_t *at = malloc(length + 1);

	memset(at, 0xaa, length + 1);
	return at;
}

/* "room", "null", "bad" */
static uint8_t *target(size_t length)
{
	char *text = word();

	if (!strcmp(text, "room"))
		return room(length);
	return !strcmp(text, "bad") ? nowhere : NULL;
}

static uint8_t *destination(struct bytes source, size_t length)
{
	char *text = word();

	if (!strcmp(text, "same"))
		return source.at;
	if (!strcmp(text, "new"))
		return room(length);
	if (!strcmp(text, "apart"))
		return pages_apart(length);
	if (!strcmp(text, "secret"))
		return secret_pages(length);
	if (!strcmp(text, "ro"))
		return mmap(NULL, length + 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return !strcmp(text, "bad") ? nowhere : NULL;
}

static int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static void do_session(void)
{
	int fd = file();
	long slot = number() % SESSIONS;
	struct session_op op = { .cipher = number(), .mac = number() };
	struct bytes key = bytes(0), mac_key = bytes(0);
	int result;

	op.key = key.at;
	op.keylen = key.length;
	op.mackey = mac_key.at;
	op.mackeylen = mac_key.length;
	result = call(fd, CIOCGSESSION, &op);
	if (!result)
		sessions[slot] = op.ses;
	printf("%d", result);
}

static struct crypt_op last;

static struct crypt_op crypt_arguments(void)
{
	struct crypt_op op = { .ses = session(), .op = number(), .flags = number() };
	struct bytes source = bytes(0);

	op.len = source.length;
	op.src = source.at;
	op.dst = destination(source, source.length);
	op.mac = target(HASH_MAX_LEN);
	op.iv = bytes(0).at;
	last = op;
	return op;
}

static void print_crypt(const struct crypt_op *op)
{
	print(op->dst, op->len);
	print(op->mac, HASH_MAX_LEN);
	print(op->iv, EALG_MAX_BLOCK_LEN);
}

static void do_crypt(void)
{
	int fd = file();
	struct crypt_op op = crypt_arguments();

	printf("%d", call(fd, CIOCCRYPT, &op));
	print_crypt(&op);
}

static void do_read_only_crypt(void)
{
	int fd = file();
	struct crypt_op op = crypt_arguments();
	struct crypt_op *page = mmap(NULL, sizeof(op), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*page = op;
	mprotect(page, sizeof(op), PROT_READ);
	printf("%d", call(fd, CIOCCRYPT, page));
	print_crypt(&op);
}

static void do_auth(void)
{
	int fd = file();
	struct crypt_auth_op op = { .ses = session(), .op = number(), .flags = number() };
	struct bytes source = bytes(ROOM), auth, iv;

	op.len = source.length;
	op.src = source.at;
	op.dst = destination(source, source.length + ROOM);
	auth = bytes(0);
	op.auth_src = auth.at;
	op.auth_len = auth.length;
	op.tag_len = number();
	iv = bytes(0);
	op.iv = iv.at;
	op.iv_len = iv.length;
	printf("%d", call(fd, CIOCAUTHCRYPT, &op));
	printf(" %u %u %ld", op.len, op.tag_len, op.tag ? (long)(op.tag - op.dst) : -1);
	print(op.dst, op.len);
	print(op.iv, iv.length);
}

static void do_srtp(bool elsewhere)
{
	int fd = file();
	struct crypt_auth_op op = { .ses = session(), .op = number(), .flags = number() };
	long position = number(), length = number();
	struct bytes packet = bytes(0), tag, iv;
	char *next;

	op.flags |= COP_FLAG_AEAD_SRTP_TYPE;
	op.auth_src = packet.at;
	op.auth_len = packet.length;
	op.src = packet.at + position;
	op.dst = op.src + elsewhere;
	op.len = length;
	next = word();
	tag = (struct bytes){ NULL, 0 };
	if (!strcmp(next, "room")) {
		tag = (struct bytes){ room(HASH_MAX_LEN), HASH_MAX_LEN };
	} else if (strcmp(next, "null")) {
		tag.length = strlen(next) / 2;
		tag.at = room(HASH_MAX_LEN);
		for (uint32_t i = 0; i < tag.length; i++)
			sscanf(next + 2 * i, "%2hhx", &tag.at[i]);
	}
	op.tag = tag.at;
	op.tag_len = number();
	iv = bytes(0);
	op.iv = iv.at;
	op.iv_len = iv.length;
	printf("%d", call(fd, CIOCAUTHCRYPT, &op));
	print(packet.at, packet.length);
	print(tag.at, op.tag_len);
	print(iv.at, iv.length);
}

static struct crypt_op jobs[JOBS];
static unsigned int job_count;

static void do_async(void)
{
	int fd = file();
	struct crypt_op op = crypt_arguments();
	int result = call(fd, CIOCASYNCCRYPT, &op);

	/* The fetch gives back the pointers: that is how a job is known again. */
	if (!result)
		jobs[job_count++ % JOBS] = op;
	printf("%d", result);
}

static void fetch(int fd)
{
	struct crypt_op op;
	unsigned int job;
	int result;

	memset(&op, 0, sizeof(op));
	result = call(fd, CIOCASYNCFETCH, &op);
	for (job = 0; job < JOBS && jobs[job].src != op.src; job++)
		;
	printf("%d %d", result, op.src && job < JOBS ? (int)job : -1);
	print_crypt(&op);
}

static void do_await(void)
{
	struct pollfd wanted = { .fd = file(), .events = POLLIN };

	if (poll(&wanted, 1, 60000) != 1)
		printf("not in a minute ");
	fetch(wanted.fd);
}

static void do_handover(void)
{
	int fd = file(), status = 0;
	const struct crypt_op *job = &jobs[number() % JOBS];
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	struct crypt_op op;
	pid_t child = fork();

	if (!child) {
		struct pollfd done = { .fd = fd, .events = POLLIN };

		/* The other one is to wait already. */
		usleep(200000);
		poll(&done, 1, 60000);
		_exit(-call(fd, CIOCASYNCFETCH, &op));
	}
	if (poll(&room, 1, 60000) != 1)
		printf("not in a minute ");
	waitpid(child, &status, 0);
	printf("%d %#x", -WEXITSTATUS(status), room.revents);
	print_crypt(job);
}

static void do_poll(bool wait)
{
	struct pollfd state = { .fd = file(), .events = POLLIN };

	if (wait)
		poll(&state, 1, 60000);
	state.events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	poll(&state, 1, 0);
	printf("%#x", state.revents);
}

static void do_info(void)
{
	int fd = file();
	struct session_info_op op;
	int result;

	memset(&op, 0, sizeof(op));
	strcpy(op.cipher_info.cra_name, "untouched");
	strcpy(op.hash_info.cra_name, "untouched");
	op.ses = session();
	result = call(fd, CIOCGSESSINFO, &op);
	printf("%d %s %s %s %s %u %u", result, op.cipher_info.cra_name, op.cipher_info.cra_driver_name,
	       op.hash_info.cra_name, op.hash_info.cra_driver_name, op.alignmask, op.flags);
}

static void do_cphash(void)
{
	int fd = file();
	struct cphash_op op = { .dst_ses = session() };

	op.src_ses = session();
	printf("%d", call(fd, CIOCCPHASH, &op));
}

static void do_ioctl(void)
{
	int fd = file();
	unsigned long request = strtoul(word(), NULL, 0);
	/* As large as any of the API's structs */
	uint32_t argument[128] = { number() };

	printf("%d", call(fd, request, argument));
	printf(" %u", argument[0]);
}

static void do_open(int flags)
{
	long slot = number() % FILES;

	files[slot] = open(device, flags);
	printf("%d", files[slot] < 0 ? -errno : 0);
}

static void do_get(void)
{
	int fd = file(), result;
	uint32_t copy = 0;
	long slot = number() % FILES;

	result = call(fd, CRIOGET, &copy);
	files[slot] = copy;
	printf("%d", result);
}

static void do_free(void)
{
	int fd = file();
	uint32_t id = session();

	printf("%d", call(fd, CIOCFSESSION, &id));
}

static void do_mmap(void)
{
	printf("%d", mmap(NULL, 4096, PROT_READ, MAP_SHARED, file(), 0) == MAP_FAILED ? -errno : 0);
}

static void step(const char *command)
{
	char byte = 0;

	if (!strcmp(command, "open"))
		do_open(O_RDWR);
	else if (!strcmp(command, "become"))
		printf("%d", setuid(number()) ? -errno : 0);
	else if (!strcmp(command, "openro"))
		do_open(O_RDONLY);
	else if (!strcmp(command, "close"))
		printf("%d", close(file()) ? -errno : 0);
	else if (!strcmp(command, "get"))
		do_get();
	else if (!strcmp(command, "session"))
		do_session();
	else if (!strcmp(command, "free"))
		do_free();
	else if (!strcmp(command, "number")) {
		long slot = number() % SESSIONS;

		sessions[slot] = number();
		putchar('0');
	} else if (!strcmp(command, "crypt"))
		do_crypt();
	else if (!strcmp(command, "auth"))
		do_auth();
	else if (!strcmp(command, "rocrypt"))
		do_read_only_crypt();
	else if (!strcmp(command, "srtp"))
		do_srtp(false);
	else if (!strcmp(command, "srtpto"))
		do_srtp(true);
	else if (!strcmp(command, "again"))
		print(last.dst, last.len);
	else if (!strcmp(command, "async"))
		do_async();
	else if (!strcmp(command, "fetch"))
		fetch(file());
	else if (!strcmp(command, "await"))
		do_await();
	else if (!strcmp(command, "handover"))
		do_handover();
	else if (!strcmp(command, "poll"))
		do_poll(false);
	else if (!strcmp(command, "pollin"))
		do_poll(true);
	else if (!strcmp(command, "info"))
		do_info();
	else if (!strcmp(command, "cphash"))
		do_cphash();
	else if (!strcmp(command, "ioctl"))
		do_ioctl();
	else if (!strcmp(command, "read"))
		printf("%d", read(file(), &byte, 1) < 0 ? -errno : 0);
	else if (!strcmp(command, "write"))
		printf("%d", write(file(), &byte, 1) < 0 ? -errno : 0);
	else if (!strcmp(command, "mmap"))
		do_mmap();
	else
		die("unknown step", command);
}

int main(int count, char **arguments)
{
	char *line = NULL;
	size_t size = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (count > 1)
		device = arguments[1];
	while (getline(&line, &size, stdin) > 0) {
		step(strtok(line, " \n"));
		putchar('\n');
	}
	return 0;
}
