/* A terminal as the test sees it: the host kernel's (host_) and ours (model_), driven alike. */
#ifndef ORACLE_H
#define ORACLE_H

#include <stddef.h>

struct settings {
	unsigned input, output, local;    /* flags of termios */
	unsigned char characters[19];
};
struct oracle {
	void (*open)(void);
	void (*close)(void);
	void (*settings)(const struct settings *);
	void (*type)(const unsigned char *, size_t);             /* what the user types */
	size_t (*shown)(unsigned char *, size_t);                /* what the terminal showed since */
	long (*read)(unsigned char *, size_t);                   /* without waiting; -1: nothing there */
	void (*write)(const unsigned char *, size_t);            /* what the program prints */
	int (*readable)(void);                                   /* poll: bit 0 */
};
extern unsigned host_patience;   /* how long the host's queues are given to settle, 1 and up */
extern const struct oracle host_oracle, model_oracle;

#endif
