//! Times as people read them.

const MILLISECONDS_A_DAY: u64 = 86_400_000;

/// A time in milliseconds since 1970, to the second, in UTC: `2026-11-20 16:55:00 UTC`. Times that no calendar needs
/// are `never`.
pub(super) fn utc(milliseconds: u64) -> String {
    let seconds = milliseconds % MILLISECONDS_A_DAY / 1_000;
    let Some((year, month, day)) = civil(milliseconds / MILLISECONDS_A_DAY) else {
        return "never".to_owned();
    };
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day since 1970; `None` after the year 9999.
///
/// Counted in years that begin in March, so that the day of a leap year comes last; 400 of them have 146,097 days.
fn civil(days: u64) -> Option<(u64, u64, u64)> {
    // From 1 March of the year 0.
    let days = days.checked_add(719_468)?;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    let year = era * 400 + year_of_era + next;
    (year <= 9_999).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_799, "2000-02-29 23:59:59 UTC"),
            (1_709_164_800, "2024-02-29 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
            (253_402_300_800, "never"),
        ] {
            assert_eq!(utc(seconds * 1_000), text);
        }
        assert_eq!(utc(u64::MAX), "never");
    }
}
