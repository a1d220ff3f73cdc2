/* The formatter of <text.h>. */
#include <text.h>
#include <stdbool.h>
#include <stdint.h>

struct output {
	char *to;
	size_t capacity, length; /* length counts what did not fit, too */
};

struct conversion {
	bool left, zero, plus, space, alternate;
	int width, precision; /* precision -1: none */
	char length;          /* 0, 'h', 'H' (hh), 'l' */
	char type;
};

static void output_put(struct output *out, char c)
{
	if (out->length + 1 < out->capacity)
		out->to[out->length] = c;
	out->length++;
}

static void output_repeat(struct output *out, char c, int count)
{
	while (count-- > 0)
		output_put(out, c);
}

static void output_text(struct output *out, const struct conversion *c, const char *text)
{
	int length = 0;

	if (!text)
		text = "(null)";
	while ((c->precision < 0 || length < c->precision) && text[length])
		length++;
	if (!c->left)
		output_repeat(out, ' ', c->width - length);
	for (int i = 0; i < length; i++)
		output_put(out, text[i]);
	if (c->left)
		output_repeat(out, ' ', c->width - length);
}

/* Writes a number of which the sign is known apart. */
static void output_number(struct output *out, const struct conversion *c, uint64_t value, char sign)
{
	unsigned base = c->type == 'x' || c->type == 'X' || c->type == 'p' ? 16 : c->type == 'o' ? 8 : 10;
	const char *symbols = c->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	bool prefix = base == 16 && ((c->alternate && value) || c->type == 'p');
	char digits[24];
	int count = 0, zeros, all;

	for (uint64_t rest = value; rest; rest /= base)
		digits[count++] = symbols[rest % base];
	if (!count && c->precision)
		digits[count++] = '0';
	zeros = c->precision > count ? c->precision - count : 0;
	if (c->type == 'o' && c->alternate && !zeros && (!count || digits[count - 1] != '0'))
		zeros = 1;
	all = count + zeros + (sign ? 1 : 0) + (prefix ? 2 : 0);
	if (c->zero && !c->left && c->precision < 0 && c->width > all) {
		zeros += c->width - all;
		all = c->width;
	}
	if (!c->left)
		output_repeat(out, ' ', c->width - all);
	if (sign)
		output_put(out, sign);
	if (prefix) {
		output_put(out, '0');
		output_put(out, c->type == 'X' ? 'X' : 'x');
	}
	output_repeat(out, '0', zeros);
	while (count)
		output_put(out, digits[--count]);
	if (c->left)
		output_repeat(out, ' ', c->width - all);
}

static int number_read(const char **format)
{
	int value = 0;

	for (; **format >= '0' && **format <= '9'; ++*format) {
		if (value < 100000)
			value = value * 10 + (**format - '0');
	}
	return value;
}

static bool flag_read(struct conversion *c, char flag)
{
	switch (flag) {
	case '-': c->left = true; return true;
	case '0': c->zero = true; return true;
	case '+': c->plus = true; return true;
	case ' ': c->space = true; return true;
	case '#': c->alternate = true; return true;
	default: return false;
	}
}

/* Reads what stands between % and the type, and the type. */
static struct conversion conversion_read(const char **format, va_list *args)
{
	struct conversion c = { .precision = -1 };

	while (flag_read(&c, **format))
		++*format;
	if (**format == '*') {
		++*format;
		c.width = va_arg(*args, int);
		if (c.width < 0) {
			c.left = true;
			c.width = c.width == INT32_MIN ? 0 : -c.width;
		}
	} else {
		c.width = number_read(format);
	}
	if (**format == '.') {
		++*format;
		if (**format == '*') {
			++*format;
			c.precision = va_arg(*args, int);
		} else {
			c.precision = number_read(format);
		}
	}
	for (;; ++*format) {
		if (**format == 'h')
			c.length = c.length == 'h' ? 'H' : 'h';
		else if (**format == 'l' || **format == 'z' || **format == 'j' || **format == 't')
			c.length = 'l';
		else
			break;
	}
	c.type = **format;
	if (c.type)
		++*format;
	return c;
}

static int64_t signed_take(char length, va_list *args)
{
	switch (length) {
	case 'l': return va_arg(*args, int64_t);
	case 'h': return (short)va_arg(*args, int);
	case 'H': return (signed char)va_arg(*args, int);
	default: return va_arg(*args, int);
	}
}

static uint64_t unsigned_take(char length, va_list *args)
{
	switch (length) {
	case 'l': return va_arg(*args, uint64_t);
	case 'h': return (unsigned short)va_arg(*args, unsigned);
	case 'H': return (unsigned char)va_arg(*args, unsigned);
	default: return va_arg(*args, unsigned);
	}
}

static void conversion_write(struct output *out, struct conversion *c, va_list *args)
{
	char letter[2] = { 0 };
	int64_t value;

	switch (c->type) {
	case 'd':
	case 'i':
		value = signed_take(c->length, args);
		output_number(out, c, value < 0 ? -(uint64_t)value : (uint64_t)value,
			      value < 0 ? '-' : c->plus ? '+' : c->space ? ' ' : 0);
		return;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		output_number(out, c, unsigned_take(c->length, args), 0);
		return;
	case 'p':
		output_number(out, c, (uint64_t)(uintptr_t)va_arg(*args, void *), 0);
		return;
	case 's':
		output_text(out, c, va_arg(*args, const char *));
		return;
	case 'c':
		letter[0] = (char)va_arg(*args, int);
		output_repeat(out, ' ', c->left ? 0 : c->width - 1);
		output_put(out, letter[0]);
		output_repeat(out, ' ', c->left ? c->width - 1 : 0);
		return;
	case '%':
		output_put(out, '%');
		return;
	default: /* an unknown conversion is shown, so that it is seen */
		output_put(out, '%');
		if (c->type)
			output_put(out, c->type);
	}
}

int format_text_va(char *to, size_t capacity, const char *format, va_list args)
{
	struct output out = { .to = to, .capacity = capacity };
	va_list copy;

	va_copy(copy, args);
	while (*format) {
		if (*format != '%') {
			output_put(&out, *format++);
			continue;
		}
		format++;
		struct conversion c = conversion_read(&format, &copy);
		conversion_write(&out, &c, &copy);
	}
	va_end(copy);
	if (capacity)
		to[out.length < capacity ? out.length : capacity - 1] = 0;
	return (int)out.length;
}

int format_text(char *to, size_t capacity, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int length = format_text_va(to, capacity, format, args);
	va_end(args);
	return length;
}
