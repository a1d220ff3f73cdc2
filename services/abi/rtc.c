/* The machine's real-time clock: an MC146818 at ports 0x70 and 0x71, which holds UTC. */
#include "clock.h"

enum rtc_register {
	RTC_SECONDS = 0, RTC_MINUTES = 2, RTC_HOURS = 4, RTC_DAY = 7, RTC_MONTH = 8, RTC_YEAR = 9, RTC_STATUS_A = 10, RTC_STATUS_B = 11,
};
#define RTC_UPDATING 0x80
#define RTC_BINARY 0x04
#define RTC_24_HOURS 0x02
#define RTC_AFTERNOON 0x80
#define RTC_TRIES 100000u

struct rtc_time { u32 second, minute, hour, day, month, year; };

static vaddr_t rtc_ports(void)
{
	for (u32 i = 0; i < rt_boot->token_count; i++)
		if (rt_boot->tokens[i].type == TK_OBJECT_PORTS && rt_boot->tokens[i].data == 0x70)
			return rt_boot->tokens[i].token;
	return 0;
}

static u32 rtc_register(vaddr_t ports, u32 index)
{
	long value;

	if (tk_port_write(ports, 0, 1, index) < 0)
		return 0;
	value = tk_port_read(ports, 1, 1);
	return value < 0 ? 0 : (u32)value;
}

static u32 rtc_number(u32 value, u32 status)
{
	return status & RTC_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

/* Reads all fields when no update is on its way; false when the clock does not answer. */
static bool rtc_sample(vaddr_t ports, struct rtc_time *time)
{
	u32 status = rtc_register(ports, RTC_STATUS_B), hour;

	for (u32 tries = 0; rtc_register(ports, RTC_STATUS_A) & RTC_UPDATING; tries++)
		if (tries == RTC_TRIES)
			return false;
	time->second = rtc_number(rtc_register(ports, RTC_SECONDS), status);
	time->minute = rtc_number(rtc_register(ports, RTC_MINUTES), status);
	hour = rtc_register(ports, RTC_HOURS);
	time->hour = rtc_number(hour & ~(u32)RTC_AFTERNOON, status);
	if (!(status & RTC_24_HOURS))
		time->hour = time->hour % 12 + (hour & RTC_AFTERNOON ? 12 : 0);
	time->day = rtc_number(rtc_register(ports, RTC_DAY), status);
	time->month = rtc_number(rtc_register(ports, RTC_MONTH), status);
	time->year = rtc_number(rtc_register(ports, RTC_YEAR), status) + 2000;
	return true;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar (months counted from March, so that the leap day is a year's last). */
static i64 days_since_1970(u32 year, u32 month, u32 day)
{
	u32 y = month <= 2 ? year - 1 : year;
	u32 era = y / 400, year_of_era = y % 400;
	u32 day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	u32 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return (i64)era * 146097 + day_of_era - 719468;
}

long rtc_read(i64 *seconds)
{
	vaddr_t ports = rtc_ports();
	struct rtc_time first, second;

	if (!ports)
		return -ENODEV;
	for (u32 tries = 0; tries < 10; tries++) {
		if (!rtc_sample(ports, &first) || !rtc_sample(ports, &second))
			return -EIO;
		if (memcmp(&first, &second, sizeof(first)) == 0) /* no update fell between */
			break;
	}
	if (first.month < 1 || first.month > 12 || first.day < 1 || first.day > 31 || first.hour > 23 || first.minute > 59)
		return -EIO;
	*seconds = ((days_since_1970(first.year, first.month, first.day) * 24 + first.hour) * 60 + first.minute) * 60 + first.second;
	return 0;
}
