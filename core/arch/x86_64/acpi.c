/*
 * ACPI tables (ACPI specification 6.4, 5.2): the root pointer, MADT for processors and interrupt controllers, FADT for timer, power and
 * reset, and the _S5_ package of the DSDT by a search for its name, as there is no interpreter here.
 */
#include "acpi.h"
#include "log.h"
#include "startup.h"

#define RSDP_SEARCH_START 0xe0000
#define RSDP_SEARCH_END 0x100000
#define TABLE_SIZE_MAX 0x100000
#define SLEEP_PACKAGE_MIN 11     /* name, package, two elements */
#define SPACE_MEMORY 0
#define SPACE_IO 1

enum acpi_entry_type {
	ACPI_PROCESSOR = 0, ACPI_CONTROLLER = 1, ACPI_OVERRIDE = 2, ACPI_LOCAL_ADDRESS = 5, ACPI_PROCESSOR_X2 = 9,
};

/* Offsets in the root pointer, in every table, in the MADT, in the FADT. */
#define POINTER_REVISION 15
#define POINTER_ROOT32 16
#define POINTER_SIZE_OLD 20
#define POINTER_ROOT64 24
#define POINTER_SIZE 36
#define TABLE_LENGTH 4
#define TABLE_HEADER 36
#define MADT_LOCAL_ADDRESS 36
#define MADT_ENTRIES 44
#define FADT_DSDT 40
#define FADT_CONTROL_A 64
#define FADT_CONTROL_B 68
#define FADT_TIMER 76
#define FADT_RESET 116
#define FADT_RESET_VALUE 128
#define FADT_DSDT64 140
#define FADT_SLEEP_CONTROL 244
#define ADDRESS_SIZE 12          /* of a register: space, bits, offset, access, 64 bits of address */

struct acpi_facts acpi;

static u32 read32(const u8 *p) { u32 v; __builtin_memcpy(&v, p, 4); return v; }
static u64 read64(const u8 *p) { u64 v; __builtin_memcpy(&v, p, 8); return v; }

static bool sums_to_zero(const u8 *p, size_t size)
{
	u8 sum = 0;

	while (size--)
		sum += *p++;
	return sum == 0;
}

static u32 length_of(const u8 *table) { return read32(table + TABLE_LENGTH); }

static const u8 *table_open(paddr_t address)
{
	const u8 *t = address ? map_firmware(address, TABLE_HEADER) : NULL;

	if (!t || length_of(t) < TABLE_HEADER || length_of(t) > TABLE_SIZE_MAX)
		return NULL;
	return map_firmware(address, length_of(t));
}

static const u8 *pointer_find(void)
{
	if (start_rsdp)
		return map_firmware(start_rsdp, POINTER_SIZE);
	const u8 *area = map_firmware(RSDP_SEARCH_START, RSDP_SEARCH_END - RSDP_SEARCH_START);
	for (u32 at = 0; at + POINTER_SIZE <= RSDP_SEARCH_END - RSDP_SEARCH_START; at += 16)
		if (!__builtin_memcmp(area + at, "RSD PTR ", 8) && sums_to_zero(area + at, POINTER_SIZE_OLD))
			return area + at;
	return NULL;
}

static void processor_found(u32 apic_id, u32 flags)
{
	if (flags & 1 && acpi.processor_count < CPUS_MAX)
		acpi.processors[acpi.processor_count++] = apic_id;
}

static void override_found(const u8 *e)
{
	u32 flags = e[8]; /* polarity, trigger mode */

	if (e[2] != 0 || acpi.override_count == ACPI_OVERRIDES_MAX)
		return;
	acpi.overrides[acpi.override_count++] = (struct acpi_override){
		.line = e[3], .input = read32(e + 4), .low = (flags & 3) == 3, .level = (flags >> 2 & 3) == 3,
	};
}

static void madt_entry(const u8 *e)
{
	static const u8 sizes[] = { [ACPI_PROCESSOR] = 8, [ACPI_CONTROLLER] = 12, [ACPI_OVERRIDE] = 10, [ACPI_LOCAL_ADDRESS] = 12,
		[ACPI_PROCESSOR_X2] = 16 };

	if (e[0] >= sizeof(sizes) || e[1] < sizes[e[0]])
		return;
	switch (e[0]) {
	case ACPI_PROCESSOR:
		processor_found(e[3], read32(e + 4));
		break;
	case ACPI_PROCESSOR_X2:
		processor_found(read32(e + 4), read32(e + 8));
		break;
	case ACPI_CONTROLLER:
		if (acpi.controller_count < ACPI_CONTROLLERS_MAX)
			acpi.controllers[acpi.controller_count++] = (struct acpi_controller){ read32(e + 4), read32(e + 8) };
		break;
	case ACPI_OVERRIDE:
		override_found(e);
		break;
	case ACPI_LOCAL_ADDRESS:
		if (read64(e + 4) < DEVICES_SIZE)
			acpi.local_apic = (u32)read64(e + 4);
	}
}

