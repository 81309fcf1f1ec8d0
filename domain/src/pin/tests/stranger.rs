//! The codes a stranger would try, listed anew and compared with those that are refused.

use super::*;
use chrono::NaiveDate;

/// Days of the stay of [`wish`] somewhere in the world.
const DAYS: [(i32, u32, u32); 5] = [
    (2026, 12, 2),
    (2026, 12, 3),
    (2026, 12, 4),
    (2026, 12, 5),
    (2026, 12, 6),
];
const SPELLED: [&str; 44] = [
    "%d%m", "%-d%m", "%d%-m", "%-d%-m", "%m%d", "%m%-d", "%-m%d", "%-m%-d", "%m%y", "%-m%y",
    "%y%m", "%y%-m", "%m%Y", "%-m%Y", "%Y%m", "%Y%-m", "%d%m%y", "%-d%m%y", "%d%-m%y", "%-d%-m%y",
    "%m%d%y", "%m%-d%y", "%-m%d%y", "%-m%-d%y", "%y%m%d", "%y%-m%d", "%y%m%-d", "%y%-m%-d",
    "%d%m%Y", "%-d%m%Y", "%d%-m%Y", "%m%d%Y", "%m%-d%Y", "%-m%d%Y", "%Y%m%d", "%Y%-m%d", "%Y%m%-d",
    "%Y%-m%-d", "%-d%-m%Y", "%-m%-d%Y", "%y%d%m", "%Y%d%m", "%y%-d%m", "%Y%-d%m",
];

/// Every code of this length that is refused for the stay of [`wish`], by lists rather than by the
/// rules of the allocator.
pub(in crate::pin) fn refused(length: usize) -> HashSet<String> {
    let mut all = HashSet::new();
    let digit = |n: usize| char::from(b"0123456789"[n % 10]);
    for n in 0..10 {
        all.insert((0..length).map(|_| digit(n)).collect());
        all.insert((0..length).map(|i| digit(n + i)).collect());
        all.insert((0..length).map(|i| digit(n + 100 - i)).collect());
    }
    for pair in 0..100 {
        let pair = format!("{pair:02}");
        all.insert(pair.repeat(length / 2).chars().take(length).collect());
    }
    for half in 0..10_usize.pow(u32::try_from(length / 2).unwrap()) {
        let half = format!("{half:0width$}", width = length / 2);
        let back: String = half.chars().rev().collect();
        if length.is_multiple_of(2) {
            all.insert(format!("{half}{half}"));
            all.insert(format!("{half}{back}"));
        } else {
            all.extend((0..10).map(|middle| format!("{half}{middle}{back}")));
        }
    }
    all.extend((1900..2100).map(|year| year.to_string()));
    for (year, month, day) in DAYS {
        let day = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        all.extend(SPELLED.map(|spelling| day.format(spelling).to_string()));
        // What few people write, and none of the formats above says.
        let d = day.format("%-d").to_string();
        all.extend(["%y", "%Y"].map(|y| day.format(&format!("{y}{d}%-m")).to_string()));
    }
    for number in ["101", "4711"] {
        let zeros = "0".repeat(length - number.len());
        all.insert(format!("{zeros}{number}"));
        all.insert(format!("{number}{zeros}"));
    }
    for delivered in super::super::guessable::DELIVERED {
        if let Some(more) = length.checked_sub(delivered.len()) {
            let zeros = "0".repeat(more);
            all.insert(format!("{zeros}{delivered}"));
            all.insert(format!("{delivered}{zeros}"));
        }
    }
    all.retain(|code: &String| code.len() == length);
    all
}

#[test]
fn exactly_the_listed_codes_are_refused() {
    let wish = wish(&[]);
    let stranger = Guessable::new(&wish);
    for length in 4..=6 {
        let listed = refused(length);
        let mut found = 0;
        for n in 0..10_usize.pow(u32::try_from(length).unwrap()) {
            let code = format!("{n:0length$}");
            let refused = stranger.is_guessable(&code);
            assert_eq!(refused, listed.contains(&code), "{code}");
            found += usize::from(refused);
        }
        assert_eq!(found, listed.len());
        println!("guessable: {found} codes of {length} digits");
    }
}

#[test]
fn each_kind_of_guessable_code_is_refused_and_its_neighbours_are_not() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("equal", &["0000", "7777", "999999"], &["7778", "999989"]),
        (
            "runs, over the zero too",
            &["1234", "4321", "7890", "0987", "89012", "456789"],
            &["1235", "4320", "456780"],
        ),
        ("pairs", &["1212", "9090", "343434"], &["1213", "343435"]),
        ("halves", &["123123", "90179017"], &["123124"]),
        ("mirrored", &["1221", "456654", "16061"], &["456645"]),
        (
            "years",
            &["1900", "1987", "2031", "2099"],
            &["1899", "2103"],
        ),
        (
            "dates of the stay",
            &[
                "0212", "1202", "021226", "120226", "261202", "051226", "05122026", "20261205",
                "21226", "1226", "261205",
            ],
            &["0812", "081226", "190344"],
        ),
        (
            "its days on the other side of the world",
            &["0312", "1204", "061226"],
            &["0712", "071226"],
        ),
        (
            "rooms and reservations, padded",
            &["0101", "1010", "4711", "004711", "471100", "000101"],
            &["4712", "014711"],
        ),
        ("tails of numbers", &["5566", "335566"], &["5567"]),
        ("numbers among words", &["0023", "2300", "1523"], &["1532"]),
        (
            "as delivered",
            &[
                "2580", "0852", "1379", "990101", "845464", "1122", "112233", "002580", "159357",
            ],
            &["2581", "990102", "845465"],
        ),
    ];
    let mut wish = wish(&[]);
    wish.known_numbers
        .extend(["R-2026/335566".into(), "House 15, room 23".into()]);
    let stranger = Guessable::new(&wish);
    for (kind, refused, given) in table {
        for code in *refused {
            assert!(stranger.is_guessable(code), "{kind}: {code}");
        }
        for code in *given {
            assert!(!stranger.is_guessable(code), "{kind}: {code}");
        }
    }
}
