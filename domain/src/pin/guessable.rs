//! Codes that a stranger would try first.

use super::Wish;
use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc};
use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

/// What keypads are delivered with as a master or first code, and what manuals and fingers draw on
/// them: rows, columns, corners, every second digit, pairs. Most makers deliver equal digits and
/// runs, which are refused in any case.
pub(super) const DELIVERED: &[&str] = &[
    "0258", "0852", "1245", "1379", "1397", "2580", "2684", "3179", "3971", "7139", "7931", "8520",
    "9713", "9731", "1357", "2468", "3579", "5678", "7531", "8642", "9753", "13579", "24680",
    "08642", "97531", "147258", "147369", "159357", "159753", "258369", "258456", "357159",
    "369258", "741852", "789456", "845464", "963852", "990101", "1122", "112233", "11223344",
    "11335577",
];

/// These with nothing but zeros in front or behind, for locks that want more digits.
static PADDED: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let lengths = 4..=9_usize;
    let padded = |digits: &&str| {
        let digits = *digits;
        lengths
            .clone()
            .filter(move |&length| length >= digits.len())
            .flat_map(move |length| [format!("{digits:0>length$}"), format!("{digits:0<length$}")])
            .collect::<Vec<_>>()
    };
    DELIVERED.iter().flat_map(padded).collect()
});

/// The codes that a stranger who knows the house and the stay, or nothing at all, would try early.
pub(super) struct Guessable {
    dates: HashSet<String>,
    numbers: BTreeSet<String>,
}

impl Guessable {
    pub(super) fn new(wish: &Wish) -> Self {
        let days: BTreeSet<NaiveDate> = [wish.window.from, wish.window.until]
            .into_iter()
            .flat_map(days_anywhere)
            .collect();
        let numbers = wish.known_numbers.iter().flat_map(|text| numbers(text));
        Self {
            dates: days.into_iter().flat_map(spelled).collect(),
            numbers: numbers.collect(),
        }
    }

    pub(super) fn is_guessable(&self, code: &str) -> bool {
        is_pattern(code.as_bytes())
            || is_year(code)
            || self.dates.contains(code)
            || self.numbers.iter().any(|number| shows(code, number))
            || PADDED.contains(code)
    }
}

/// All equal, a straight run, a repeated pair or half, a mirror image.
fn is_pattern(code: &[u8]) -> bool {
    let pairs = || code.windows(2);
    let next = |digit: u8| if digit == b'9' { b'0' } else { digit + 1 };
    let equal = pairs().all(|p| p[0] == p[1]);
    // On a keypad the zero comes after the nine.
    let up = pairs().all(|p| p[1] == next(p[0]));
    let down = pairs().all(|p| p[0] == next(p[1]));
    let repeated = code.len().is_multiple_of(2) && code.chunks(2).all(|pair| pair == &code[..2]);
    let (front, back) = code.split_at(code.len() / 2);
    let halves = front == back;
    let mirrored = code.iter().eq(code.iter().rev());
    equal || up || down || repeated || halves || mirrored
}

fn is_year(code: &str) -> bool {
    code.len() == 4 && (code.starts_with("19") || code.starts_with("20"))
}

/// The days that the instant falls on somewhere in the world, the house among it.
fn days_anywhere(at: DateTime<Utc>) -> impl Iterator<Item = NaiveDate> {
    [-12, 0, 14]
        .into_iter()
        .filter_map(move |hours| at.checked_add_signed(Duration::hours(hours)))
        .map(|at| at.date_naive())
}

/// A day as people write it: day, month and year in every order, two of them or all three, with and
/// without zeros in front, the year in full or its end.
fn spelled(day: NaiveDate) -> Vec<String> {
    let year = day.year().rem_euclid(10_000);
    let days = [day.day().to_string(), format!("{:02}", day.day())];
    let months = [day.month().to_string(), format!("{:02}", day.month())];
    let years = [format!("{:02}", year % 100), format!("{year:04}")];
    let mut spelled = Vec::new();
    for d in &days {
        for m in &months {
            spelled.extend([format!("{d}{m}"), format!("{m}{d}")]);
            for y in &years {
                spelled.extend([
                    format!("{m}{y}"),
                    format!("{y}{m}"),
                    format!("{d}{m}{y}"),
                    format!("{m}{d}{y}"),
                    format!("{y}{m}{d}"),
                    format!("{y}{d}{m}"),
                ]);
            }
        }
    }
    spelled
}

/// The numbers in a text, each by itself and all as one: `Building 2, room 101` has 2, 101 and 2101.
fn numbers(text: &str) -> Vec<String> {
    let mut numbers: Vec<String> = text
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(str::to_owned)
        .collect();
    if numbers.len() > 1 {
        numbers.push(numbers.concat());
    }
    numbers
}

/// Whether the code is a number padded with zeros, or the tail of a longer one.
fn shows(code: &str, number: &str) -> bool {
    is_padded(code, number) || number.ends_with(code)
}

/// Whether the code is these digits with nothing but zeros in front or behind.
fn is_padded(code: &str, digits: &str) -> bool {
    let zeros = |rest: &str| rest.bytes().all(|digit| digit == b'0');
    code.strip_suffix(digits).is_some_and(zeros) || code.strip_prefix(digits).is_some_and(zeros)
}
