/* The secret: what an eavesdropper would find. */
#ifndef SECRET_H
#define SECRET_H

#include <tessera/types.h>

#define SECRET 0x5ec2e75ec2e70000ull

void secret_spin(void); /* some ten thousand instructions with the secret in every register */

#endif
