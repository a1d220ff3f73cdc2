/* The memory service's frames. */
#ifndef FRAMES_H
#define FRAMES_H

#include <runtime.h>

frame_t frame_take(void); /* zeroed, for good; FRAME_NONE: there are no more */

#endif
