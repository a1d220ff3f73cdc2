/*
 * Assembly: opens and closes access to user pages (SMAP). Each place is noted in .user_access, so that start.c can take the instruction
 * out on processors which lack it.
 */
#ifndef X86_64_USER_ACCESS_H
#define X86_64_USER_ACCESS_H

.macro USER_ACCESS_NOTE
	.pushsection .user_access, "a"
	.long 900b - .
	.popsection
.endm
.macro USER_ACCESS_OPEN
900:	stac
	USER_ACCESS_NOTE
.endm
.macro USER_ACCESS_CLOSE
900:	clac
	USER_ACCESS_NOTE
.endm

#endif
