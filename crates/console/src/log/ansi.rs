//! What a build wrote for a terminal, as text with colours from a fixed list.
//!
//! Every byte ends up as text that a template escapes or is dropped; a style is numbers and flags. So
//! nothing that a build prints can become markup. Styles end with their line, so that a line looks the same
//! from wherever it is read.

use std::fmt::Write as _;

/// A piece of a line in one style.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) style: Style,
    /// Whether this is what was searched for.
    pub(crate) found: bool,
}

/// How a piece looks (ECMA-48, section 8.3.117). Colours are the sixteen that every terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    foreground: Option<u8>,
    background: Option<u8>,
    bold: bool,
    faint: bool,
    italic: bool,
    underlined: bool,
    inverse: bool,
}

impl Span {
    /// Names of classes of the style sheet; empty for plain text.
    pub(crate) fn classes(&self) -> String {
        let Style {
            foreground,
            background,
            ..
        } = self.style;
        let (front, back) = if self.style.inverse {
            (background.or(Some(15)), foreground.or(Some(0)))
        } else {
            (foreground, background)
        };
        let mut classes = String::new();
        // Writing to a String cannot fail.
        if let Some(colour) = front {
            let _ = write!(classes, "f{colour} ");
        }
        if let Some(colour) = back {
            let _ = write!(classes, "k{colour} ");
        }
        let flags = [
            (self.style.bold, "bold "),
            (self.style.faint, "faint "),
            (self.style.italic, "italic "),
            (self.style.underlined, "underlined "),
        ];
        for (_, name) in flags.iter().filter(|(on, _)| *on) {
            classes.push_str(name);
        }
        classes.truncate(classes.trim_end().len());
        classes
    }
}

/// A line's text, without what steers a terminal.
pub(crate) fn plain(line: &[u8]) -> String {
    spans(line).into_iter().map(|span| span.text).collect()
}

/// What a terminal would leave on the screen: of a line that was written over by carriage returns only the
/// last state, and of escape sequences only the styles.
pub(crate) fn spans(line: &[u8]) -> Vec<Span> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    let last = text.rsplit('\r').next().unwrap_or_default();
    let mut spans = Vec::new();
    let mut present = Span::default();
    let mut characters = last.chars();
    while let Some(character) = characters.next() {
        let style = match character {
            '\u{1b}' => escape(&mut characters, present.style),
            '\u{9b}' => control_sequence(&mut characters, present.style),
            '\t' => {
                present.text.push('\t');
                continue;
            }
            c if c.is_control() => continue,
            // What turns the direction of text around could make a line read as something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                present.text.push(char::REPLACEMENT_CHARACTER);
                continue;
            }
            c => {
                present.text.push(c);
                continue;
            }
        };
        if style != present.style && !present.text.is_empty() {
            spans.push(std::mem::take(&mut present));
        }
        present.style = style;
    }
    if !present.text.is_empty() {
        spans.push(present);
    }
    spans
}

/// Behind an ESC: what follows belongs to it (ECMA-48, section 5.3 to 5.6).
fn escape(characters: &mut std::str::Chars<'_>, style: Style) -> Style {
    match characters.next() {
        Some('[') => control_sequence(characters, style),
        // Strings of the operating system and of devices, such as titles and links: until their end.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let mut before = ' ';
            for character in characters.by_ref() {
                if matches!(character, '\u{07}' | '\u{9c}') || (before == '\u{1b}' && character == '\\') {
                    break;
                }
                before = character;
            }
            style
        }
        // Such as the choice of a character set: intermediates, then one final character.
        Some(' '..='/') => {
            characters.find(|c| !(' '..='/').contains(c));
            style
        }
        _ => style,
    }
}

/// Behind a CSI: parameters until a final character; only `m` sets a style.
fn control_sequence(characters: &mut std::str::Chars<'_>, style: Style) -> Style {
    let mut parameters = String::new();
    for character in characters.by_ref() {
        match character {
            'm' => return style.after(&parameters),
            '\u{40}'..='\u{7e}' => return style,
            c => parameters.push(c),
        }
    }
    style
}

