// SPDX-License-Identifier: Apache-2.0
/* Uses /dev/crypto from the command line. Works with every device that has the cryptodev API. */
#define _GNU_SOURCE
#include <crypto/cryptodev.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Not in cryptodev.h: virtio-cryptodev has it, other devices do not. */
enum { CHACHA20_POLY1305 = 112 };

struct algorithm {
	const char *name;
	uint32_t number;
	/* Ciphers: IV, block and a key to try with, in bytes */
	uint32_t iv, block, key;
	/* Ciphers that authenticate, by CIOCAUTHCRYPT */
	bool aead;
	/* Hashes and MACs: the digest, in bytes, and whether there is a key */
	uint32_t digest;
	bool keyed;
};

static const struct algorithm ciphers[] = {
	{ "aes-cbc", CRYPTO_AES_CBC, 16, 16, 16 },
	{ "aes-ctr", CRYPTO_AES_CTR, 16, 1, 16 },
	{ "aes-xts", CRYPTO_AES_XTS, 16, 16, 32 },
	{ "aes-ecb", CRYPTO_AES_ECB, 0, 16, 16 },
	{ "aes-cfb", CRYPTO_AES_CFB, 16, 1, 16 },
	{ "aes-ofb", CRYPTO_AES_OFB, 16, 1, 16 },
	{ "aes-gcm", CRYPTO_AES_GCM, 12, 1, 16, .aead = true },
	{ "aes-ccm", CRYPTO_AES_CCM, 16, 1, 16, .aead = true },
	{ "chacha20-poly1305", CHACHA20_POLY1305, 12, 1, 32, .aead = true },
	{ "camellia-cbc", CRYPTO_CAMELLIA_CBC, 16, 16, 16 },
	{ "des-cbc", CRYPTO_DES_CBC, 8, 8, 8 },
	{ "3des-cbc", CRYPTO_3DES_CBC, 8, 8, 24 },
	{ "blowfish-cbc", CRYPTO_BLF_CBC, 8, 8, 16 },
	{ "null", CRYPTO_NULL, 0, 1, 0 },
};

