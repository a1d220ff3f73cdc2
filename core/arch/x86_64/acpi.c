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

struct __attribute__((packed)) acpi_pointer {
	char signature[8];
	u8 checksum;
	char maker[6];
	u8 revision;
	u32 table32;
	u32 length;
	u64 table64;
};
struct __attribute__((packed)) acpi_table {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char maker[6], model[8];
	u32 model_revision, creator, creator_revision;
};
struct __attribute__((packed)) acpi_madt { struct acpi_table header; u32 local_apic, flags; };
struct __attribute__((packed)) acpi_address { u8 space, bits, offset, access; u64 address; };
enum acpi_entry_type {
	ACPI_PROCESSOR = 0, ACPI_CONTROLLER = 1, ACPI_OVERRIDE = 2, ACPI_LOCAL_ADDRESS = 5, ACPI_PROCESSOR_X2 = 9,
};

/* Offsets in the FADT. */
#define FADT_DSDT 40
#define FADT_CONTROL_A 64
#define FADT_CONTROL_B 68
#define FADT_TIMER 76
#define FADT_RESET 116
#define FADT_RESET_VALUE 128
#define FADT_DSDT64 140
#define FADT_SLEEP_CONTROL 244

struct acpi_facts acpi;

static u32 read32(const u8 *p) { u32 v; __builtin_memcpy(&v, p, 4); return v; }
static u64 read64(const u8 *p) { u64 v; __builtin_memcpy(&v, p, 8); return v; }
static u16 read16(const u8 *p) { u16 v; __builtin_memcpy(&v, p, 2); return v; }

static bool sums_to_zero(const u8 *p, size_t size)
{
	u8 sum = 0;

	while (size--)
		sum += *p++;
	return sum == 0;
}

static const struct acpi_table *table_open(paddr_t address)
{
	const struct acpi_table *t = address ? map_firmware(address, sizeof(*t)) : NULL;

	if (!t || t->length < sizeof(*t) || t->length > TABLE_SIZE_MAX)
		return NULL;
	return map_firmware(address, t->length);
}

static const struct acpi_pointer *pointer_find(void)
{
	const struct acpi_pointer *p;

	if (start_rsdp)
		return map_firmware(start_rsdp, sizeof(*p));
	const u8 *area = map_firmware(RSDP_SEARCH_START, RSDP_SEARCH_END - RSDP_SEARCH_START);
	for (u32 at = 0; at + sizeof(*p) <= RSDP_SEARCH_END - RSDP_SEARCH_START; at += 16)
		if (!__builtin_memcmp(area + at, "RSD PTR ", 8) && sums_to_zero(area + at, 20))
			return (const struct acpi_pointer *)(area + at);
	return NULL;
}

static void processor_found(u32 apic_id, u32 flags)
{
	if (flags & 1 && acpi.processor_count < CPUS_MAX)
		acpi.processors[acpi.processor_count++] = apic_id;
}

static void override_found(const u8 *e)
{
	u16 flags = read16(e + 8);

	if (e[2] != 0 || acpi.override_count == ACPI_OVERRIDES_MAX)
		return;
	acpi.overrides[acpi.override_count++] = (struct acpi_override){
		.line = e[3], .input = read32(e + 4), .low = (flags & 3) == 3, .level = (flags >> 2 & 3) == 3,
	};
}

static void madt_entry(const u8 *e)
{
	switch (e[0]) {
	case ACPI_PROCESSOR:
		if (e[1] >= 8)
			processor_found(e[3], read32(e + 4));
		break;
	case ACPI_PROCESSOR_X2:
		if (e[1] >= 16)
			processor_found(read32(e + 4), read32(e + 8));
		break;
	case ACPI_CONTROLLER:
		if (e[1] >= 12 && acpi.controller_count < ACPI_CONTROLLERS_MAX)
			acpi.controllers[acpi.controller_count++] = (struct acpi_controller){ read32(e + 4), read32(e + 8) };
		break;
	case ACPI_OVERRIDE:
		if (e[1] >= 10)
			override_found(e);
		break;
	case ACPI_LOCAL_ADDRESS:
		if (e[1] >= 12 && read64(e + 4) < DEVICES_SIZE)
			acpi.local_apic = (u32)read64(e + 4);
		break;
	}
}

static void madt_read(const struct acpi_table *t)
{
	const struct acpi_madt *madt = (const struct acpi_madt *)t;
	const u8 *base = (const u8 *)t;

	if (t->length < sizeof(*madt))
		return;
	acpi.local_apic = madt->local_apic;
	for (u32 at = sizeof(*madt); at + 2 <= t->length && base[at + 1] >= 2 && at + base[at + 1] <= t->length; at += base[at + 1])
		madt_entry(base + at);
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
static void sleep_find(const struct acpi_table *dsdt)
{
	const u8 *start = (const u8 *)dsdt, *end = start + dsdt->length;

	for (const u8 *p = start + sizeof(*dsdt); p + SLEEP_PACKAGE_MIN <= end; p++) {
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
	struct acpi_address a;

	__builtin_memcpy(&a, p, sizeof(a));
	if (port && a.space == SPACE_IO && a.address < 0x10000)
		*port = (u16)a.address;
	return a.space == SPACE_MEMORY && a.address ? map_device(a.address, 1) : NULL;
}

static void fadt_read(const struct acpi_table *t)
{
	const u8 *base = (const u8 *)t;

	if (t->length < FADT_TIMER + 4)
		return;
	acpi.control_a = (u16)read32(base + FADT_CONTROL_A);
	acpi.control_b = (u16)read32(base + FADT_CONTROL_B);
	acpi.timer_port = (u16)read32(base + FADT_TIMER);
	if (t->length > FADT_RESET_VALUE) {
		acpi.reset_register = register_find(base + FADT_RESET, &acpi.reset_port);
		acpi.reset_value = base[FADT_RESET_VALUE];
	}
	if (t->length >= FADT_SLEEP_CONTROL + sizeof(struct acpi_address))
		acpi.sleep_register = register_find(base + FADT_SLEEP_CONTROL, NULL);
	u64 address = read32(base + FADT_DSDT);
	if (!address && t->length >= FADT_DSDT64 + 8)
		address = read64(base + FADT_DSDT64);
	const struct acpi_table *dsdt = table_open(address);
	if (dsdt)
		sleep_find(dsdt);
}

static void root_read(const struct acpi_table *root, u32 width)
{
	const u8 *base = (const u8 *)root;

	for (u32 at = sizeof(*root); at + width <= root->length; at += width) {
		const struct acpi_table *t = table_open(width == 8 ? read64(base + at) : read32(base + at));
		if (!t || !sums_to_zero((const u8 *)t, t->length))
			continue;
		if (!__builtin_memcmp(t->signature, "APIC", 4))
			madt_read(t);
		else if (!__builtin_memcmp(t->signature, "FACP", 4))
			fadt_read(t);
	}
}

void acpi_init(void)
{
	const struct acpi_pointer *p = pointer_find();
	const struct acpi_table *root = NULL;

	acpi.local_apic = 0xfee00000;
	if (p && p->revision >= 2)
		root = table_open(p->table64);
	if (root)
		root_read(root, 8);
	else if (p && (root = table_open(p->table32)) != NULL)
		root_read(root, 4);
	if (!root)
		core_log("acpi: no tables; one processor, no power-off");
	if (!acpi.controller_count)
		acpi.controllers[acpi.controller_count++] = (struct acpi_controller){ 0xfec00000, 0 };
}
