/*
 * A TLS server as web servers are: the parent loads OpenSSL's engine ENGINE and listens on PORT of the loopback
 * interface, then forks WORKERS processes that serve one connection after the other. They share the one file of
 * /dev/crypto that the engine has opened. A client says how many bytes follow, in a line, and gets those back.
 *
 * OpenSSL's engine lets no process use what another has begun: a key that is set anew frees the session in the shared
 * file, also for the processes that were forked with it, on whatever /dev/crypto. The one such key that OpenSSL has at
 * the time is its random number generator's, so that this is set up first, by software.
 *
 *   tls-workers ENGINE PORT WORKERS CERTIFICATE KEY
 */
#include <arpa/inet.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 64, MOST = 1 << 20 };

static void fail(const char *what)
{
	fprintf(stderr, "tls-workers: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void use_engine(const char *name)
{
	unsigned char random[16];
	ENGINE *engine;

	if (RAND_bytes(random, sizeof(random)) != 1 || RAND_priv_bytes(random, sizeof(random)) != 1)
		fail("no random numbers");
	ENGINE_load_builtin_engines();
	engine = ENGINE_by_id(name);
	if (!engine || !ENGINE_init(engine) || !ENGINE_set_default(engine, ENGINE_METHOD_ALL))
		fail("no such engine");
}

static SSL_CTX *tls_context(const char *certificate, const char *key)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context || SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		fail("no certificate");
	return context;
}

static int listen_on(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, BACKLOG))
		fail("cannot listen");
	return listener;
}

/* The number that the first line says, or -1. Byte by byte, as what follows is not to be read yet. */
static long read_size(SSL *tls)
{
	char line[16], *end;
	size_t length;
	long size;

	for (length = 0; length < sizeof(line) - 1; length++) {
		if (SSL_read(tls, line + length, 1) != 1)
			return -1;
		if (line[length] == '\n')
			break;
	}
	line[length] = '\0';
	size = strtol(line, &end, 10);
	return end == line || *end || size < 0 || size > MOST ? -1 : size;
}

static int echo(SSL *tls, unsigned char *buffer)
{
	long size, have = 0;
	int n;

	if (SSL_accept(tls) != 1)
		return 0;
	size = read_size(tls);
	while (have < size) {
		n = SSL_read(tls, buffer + have, (int)(size - have));
		if (n <= 0)
			return 0;
		have += n;
	}
	return size > 0 && SSL_write(tls, buffer, (int)size) == size;
}

static void work(SSL_CTX *context, int listener)
{
	unsigned char *buffer = malloc(MOST);

	while (buffer) {
		int connection = accept(listener, NULL, NULL);
		SSL *tls = SSL_new(context);

		if (connection < 0 || !tls || SSL_set_fd(tls, connection) != 1)
			fail("no connection");
		if (!echo(tls, buffer))
			ERR_print_errors_fp(stderr);
		SSL_shutdown(tls);
		SSL_free(tls);
		close(connection);
	}
	fail("no memory");
}

int main(int count, char **arguments)
{
	SSL_CTX *context;
	int listener, workers;

	if (count != 6)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	use_engine(arguments[1]);
	context = tls_context(arguments[4], arguments[5]);
	listener = listen_on(atoi(arguments[2]));
	for (workers = atoi(arguments[3]); workers > 0; workers--)
		if (fork() == 0)
			work(context, listener);
	printf("listening\n");
	fflush(stdout);
	while (wait(NULL) > 0)
		;
	return 0;
}
