/* Words of the command line that are meant for the core: they stand before the first program's arguments. */
#ifndef CORE_OPTION_H
#define CORE_OPTION_H

#include <tessera/types.h>

/* Whether this word was given. The core looks at "quiet" (the log stays off the console) and "audit" (frames are recounted at the end). */
bool option_given(const char *word);

#endif
