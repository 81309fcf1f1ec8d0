//! Codes that a stranger would try first.

use super::{Wish, date_parts};

/// Whether a stranger who knows the house, or nothing at all, would try this code early.
pub(super) fn is_guessable(code: &str, wish: &Wish) -> bool {
    is_pattern(code.as_bytes())
        || is_year(code)
        || is_date(code, wish)
        || wish.known_numbers.iter().any(|number| shows(code, number))
}

/// All equal, a straight run, a repeated pair or half, a mirror image.
fn is_pattern(code: &[u8]) -> bool {
    let pairs = || code.windows(2);
    let equal = pairs().all(|p| p[0] == p[1]);
    let up = pairs().all(|p| p[1] == p[0] + 1);
    let down = pairs().all(|p| p[0] == p[1] + 1);
    let repeated = code.len().is_multiple_of(2) && code.chunks(2).all(|pair| pair == &code[..2]);
    let (front, back) = code.split_at(code.len() / 2);
    let halves = front == back;
    let mirrored = code.iter().eq(code.iter().rev());
    equal || up || down || repeated || halves || mirrored
}

fn is_year(code: &str) -> bool {
    code.len() == 4 && (code.starts_with("19") || code.starts_with("20"))
}

/// A date of the stay: day, month and year in the orders people write them.
fn is_date(code: &str, wish: &Wish) -> bool {
    [wish.window.from, wish.window.until].into_iter().any(|at| {
        let [day, month, year] = date_parts(at);
        let full = format!("20{year}");
        [
            format!("{day}{month}"),
            format!("{month}{day}"),
            format!("{day}{month}{year}"),
            format!("{month}{day}{year}"),
            format!("{year}{month}{day}"),
            format!("{day}{month}{full}"),
            format!("{month}{day}{full}"),
            format!("{full}{month}{day}"),
        ]
        .contains(&code.to_owned())
    })
}

/// Whether the code is a number padded with zeros, or the tail of a longer one.
fn shows(code: &str, number: &str) -> bool {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return false;
    }
    let padded_left = format!("{digits:0>width$}", width = code.len());
    let padded_right = format!("{digits:0<width$}", width = code.len());
    code == padded_left || code == padded_right || digits.ends_with(code)
}
