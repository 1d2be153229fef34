// SPDX-License-Identifier: Apache-2.0
/*
 * Does by ioctl on /dev/crypto what it is told on standard input, a line for each step, and answers each with a line.
 * Written to cryptodev.h alone. Files and sessions are called by numbers of the script's own:
 *
 *   open F                                    0 or -errno
 *   openro F                                  the same, read-only
 *   close F
 *   get F G                                   CRIOGET: G is another descriptor of F
 *   session F S CIPHER MAC KEY MACKEY         CIOCGSESSION
 *   free F S                                  CIOCFSESSION
 *   number S N                                makes S the session number N, without asking the device
 *   crypt F S OP FLAGS SRC DST MAC IV         CIOCCRYPT: "RESULT DST MAC IV"
 *   auth F S OP FLAGS SRC DST AUTH TAGLEN IV  CIOCAUTHCRYPT of AEAD or TLS type: "RESULT LEN TAGLEN TAG-DST DST IV"
 *   srtp F S OP FLAGS POS LEN PACKET TAG TAGLEN IV   of SRTP type: "RESULT PACKET TAG IV"
 *   async F S OP FLAGS SRC DST MAC IV         CIOCASYNCCRYPT
 *   fetch F                                   CIOCASYNCFETCH: "RESULT JOB DST MAC IV"
 *   await F                                   poll until there is something to fetch, then fetch
 *   poll F                                    revents
 *   info F S                                  CIOCGSESSINFO: "RESULT CIPHER DRIVER HASH DRIVER ALIGNMASK FLAGS"
 *   cphash F TO FROM                          CIOCCPHASH
 *   ioctl F NUMBER VALUE                      any ioctl, with a pointer to a word: "RESULT WORD"
 *   read F, write F, mmap F
 *
 * Bytes are hexadecimal, "-" for none; "rand:SEED:LENGTH" for many; "null" and "bad" for pointers that lead nowhere.
 * DST is "same", "new", "null", "bad" or "ro"; MAC and TAG are "room", "null", "bad", a TAG may be bytes. Memory for
 * results is full of 0xaa first. Bytes of answers are hexadecimal, or, if there are many, "fnv:" and their hash.
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
#include <unistd.h>

enum { FILES = 16, SESSIONS = 4096, JOBS = 256, ROOM = 512, LONG = 4096 };

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

/* Memory with `room` bytes behind the data for what is longer than they, full of 0xaa */
static struct bytes bytes(size_t room)
{
	char *text = word();
	struct bytes result = { NULL, 0 };
	uint32_t seed;

	if (!strcmp(text, "null"))
		return result;
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

static struct crypt_op crypt_arguments(void)
{
	struct crypt_op op = { .ses = session(), .op = number(), .flags = number() };
	struct bytes source = bytes(0);

	op.len = source.length;
	op.src = source.at;
	op.dst = destination(source, source.length);
	op.mac = target(HASH_MAX_LEN);
	op.iv = bytes(0).at;
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

static void do_srtp(void)
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
	op.dst = op.src;
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

static const uint8_t *jobs[JOBS];
static unsigned int job_count;

static void do_async(void)
{
	int fd = file();
	struct crypt_op op = crypt_arguments();
	int result = call(fd, CIOCASYNCCRYPT, &op);

	/* The fetch gives back the pointers: that is how a job is known again. */
	if (!result)
		jobs[job_count++ % JOBS] = op.src;
	printf("%d", result);
}

static void fetch(int fd)
{
	struct crypt_op op;
	unsigned int job;
	int result;

	memset(&op, 0, sizeof(op));
	result = call(fd, CIOCASYNCFETCH, &op);
	for (job = 0; job < JOBS && jobs[job] != op.src; job++)
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

static void do_poll(void)
{
	struct pollfd state = { .fd = file(), .events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM };

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
	else if (!strcmp(command, "srtp"))
		do_srtp();
	else if (!strcmp(command, "async"))
		do_async();
	else if (!strcmp(command, "fetch"))
		fetch(file());
	else if (!strcmp(command, "await"))
		do_await();
	else if (!strcmp(command, "poll"))
		do_poll();
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
