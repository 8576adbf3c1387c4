//! Dates and times, as PyYAML's resolver and constructor of `timestamp` read them.

use super::Cursor;

/// Whether a plain scalar is a timestamp. A date alone must have two digits for the month and for the day.
pub(super) fn is_timestamp(text: &str) -> bool {
    let date_only = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| {
            if i == 4 || i == 7 {
                b == b'-'
            } else {
                b.is_ascii_digit()
            }
        });
    date_only || (text.len() > 10 && Timestamp::read(text).is_some_and(|t| t.time.is_some()))
}

/// The ISO format of Python's `date` or `datetime`; `None` if the text is not a date or does not exist in the calendar.
pub(super) fn iso(text: &str) -> Option<String> {
    let Timestamp {
        year,
        month,
        day,
        time,
    } = Timestamp::read(text)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=days).contains(&day) {
        return None;
    }
    let mut iso = format!("{year:04}-{month:02}-{day:02}");
    let Some(Time {
        hour,
        minute,
        second,
        fraction,
        zone,
    }) = time
    else {
        return Some(iso);
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    iso += &format!("T{hour:02}:{minute:02}:{second:02}");
    let micros = format!("{:0<6.6}", fraction);
    if micros != "000000" {
        iso += &format!(".{micros}");
    }
    if let Some((sign, hours, minutes)) = zone {
        let offset = hours * 60 + minutes;
        if offset >= 24 * 60 {
            return None;
        }
        // Python writes an offset of zero as +00:00, whatever its sign was.
        let sign = if offset == 0 { '+' } else { sign };
        iso += &format!("{sign}{:02}:{:02}", offset / 60, offset % 60);
    }
    Some(iso)
}

/// A date with an optional time, as written. Not checked against the calendar.
struct Timestamp<'a> {
    year: u32,
    month: u32,
    day: u32,
    time: Option<Time<'a>>,
}

struct Time<'a> {
    hour: u32,
    minute: u32,
    second: u32,
    fraction: &'a str,
    /// Offset from UTC: sign, hours and minutes.
    zone: Option<(char, u32, u32)>,
}

impl<'a> Timestamp<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut cursor = Cursor(text);
        let year = cursor.digits(4, 4)?;
        cursor.one_of(&['-'])?;
        let month = cursor.digits(1, 2)?;
        cursor.one_of(&['-'])?;
        let day = cursor.digits(1, 2)?;
        let time = if cursor.at_end() {
            None
        } else {
            Some(Time::read(&mut cursor)?)
        };
        cursor.at_end().then_some(Timestamp {
            year,
            month,
            day,
            time,
        })
    }
}

impl<'a> Time<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let blank = |c| matches!(c, ' ' | '\t');
        if cursor.one_of(&['T', 't']).is_none() && cursor.run(blank).is_empty() {
            return None;
        }
        let hour = cursor.digits(1, 2)?;
        cursor.one_of(&[':'])?;
        let minute = cursor.digits(2, 2)?;
        cursor.one_of(&[':'])?;
        let second = cursor.digits(2, 2)?;
        let fraction = if cursor.one_of(&['.']).is_some() {
            cursor.run(|c| c.is_ascii_digit())
        } else {
            ""
        };
        let before_blanks = cursor.0;
        cursor.run(blank);
        let zone = match cursor.one_of(&['Z', '-', '+']) {
            Some('Z') => Some(('+', 0, 0)),
            Some(sign) => {
                let hours = cursor.digits(1, 2)?;
                let minutes = if cursor.one_of(&[':']).is_some() {
                    cursor.digits(2, 2)?
                } else {
                    0
                };
                Some((sign, hours, minutes))
            }
            None => {
                cursor.0 = before_blanks;
                None
            }
        };
        Some(Time {
            hour,
            minute,
            second,
            fraction,
            zone,
        })
    }
}
