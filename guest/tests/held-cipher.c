/*
 * Holds a session of the kernel's cipher DRIVER with a 128-bit key of ones (AF_ALG: Linux,
 * Documentation/crypto/userspace-if.rst). For each line of input it decrypts a block of zeros with an
 * IV of zeros, which are AF_ALG's defaults, and prints it in hexadecimal, or why it cannot.
 */
#include <errno.h>
#include <linux/if_alg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 16 };

static int open_cipher(const char *driver)
{
	struct sockaddr_alg address = { .salg_family = AF_ALG, .salg_type = "skcipher" };
	int transform = socket(AF_ALG, SOCK_SEQPACKET, 0);
	unsigned char key[16];

	memset(key, 1, sizeof(key));
	snprintf((char *)address.salg_name, sizeof(address.salg_name), "%s", driver);
	if (transform < 0 || bind(transform, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(transform, SOL_ALG, ALG_SET_KEY, key, sizeof(key)) < 0)
		return -1;
	return accept(transform, NULL, NULL);
}

static void decrypt(int operation)
{
	unsigned char block[BLOCK] = { 0 };
	int i;

	if (write(operation, block, BLOCK) != BLOCK || read(operation, block, BLOCK) != BLOCK) {
		printf("%s\n", strerror(errno));
		return;
	}
	for (i = 0; i < BLOCK; i++)
		printf("%02x", block[i]);
	printf("\n");
}

int main(int count, char **arguments)
{
	int operation = count == 2 ? open_cipher(arguments[1]) : -1;
	int c;

	if (operation < 0) {
		perror("held-cipher");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getchar()) != EOF)
		if (c == '\n')
			decrypt(operation);
	return 0;
}
