//! Time, as the lab's specifications of certificates and lists state it.

#![expect(
    clippy::expect_used,
    reason = "tests give constant dates, and a date that does not exist is a typing error"
)]

use core::time::Duration;

use der::DateTime;
use x509_cert::time::Time;

/// Seconds since the Unix epoch at 00:00:00 UTC of the given day of the Gregorian calendar.
///
/// # Panics
///
/// If there is no such day, or if it is before 1970 or after 9999.
#[must_use]
pub fn utc_day(year: u16, month: u8, day: u8) -> u64 {
    DateTime::new(year, month, day, 0, 0, 0).expect("a day of the calendar").unix_duration().as_secs()
}

/// The X.509 form of a time: UTCTime through 2049, GeneralizedTime after (RFC 5280 §4.1.2.5).
pub(crate) fn x509_time(seconds: u64) -> Time {
    let time =
        DateTime::from_unix_duration(Duration::from_secs(seconds)).expect("a time before the year 10000");
    if time.year() < 2050 {
        Time::UtcTime(time.try_into().expect("UTCTime holds the years 1970 to 2049"))
    } else {
        Time::GeneralTime(time.into())
    }
}

#[cfg(test)]
mod tests {
    use der::Encode as _;

    use super::*;

    #[test]
    fn days_are_counted_from_the_epoch() {
        assert_eq!(utc_day(1970, 1, 2), 86_400);
        assert_eq!(utc_day(2024, 1, 1), 1_704_067_200);
    }

    #[test]
    fn the_encoding_changes_in_2050() {
        assert_eq!(x509_time(utc_day(2049, 12, 31)).to_der().unwrap(), b"\x17\x0d491231000000Z");
        assert_eq!(x509_time(utc_day(2050, 1, 1)).to_der().unwrap(), b"\x18\x0f20500101000000Z");
    }
}