impl Style {
    /// The style after a "select graphic rendition" with these parameters.
    fn after(mut self, parameters: &str) -> Self {
        let mut numbers = parameters
            .split([';', ':'])
            .map(|number| number.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => self = Self::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underlined = true,
                7 => self.inverse = true,
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underlined = false,
                27 => self.inverse = false,
                30..=37 => self.foreground = Some((number - 30) as u8),
                38 => self.foreground = extended(&mut numbers).or(self.foreground),
                39 => self.foreground = None,
                40..=47 => self.background = Some((number - 40) as u8),
                48 => self.background = extended(&mut numbers).or(self.background),
                49 => self.background = None,
                90..=97 => self.foreground = Some((number - 90 + 8) as u8),
                100..=107 => self.background = Some((number - 100 + 8) as u8),
                _ => {}
            }
        }
        self
    }
}

/// A colour of the 256 or of all, as the nearest of the sixteen.
fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match numbers.next()? {
        5 => match numbers.next()? {
            number @ 0..=15 => Some(number as u8),
            number @ 16..=231 => {
                // xterm's cube of six by six by six.
                let level = |digit: u16| if digit == 0 { 0 } else { 55 + 40 * i32::from(digit) };
                let cube = number - 16;
                Some(nearest([level(cube / 36), level(cube / 6 % 6), level(cube % 6)]))
            }
            number @ 232..=255 => Some(nearest([8 + 10 * i32::from(number - 232); 3])),
            _ => None,
        },
        2 => {
            let mut level = || Some(i32::from(numbers.next()?.min(255)));
            Some(nearest([level()?, level()?, level()?]))
        }
        _ => None,
    }
}

/// The one of xterm's sixteen colours that is least far away.
fn nearest(colour: [i32; 3]) -> u8 {
    const PALETTE: [[i32; 3]; 16] = [
        [0, 0, 0],
        [205, 0, 0],
        [0, 205, 0],
        [205, 205, 0],
        [0, 0, 238],
        [205, 0, 205],
        [0, 205, 205],
        [229, 229, 229],
        [127, 127, 127],
        [255, 0, 0],
        [0, 255, 0],
        [255, 255, 0],
        [92, 92, 255],
        [255, 0, 255],
        [0, 255, 255],
        [255, 255, 255],
    ];
    let distance =
        |other: &[i32; 3]| -> i32 { colour.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum() };
    (0..16)
        .min_by_key(|index| distance(&PALETTE[usize::from(*index)]))
        .unwrap_or(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &[u8]) -> Vec<(String, String)> {
        spans(line)
            .into_iter()
            .map(|span| (span.classes(), span.text))
            .collect()
    }

    #[track_caller]
    fn assert_shown(line: &[u8], wanted: &[(&str, &str)]) {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        assert_eq!(shown(line), wanted);
    }

    #[test]
    fn what_steers_a_terminal_is_not_shown() {
        assert_eq!(plain(b"\x1b[1;31merror\x1b[0m: no"), "error: no");
        assert_eq!(plain(b"10%\r50%\r100%\r"), "100%");
        assert_eq!(plain(b"a\x07\x00\tb\xff"), "a\tb\u{fffd}");
        assert_eq!(
            plain(b"\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x07 \x1b(Bend"),
            "link end"
        );
        assert_eq!(plain("\u{9b}31mred \u{202e}evil".as_bytes()), "red \u{fffd}evil");
        assert_eq!(plain(b"cut \x1b[3"), "cut ");
    }

    #[test]
    fn colours_and_weights_become_classes_and_end_with_a_reset() {
        assert_shown(
            b"\x1b[1;31merror\x1b[0m: \x1b[92mgood\x1b[39m plain",
            &[("f1 bold", "error"), ("", ": "), ("f10", "good"), ("", " plain")],
        );
        assert_shown(
            b"\x1b[7mx\x1b[27m\x1b[44mb\x1b[mc",
            &[("f15 k0", "x"), ("k4", "b"), ("", "c")],
        );
    }

    #[test]
    fn a_colour_of_many_is_shown_as_the_nearest_of_few() {
        assert_shown(
            b"\x1b[38;5;196ma\x1b[38;2;0;250;10mb\x1b[48;5;250mc\x1b[38;5;4md",
            &[("f9", "a"), ("f10", "b"), ("f10 k7", "c"), ("f4 k7", "d")],
        );
        // Broken ones change nothing.
        assert_shown(b"\x1b[38;5ma\x1b[38;9;1mb", &[("", "a"), ("bold", "b")]);
    }
}
