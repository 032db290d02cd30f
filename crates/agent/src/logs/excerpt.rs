//! The first and last lines that a process wrote, for a reason that people read.

use super::STARTS;
use model::task_log::{LOG_OURS, LOG_TAIL_LINES_MAX, LogStart};
use tasks::task::LogFile;

/// How much of a log's end is looked at, in bytes.
const LOOKED_AT: usize = 64 << 10;
/// How long a line may be, in bytes. Three of them leave room in a reason for what happened.
const LINE_LENGTH_MAX: usize = 110;

/// What the process that started last wrote, as far as it explains its end: its first line and its last two.
pub(crate) async fn last_words(log: &LogFile) -> Option<String> {
    let log = log.clone();
    let read = tokio::task::spawn_blocking(move || log.read(LogStart::Tail(LOG_TAIL_LINES_MAX), LOOKED_AT));
    // Without its output an end is told all the same.
    let read = read.await.ok()?.ok()?;
    excerpt(&String::from_utf8_lossy(&read.bytes))
}

fn excerpt(text: &str) -> Option<String> {
    let started = |line: &str| line.starts_with(LOG_OURS) && line.contains(STARTS);
    let all: Vec<&str> = text.lines().collect();
    let begin = all.iter().rposition(|line| started(line)).map_or(0, |at| at + 1);
    let written = all[begin..].iter().filter(|line| !line.starts_with(LOG_OURS));
    let lines: Vec<String> = written
        .map(|line| plain(line))
        .filter(|line| !line.is_empty())
        .collect();
    let quoted = |lines: &[String]| {
        lines
            .iter()
            .map(|line| format!("“{line}”"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match lines.as_slice() {
        [] => None,
        few if few.len() <= 3 => Some(quoted(few)),
        [first, .., before, last] => Some(format!(
            "{} … {}",
            quoted(std::slice::from_ref(first)),
            quoted(&[before.clone(), last.clone()])
        )),
        _ => None,
    }
}

/// A line without what steers a terminal (ECMA-48: ESC `[`, parameters, and a final byte from `@` to `~`), cut.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut characters = line.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                if characters.next() == Some('[') {
                    characters.by_ref().find(|end| ('@'..='~').contains(end));
                }
            }
            '\t' => plain.push(' '),
            character if character.is_control() => {}
            character => plain.push(character),
        }
    }
    if plain.len() > LINE_LENGTH_MAX {
        plain.truncate(plain.floor_char_boundary(LINE_LENGTH_MAX - '…'.len_utf8()));
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_lines_of_the_last_start_are_quoted() {
        let start = format!(
            "{LOG_OURS}2026-01-01T00:00:00Z {}\n",
            super::super::start_line(model::ReleaseNumber(3), 80)
        );
        for (text, expected) in [
            (String::new(), None),
            (format!("before\n{start}"), None),
            (
                format!("before\n{start}{LOG_OURS}ours\n\u{1b}[31mno file\u{1b}[0m\r\n"),
                Some("“no file”"),
            ),
            (format!("{start}a\nb\n\nc"), Some("“a” “b” “c”")),
            (format!("{start}a\nb\nc\nd\ne\n"), Some("“a” … “d” “e”")),
        ] {
            assert_eq!(excerpt(&text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_of_any_length_leave_room_in_a_reason() {
        let long = "ü".repeat(5_000);
        let words = excerpt(&format!("{long}\n{long}\n{long}\n{long}\n")).unwrap();
        assert!(
            words.len() < model::instance::REASON_LENGTH_MAX - 100,
            "{}",
            words.len()
        );
        assert!(words.contains("ü…”"));
    }
}
