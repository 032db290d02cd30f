//! Numbers and times as people read them. Templates borrow what they pass, so most of these take references.

use jiff::Timestamp;
use model::PeerName;
use std::fmt::Write as _;

/// The longest time that is written with a fraction, in milliseconds.
const FRACTION_BELOW_MS: i64 = 60_000;

/// `0 B`, `812 B`, `1.4 MiB`.
pub(crate) fn bytes(&count: &u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `0.4 s`, `12.0 s`, `3 min 05 s`, `2 h 07 min`; never negative.
pub(crate) fn milliseconds(count: i64) -> String {
    let count = count.max(0);
    let seconds = count / 1000;
    match count {
        0..FRACTION_BELOW_MS => format!("{}.{} s", seconds, count % 1000 / 100),
        _ if seconds < 3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ if seconds < 48 * 3600 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The time from one moment to another; to `now` while the end is open.
pub(crate) fn duration(from: &Timestamp, to: &Option<Timestamp>, now: &Timestamp) -> String {
    between(from, to.as_ref().unwrap_or(now))
}

/// The time from one moment to another.
pub(crate) fn between(from: &Timestamp, to: &Timestamp) -> String {
    milliseconds(to.as_millisecond() - from.as_millisecond())
}

/// How long ago, coarse enough that a page does not change every second.
pub(crate) fn ago(at: &Timestamp, now: &Timestamp) -> String {
    seconds_ago((now.as_second() - at.as_second()).max(0).unsigned_abs())
}

/// How long nothing was heard, coarse enough that a page does not change every second.
pub(crate) fn silence(&seconds: &f64) -> String {
    seconds_ago(seconds.max(0.0) as u64)
}

fn seconds_ago(seconds: u64) -> String {
    match seconds {
        0..60 => "just now".to_owned(),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

/// `2026-11-20 09:41:07 UTC`.
pub(crate) fn moment(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A date and a time of day, in two parts that may stand one above the other.
pub(crate) fn day_and_time(at: &Timestamp) -> [String; 2] {
    ["%Y-%m-%d", "%H:%M UTC"].map(|format| at.strftime(format).to_string())
}

/// The end of a peer id, which tells two apart where the beginning is the same for all.
pub(crate) fn peer(peer: &PeerName) -> String {
    let text = peer.as_str();
    format!("…{}", &text[text.len().saturating_sub(8)..])
}

/// A whole percentage, 0 where nothing is known yet; 100 only when all is there.
pub(crate) fn percent(&done: &u64, &total: &u64) -> u64 {
    if total == 0 {
        return 0;
    }
    let percent = u128::from(done.min(total)) * 100 / u128::from(total);
    u64::try_from(percent).unwrap_or(100)
}

/// A command as somebody would type it; arguments with anything unusual are quoted.
pub(crate) fn command(words: &[String]) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            line.push_str(word);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(line, "'{}'", word.replace('\'', r"'\''"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_at_most_and_a_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (150 << 20, "150 MiB"),
            (2 << 30, "2.0 GiB"),
            (u64::MAX, "16384 PiB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(&count), text);
        }
    }

    #[test]
    fn times_grow_coarser_as_they_grow_longer() {
        let cases = [
            (-5, "0.0 s"),
            (449, "0.4 s"),
            (59_999, "59.9 s"),
            (185_000, "3 min 05 s"),
            (7_620_000, "2 h 07 min"),
            (400_000_000, "4 days"),
        ];
        for (count, text) in cases {
            assert_eq!(milliseconds(count), text);
        }
    }

    #[test]
    fn a_hundred_percent_means_all() {
        assert_eq!(
            [percent(&0, &0), percent(&999, &1000), percent(&7, &7)],
            [0, 99, 100]
        );
        assert_eq!(percent(&u64::MAX, &u64::MAX), 100);
    }

    #[test]
    fn a_command_could_be_pasted_into_a_shell() {
        let words = ["bin/serve", "--name", "it's two words", ""].map(str::to_owned);
        assert_eq!(command(&words), r"bin/serve --name 'it'\''s two words' ''");
    }
}