static const struct algorithm digests[] = {
	{ "md5", CRYPTO_MD5, .digest = 16 },
	{ "sha1", CRYPTO_SHA1, .digest = 20 },
	{ "ripemd160", CRYPTO_RIPEMD160, .digest = 20 },
	{ "sha224", CRYPTO_SHA2_224, .digest = 28 },
	{ "sha256", CRYPTO_SHA2_256, .digest = 32 },
	{ "sha384", CRYPTO_SHA2_384, .digest = 48 },
	{ "sha512", CRYPTO_SHA2_512, .digest = 64 },
	{ "hmac-md5", CRYPTO_MD5_HMAC, .digest = 16, .keyed = true },
	{ "hmac-sha1", CRYPTO_SHA1_HMAC, .digest = 20, .keyed = true },
	{ "hmac-ripemd160", CRYPTO_RIPEMD160_HMAC, .digest = 20, .keyed = true },
	{ "hmac-sha224", CRYPTO_SHA2_224_HMAC, .digest = 28, .keyed = true },
	{ "hmac-sha256", CRYPTO_SHA2_256_HMAC, .digest = 32, .keyed = true },
	{ "hmac-sha384", CRYPTO_SHA2_384_HMAC, .digest = 48, .keyed = true },
	{ "hmac-sha512", CRYPTO_SHA2_512_HMAC, .digest = 64, .keyed = true },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Read at once: a multiple of every block */
enum { PIECE = 256 * 1024, MAX_KEY = CRYPTO_HMAC_MAX_KEY_LEN, TAG_ROOM = 64 };

static const char *device = "/dev/crypto";

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list arguments;

	fputs("cryptodev-tool: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static void __attribute__((noreturn)) usage(void)
{
	fputs("usage: cryptodev-tool [-D DEVICE] list\n"
	      "       cryptodev-tool [-D DEVICE] encrypt|decrypt CIPHER KEY [IV] <INPUT >OUTPUT\n"
	      "       cryptodev-tool [-D DEVICE] digest HASH [KEY] <INPUT\n"
	      "       cryptodev-tool [-D DEVICE] speed [-s SECONDS] [-j IN_FLIGHT] [-n] [CIPHER [BYTES...]]\n"
	      "\n"
	      "DEVICE is /dev/crypto unless told. KEY and IV are hexadecimal, or KEY is @FILE, a file with that, for others\n"
	      "can see arguments. Without IV, encryption makes one by chance, which stands before the output, and decryption\n"
	      "takes it from there. Input of block ciphers must have whole blocks: nothing is padded. speed keeps IN_FLIGHT\n"
	      "operations under way (1 unless told); -n has the data copied (COP_FLAG_NO_ZC).\n",
	      stderr);
	exit(2);
}

static int open_device(void)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("%s: %s", device, strerror(errno));
	return fd;
}

static const struct algorithm *find(const struct algorithm *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	fail("%s is not the name of an algorithm; try list", name);
}

static uint32_t from_hex(const char *text, uint8_t *bytes, uint32_t room, const char *what)
{
	size_t length = strlen(text) / 2;
	int end = 0;

	if (strlen(text) % 2 || length > room)
		fail("the %s must be at most %u bytes, hexadecimal", what, room);
	for (size_t i = 0; i < length; i++)
		if (sscanf(text + 2 * i, "%2hhx%n", &bytes[i], &end) != 1 || end != 2)
			fail("the %s is not hexadecimal", what);
	return length;
}

/* Arguments are there for all to see: @FILE has the key in a file. */
static uint32_t key_of(const char *word, uint8_t key[MAX_KEY])
{
	char text[2 * MAX_KEY + 2] = "";
	uint32_t length;
	FILE *file;

	if (word[0] != '@')
		return from_hex(word, key, MAX_KEY, "key");
	file = fopen(word + 1, "re");
	if (!file)
		fail("%s: %s", word + 1, strerror(errno));
	setvbuf(file, NULL, _IONBF, 0);
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	length = from_hex(text, key, MAX_KEY, "key");
	explicit_bzero(text, sizeof(text));
	return length;
}

/* 0, or the errno */
static int begin(int fd, struct session_op *session)
{
	return ioctl(fd, CIOCGSESSION, session) ? errno : 0;
}

static struct session_op session_of(int fd, const struct algorithm *algorithm, uint8_t *key, uint32_t length)
{
	struct session_op session = { 0 };
	int error;

	if (algorithm->digest) {
		session.mac = algorithm->number;
		session.mackey = key;
		session.mackeylen = length;
	} else {
		session.cipher = algorithm->number;
		session.key = key;
		session.keylen = length;
	}
	error = begin(fd, &session);
	if (error)
		fail("%s with a key of %u bytes: %s", algorithm->name, length, strerror(error));
	return session;
}

/* Fills the buffer unless the input ends. */
static uint32_t read_piece(uint8_t *buffer, uint32_t size)
{
	uint32_t length = 0;

	while (length < size) {
		ssize_t got = read(STDIN_FILENO, buffer + length, size - length);

		if (got < 0 && errno != EINTR)
			fail("input: %s", strerror(errno));
		if (got == 0)
			break;
		if (got > 0)
			length += got;
	}
	return length;
}

static void write_all(const uint8_t *buffer, uint32_t length)
{
	while (length > 0) {
		ssize_t put = write(STDOUT_FILENO, buffer, length);

		if (put < 0 && errno != EINTR)
			fail("output: %s", strerror(errno));
		if (put > 0) {
			buffer += put;
			length -= put;
		}
	}
}

static uint8_t *pages(size_t size)
{
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		fail("no memory");
	return memory;
}

/* AEAD ciphers take the message whole: its tag is checked before any of it is given out. */
static void aead(int fd, const struct session_op *session, uint16_t op, uint8_t *iv, uint32_t iv_length)
{
	enum { ROOM = 16 * 1024 * 1024 };
	uint8_t *data = pages(ROOM + 64);
	struct crypt_auth_op operation = {
		.ses = session->ses, .op = op, .src = data, .dst = data, .iv = iv, .iv_len = iv_length,
	};

	operation.len = read_piece(data, ROOM);
	if (operation.len == ROOM)
		fail("a message of more than %d bytes", ROOM - 1);
	if (ioctl(fd, CIOCAUTHCRYPT, &operation))
		fail("%s", errno == EBADMSG ? "the message was changed, or this is not its key" : strerror(errno));
	write_all(data, operation.len);
}

/* Never the same twice, as two messages under one key and IV would give each other away */
static void iv_beside_message(uint16_t op, const struct algorithm *cipher, uint8_t iv[EALG_MAX_BLOCK_LEN])
{
	if (op == COP_DECRYPT) {
		if (read_piece(iv, cipher->iv) < cipher->iv)
			fail("the input is shorter than an IV");
		return;
	}
	if (getrandom(iv, cipher->iv, 0) != (ssize_t)cipher->iv)
		fail("no random numbers: %s", strerror(errno));
	/* The length of CCM's length field, less one */
	if (cipher->number == CRYPTO_AES_CCM)
		iv[0] = 3;
	write_all(iv, cipher->iv);
}

static void crypt_stream(uint16_t op, char **words)
{
	const struct algorithm *cipher = find(ciphers, COUNT(ciphers), words[0]);
	uint8_t key[MAX_KEY], iv[EALG_MAX_BLOCK_LEN] = { 0 };
	uint32_t key_length = words[1] ? key_of(words[1], key) : 0;
	int fd = open_device();
	struct session_op session = session_of(fd, cipher, key, key_length);
	/* Every piece goes on with the IV that the one before has left. */
	struct crypt_op operation = { .ses = session.ses, .op = op, .flags = COP_FLAG_WRITE_IV, .iv = iv };

	explicit_bzero(key, sizeof(key));
	if (cipher->number == CRYPTO_AES_XTS)
		fail("aes-xts is for sectors, not for streams");
	if (!words[1] || !words[2])
		iv_beside_message(op, cipher, iv);
	else if (from_hex(words[2], iv, sizeof(iv), "IV") != cipher->iv)
		fail("the IV of %s has %u bytes", cipher->name, cipher->iv);
	if (cipher->aead) {
		aead(fd, &session, op, iv, cipher->iv);
		return;
	}
	operation.src = pages(PIECE);
	operation.dst = operation.src;
	while ((operation.len = read_piece(operation.src, PIECE)) > 0) {
		if (operation.len % cipher->block)
			fail("the input must be a multiple of %u bytes", cipher->block);
		if (ioctl(fd, CIOCCRYPT, &operation))
			fail("%s: %s", cipher->name, strerror(errno));
		write_all(operation.dst, operation.len);
	}
}

static void digest(char **words)
{
	const struct algorithm *hash = find(digests, COUNT(digests), words[0]);
	uint8_t key[MAX_KEY], result[HASH_MAX_LEN];
	uint32_t key_length = words[1] ? key_of(words[1], key) : 0;
	int fd = open_device();
	struct session_op session = session_of(fd, hash, key, key_length);
	struct crypt_op operation = { .ses = session.ses, .flags = COP_FLAG_UPDATE, .mac = result };

	operation.src = pages(PIECE);
	/* A piece of no length ends it. */
	do {
		operation.len = read_piece(operation.src, PIECE);
		if (ioctl(fd, CIOCCRYPT, &operation))
			fail("%s: %s", hash->name, strerror(errno));
	} while (operation.len > 0);
	for (uint32_t i = 0; i < hash->digest; i++)
		printf("%02x", result[i]);
	putchar('\n');
}

static void list_table(int fd, const struct algorithm *table, size_t count)
{
	for (const struct algorithm *algorithm = table; algorithm < table + count; algorithm++) {
		/* The two halves of an XTS key must differ, and a DES key have no equal thirds. */
		uint8_t key[MAX_KEY];
		struct session_op session = { 0 };
		struct session_info_op info = { 0 };

		for (unsigned int i = 0; i < sizeof(key); i++)
			key[i] = 7 * i + 1;
		session.cipher = algorithm->digest ? 0 : algorithm->number;
		session.mac = algorithm->digest ? algorithm->number : 0;
		session.key = key;
		session.keylen = algorithm->key;
		session.mackey = key;
		session.mackeylen = algorithm->keyed ? 16 : 0;
		if (begin(fd, &session))
			continue;
		info.ses = session.ses;
		if (!ioctl(fd, CIOCGSESSINFO, &info)) {
			const struct alg_info *by = algorithm->digest ? &info.hash_info : &info.cipher_info;

			printf("%-16s %-20s %s\n", algorithm->name, by->cra_name, by->cra_driver_name);
		}
		ioctl(fd, CIOCFSESSION, &session.ses);
	}
}

static void list(void)
{
	int fd = open_device();

	list_table(fd, ciphers, COUNT(ciphers));
	list_table(fd, digests, COUNT(digests));
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Operations in this time, one after the other */
static uint64_t run_one(int fd, struct crypt_op *operation, double seconds)
{
	double end = seconds_now() + seconds;
	uint64_t count = 0;

	do {
		if (ioctl(fd, CIOCCRYPT, operation))
			fail("CIOCCRYPT: %s", strerror(errno));
		count++;
	} while (seconds_now() < end);
	return count;
}

/* The same for AEAD ciphers: the data are of no use, as all have one nonce. */
static uint64_t run_aead(int fd, const struct crypt_op *operation, uint32_t iv_length, double seconds)
{
	double end = seconds_now() + seconds;
	uint64_t count = 0;

	do {
		struct crypt_auth_op auth = {
			.ses = operation->ses, .flags = operation->flags, .len = operation->len,
			.src = operation->src, .dst = operation->dst, .iv = operation->iv, .iv_len = iv_length,
		};

		if (ioctl(fd, CIOCAUTHCRYPT, &auth))
			fail("CIOCAUTHCRYPT: %s", strerror(errno));
		count++;
	} while (seconds_now() < end);
	return count;
}

/* The same with several under way */
static uint64_t run_many(int fd, struct crypt_op *operation, unsigned int in_flight, double seconds)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	double end = seconds_now() + seconds;
	uint64_t submitted = 0, fetched = 0;
	struct crypt_op done;

	for (;;) {
		while (submitted - fetched < in_flight && seconds_now() < end) {
			if (ioctl(fd, CIOCASYNCCRYPT, operation))
				fail("CIOCASYNCCRYPT: %s", strerror(errno));
			submitted++;
		}
		if (submitted == fetched)
			return fetched;
		poll(&ready, 1, -1);
		while (!ioctl(fd, CIOCASYNCFETCH, &done))
			fetched++;
		if (errno != EBUSY)
			fail("CIOCASYNCFETCH: %s", strerror(errno));
	}
}

static void speed_of(int fd, const struct algorithm *cipher, uint32_t length, unsigned int in_flight, uint16_t flags,
		     double seconds)
{
	uint8_t key[64], iv[EALG_MAX_BLOCK_LEN] = { 0 };
	struct session_op session;
	struct crypt_op operation = { .len = length, .flags = flags, .iv = cipher->iv ? iv : NULL };
	uint64_t count;
	double start;

	for (unsigned int i = 0; i < sizeof(key); i++)
		key[i] = 7 * i + 1;
	session = session_of(fd, cipher, key, cipher->key);
	operation.ses = session.ses;
	operation.src = pages(length + TAG_ROOM);
	operation.dst = operation.src;
	/* The length of CCM's length field, less one */
	if (cipher->number == CRYPTO_AES_CCM)
		iv[0] = 3;
	start = seconds_now();
	if (cipher->aead)
		count = run_aead(fd, &operation, cipher->iv, seconds);
	else if (in_flight > 1)
		count = run_many(fd, &operation, in_flight, seconds);
	else
		count = run_one(fd, &operation, seconds);
	seconds = seconds_now() - start;
	printf("%-17s %8u bytes %3u in flight %10.0f op/s %9.2f MB/s\n", cipher->name, length, in_flight,
	       count / seconds, count / seconds * length / 1e6);
	fflush(stdout);
	munmap(operation.src, length + TAG_ROOM);
	ioctl(fd, CIOCFSESSION, &session.ses);
}

static void speed(int count, char **words)
{
	static const uint32_t lengths[] = { 16, 256, 1024, 4096, 16384, 65536, 262144, 1048576 };
	const struct algorithm *cipher = &ciphers[0];
	unsigned int in_flight = 1;
	uint16_t flags = 0;
	double seconds = 1;
	int option, fd;

	optind = 1;
	while ((option = getopt(count, words, "s:j:n")) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 'j')
			in_flight = atoi(optarg);
		else if (option == 'n')
			flags = COP_FLAG_NO_ZC;
		else
			usage();
	}
	if (in_flight < 1 || in_flight > 64 || (in_flight > 1 && flags))
		fail("between 1 and 64 operations can be in flight; more than one not with -n");
	fd = open_device();
	if (optind < count)
		cipher = find(ciphers, COUNT(ciphers), words[optind]);
	if (cipher->aead && in_flight > 1)
		fail("%s has no asynchronous operations", cipher->name);
	for (int i = optind + 1; i < count; i++)
		speed_of(fd, cipher, atoi(words[i]), in_flight, flags, seconds);
	if (optind + 1 < count)
		return;
	for (size_t i = 0; i < COUNT(lengths); i++)
		speed_of(fd, cipher, lengths[i], in_flight, flags, seconds);
}

int main(int count, char **words)
{
	int first = 1;

	if (count > 2 && !strcmp(words[1], "-D")) {
		device = words[2];
		first = 3;
	}
	if (count <= first)
		usage();
	if (!strcmp(words[first], "list"))
		list();
	else if (!strcmp(words[first], "encrypt") && count > first + 1)
		crypt_stream(COP_ENCRYPT, words + first + 1);
	else if (!strcmp(words[first], "decrypt") && count > first + 1)
		crypt_stream(COP_DECRYPT, words + first + 1);
	else if (!strcmp(words[first], "digest") && count > first + 1)
		digest(words + first + 1);
	else if (!strcmp(words[first], "speed"))
		speed(count - first, words + first);
	else
		usage();
	return 0;
}
