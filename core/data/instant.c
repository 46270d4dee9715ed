/* instant.c - instants as RFC 3339 text, by the proleptic Gregorian calendar.
 *
 * Days are counted from 1 March of year 0, so that the leap day is the last of its year: then the
 * months before a month have (153 * m + 2) / 5 days (m = 0 for March), and no table is needed. */
#include <stdio.h>

#include "data/value.h"

#define MS_PER_SECOND 1000
#define MS_PER_MINUTE 60000
#define MS_PER_HOUR 3600000
#define MS_PER_DAY INT64_C(86400000)
#define DAYS_PER_ERA 146097     /* 400 years */
#define DAYS_BEFORE_1970 719468 /* from 0000-03-01 */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted_year = year - (month <= 2);
    int64_t shifted_month = (month + 9) % 12;
    int64_t era = floor_div(shifted_year, 400);
    int64_t year_of_era = shifted_year - era * 400;
    int64_t day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_1970;
}

static void date_of_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t shifted = days + DAYS_BEFORE_1970;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    /* Take out the leap days, one each 1460 days but not each 36524, again each 146096. */
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = era * 400 + year_of_era + (*month <= 2);
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const int8_t DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : DAYS[month - 1];
}

/* The text not read yet. */
typedef struct scanner {
    const uint8_t *next, *end;
} scanner;

static bool scan_digits(scanner *scan, int count, int64_t *out)
{
    if (scan->end - scan->next < count) return false;
    int64_t number = 0;
    for (int i = 0; i < count; i++) {
        uint8_t c = *scan->next++;
        if (c < '0' || c > '9') return false;
        number = number * 10 + (c - '0');
    }
    *out = number;
    return true;
}

static bool scan_char(scanner *scan, char expected)
{
    if (scan->next == scan->end || *scan->next != (uint8_t)expected) return false;
    scan->next++;
    return true;
}

static bool scan_date(scanner *scan, int64_t *ms_out)
{
    int64_t year, month, day;
    if (!scan_digits(scan, 4, &year) || !scan_char(scan, '-') || !scan_digits(scan, 2, &month) ||
        !scan_char(scan, '-') || !scan_digits(scan, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
    *ms_out = days_of_date(year, month, day) * MS_PER_DAY;
    return true;
}

/* Past milliseconds the digits are read and dropped. */
static bool scan_fraction(scanner *scan, int64_t *ms_out)
{
    int64_t ms = 0, weight = 100;
    const uint8_t *first = scan->next;
    while (scan->next < scan->end && *scan->next >= '0' && *scan->next <= '9') {
        ms += (*scan->next++ - '0') * weight;
        weight /= 10;
    }
    *ms_out = ms;
    return scan->next > first;
}

static bool scan_time(scanner *scan, int64_t *ms_out)
{
    int64_t hour, minute, second = 0, ms = 0;
    if (!scan_digits(scan, 2, &hour) || !scan_char(scan, ':') || !scan_digits(scan, 2, &minute))
        return false;
    if (scan_char(scan, ':')) {
        if (!scan_digits(scan, 2, &second)) return false;
        if (scan_char(scan, '.') && !scan_fraction(scan, &ms)) return false;
    }
    if (hour > 23 || minute > 59 || second > 60) return false; /* 60: a leap second */
    *ms_out = hour * MS_PER_HOUR + minute * MS_PER_MINUTE + second * MS_PER_SECOND + ms;
    return true;
}

static bool scan_offset(scanner *scan, int64_t *ms_out)
{
    *ms_out = 0;
    if (scan->next == scan->end || scan_char(scan, 'Z') || scan_char(scan, 'z')) return true;

    bool is_west = scan_char(scan, '-');
    int64_t hours, minutes;
    if (!is_west && !scan_char(scan, '+')) return false;
    if (!scan_digits(scan, 2, &hours) || !scan_char(scan, ':') || !scan_digits(scan, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59) return false;
    int64_t offset = hours * MS_PER_HOUR + minutes * MS_PER_MINUTE;
    *ms_out = is_west ? -offset : offset;
    return true;
}

lion_status lion_instant_parse(int64_t *instant_ms_out, lion_slice text)
{
    if (text.size == 0) return LION_ABSENT;
    scanner scan = { .next = text.data, .end = text.data + text.size };
    int64_t date_ms, time_ms = 0, offset_ms = 0;
    if (!scan_date(&scan, &date_ms)) return LION_ABSENT;
    if (scan.next < scan.end) {
        if (!scan_char(&scan, 'T') && !scan_char(&scan, 't') && !scan_char(&scan, ' '))
            return LION_ABSENT;
        if (!scan_time(&scan, &time_ms) || !scan_offset(&scan, &offset_ms)) return LION_ABSENT;
    }
    if (scan.next != scan.end) return LION_ABSENT;
    *instant_ms_out = date_ms + time_ms - offset_ms;
    return LION_OK;
}

/* Years outside 0..9999 are signed, as ISO 8601 extends them; RFC 3339 has no form for those. */
void lion_instant_format(char out[32], int64_t instant_ms)
{
    int64_t days = floor_div(instant_ms, MS_PER_DAY);
    int64_t ms = (instant_ms % MS_PER_DAY + MS_PER_DAY) % MS_PER_DAY;
    int64_t year, month, day;
    date_of_days(days, &year, &month, &day);
    bool is_plain = year >= 0 && year <= 9999;
    snprintf(
        out, 32,
        is_plain ? "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" : "%+05d-%02d-%02dT%02d:%02d:%02d.%03dZ",
        (int)year, (int)month, (int)day, (int)(ms / MS_PER_HOUR), (int)(ms / MS_PER_MINUTE % 60),
        (int)(ms / MS_PER_SECOND % 60), (int)(ms % MS_PER_SECOND));
}