static void madt_read(const u8 *t)
{
	u32 length = length_of(t);

	if (length < MADT_ENTRIES)
		return;
	acpi.local_apic = read32(t + MADT_LOCAL_ADDRESS);
	for (u32 at = MADT_ENTRIES; at + 2 <= length && t[at + 1] >= 2 && at + t[at + 1] <= length; at += t[at + 1])
		madt_entry(t + at);
}

/* A small integer of AML: ZeroOp, OneOp, BytePrefix, or nothing that S5 would hold. */
static bool aml_byte(const u8 **p, u8 *value)
{
	const u8 op = *(*p)++;

	if (op > 1 && op != 0x0a)
		return false;
	*value = op == 0x0a ? *(*p)++ : op;
	return true;
}

/* Name (_S5_, Package (n) { type a, type b, ... }): NameOp "_S5_" PackageOp length count elements. */
static void sleep_find(const u8 *dsdt)
{
	const u8 *end = dsdt + length_of(dsdt);

	for (const u8 *p = dsdt + TABLE_HEADER; p + SLEEP_PACKAGE_MIN <= end; p++) {
		if (__builtin_memcmp(p, "_S5_\x12", 5))
			continue;
		const u8 *at = p + 5;
		at += (*at >> 6) + 1 + 1; /* package length, element count */
		if (at + 4 <= end && aml_byte(&at, &acpi.sleep_a) && aml_byte(&at, &acpi.sleep_b))
			acpi.sleep_known = true;
		return;
	}
}

/* A register of one byte, in memory or, if `port` is given, at a port. */
static volatile u8 *register_find(const u8 *p, u16 *port)
{
	u64 address = read64(p + 4);

	if (port && p[0] == SPACE_IO && address < 0x10000)
		*port = (u16)address;
	return p[0] == SPACE_MEMORY && address ? map_device(address, 1) : NULL;
}

static void fadt_read(const u8 *t)
{
	u32 length = length_of(t);

	if (length < FADT_TIMER + 4)
		return;
	acpi.control_a = (u16)read32(t + FADT_CONTROL_A);
	acpi.control_b = (u16)read32(t + FADT_CONTROL_B);
	acpi.timer_port = (u16)read32(t + FADT_TIMER);
	if (length > FADT_RESET_VALUE) {
		acpi.reset_register = register_find(t + FADT_RESET, &acpi.reset_port);
		acpi.reset_value = t[FADT_RESET_VALUE];
	}
	if (length >= FADT_SLEEP_CONTROL + ADDRESS_SIZE)
		acpi.sleep_register = register_find(t + FADT_SLEEP_CONTROL, NULL);
	u64 address = read32(t + FADT_DSDT);
	if (!address && length >= FADT_DSDT64 + 8)
		address = read64(t + FADT_DSDT64);
	const u8 *dsdt = table_open(address);
	if (dsdt)
		sleep_find(dsdt);
}

static void root_read(const u8 *root, u32 width)
{
	for (u32 at = TABLE_HEADER; at + width <= length_of(root); at += width) {
		const u8 *t = table_open(width == 8 ? read64(root + at) : read32(root + at));
		if (!t || !sums_to_zero(t, length_of(t)))
			continue;
		if (!__builtin_memcmp(t, "APIC", 4))
			madt_read(t);
		else if (!__builtin_memcmp(t, "FACP", 4))
			fadt_read(t);
	}
}

void acpi_init(void)
{
	const u8 *p = pointer_find(), *root = NULL;

	acpi.local_apic = 0xfee00000;
	if (p && p[POINTER_REVISION] >= 2)
		root = table_open(read64(p + POINTER_ROOT64));
	if (root)
		root_read(root, 8);
	else if (p && (root = table_open(read32(p + POINTER_ROOT32))) != NULL)
		root_read(root, 4);
	if (!root)
		core_log("acpi: no tables; one processor, no power-off");
	if (!acpi.controller_count)
		acpi.controllers[acpi.controller_count++] = (struct acpi_controller){ 0xfec00000, 0 };
}
