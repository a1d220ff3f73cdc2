/* The attacks of a hostile holder of rights, by number and name: X(identifier, name) */
#ifndef USURPATION_H
#define USURPATION_H

#define USURPATIONS(X) \
	X(thread_frames, "a thread of two frames, and of frames that are not its maker's") \
	X(foreign_frames, "frames of others mapped, given, made objects and tables") \
	X(kernel_addresses, "mappings above an application's address space") \
	X(registers, "privileged registers for an application") \
	X(vector_state, "vector state that the processor refuses, and memory that is no program's") \
	X(heaps, "pages in the middle of nowhere of others' heaps") \
	X(fields, "fields of objects with every value") \
	X(client_limits, "copies and waits beyond the client's memory") \
	X(declared, "the client's memory beside declared ranges") \
	X(memory_online, "memory that is on line already") \
	X(region_table, "a region table scribbled over while it is used") \
	X(pool, "a frame pool scribbled over while it is used") \
	X(both, "region table and pool scribbled over at once") \
	X(registers_race, "registers set while their thread runs") \
	X(random, "random requests with all rights")

enum usurpation {
#define X(identifier, name) USURPATION_##identifier,
	USURPATIONS(X)
#undef X
	USURPATION_COUNT
};

#endif
