//! Which space a room of the PMS probably is, by their names. A person accepts or not: a wrong
//! mapping opens the wrong door.

use std::collections::HashMap;

/// Words that say that something is a room, in the languages of Portal's houses, and tell rooms of
/// one house apart from nothing.
const FILLERS: &[&str] = &[
    "apartment",
    "apt",
    "camera",
    "chambre",
    "das",
    "door",
    "habitacion",
    "habitación",
    "kamer",
    "la",
    "le",
    "lock",
    "no",
    "nr",
    "number",
    "pokoj",
    "quarto",
    "rm",
    "room",
    "rum",
    "the",
    "unit",
    "zi",
    "zimmer",
    "værelse",
];

/// Why two names are taken for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// They share the only number in them.
    SameNumber,
    /// They say the same but for words like "room", case, blanks and leading zeros.
    SameWords,
    /// They are the same.
    SameName,
}

impl Likeness {
    /// How sure it is, from 1 to 100.
    pub const fn score(self) -> u8 {
        match self {
            Self::SameName => 100,
            Self::SameWords => 90,
            Self::SameNumber => 60,
        }
    }
}

/// A room and the space it probably is, by their places in the lists given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suggestion {
    /// Place of the room.
    pub room: usize,
    /// Place of the space.
    pub space: usize,
    /// Why.
    pub likeness: Likeness,
}

/// For each room the one space that is most like it, where there is exactly one and no other room is
/// as much like that.
pub fn suggest(rooms: &[&str], spaces: &[&str]) -> Vec<Suggestion> {
    let rooms: Vec<Name> = rooms.iter().map(|name| Name::read(name)).collect();
    let spaces: Vec<Name> = spaces.iter().map(|name| Name::read(name)).collect();
    let by_name = index(&spaces, |name| Some(name.plain.clone()));
    let by_words = index(&spaces, Name::words);
    let by_number = index(&spaces, Name::number);
    let mut best: Vec<Suggestion> = Vec::new();
    for (room, name) in rooms.iter().enumerate() {
        let found = [
            (Likeness::SameName, by_name.get(&name.plain)),
            (
                Likeness::SameWords,
                name.words().and_then(|words| by_words.get(&words)),
            ),
            (
                Likeness::SameNumber,
                name.number().and_then(|number| by_number.get(&number)),
            ),
        ];
        let first = found
            .into_iter()
            .find_map(|(likeness, spaces)| Some((likeness, spaces?)));
        // Two that are equally like it: nobody can tell which.
        if let Some((likeness, &[space])) =
            first.map(|(likeness, spaces)| (likeness, spaces.as_slice()))
        {
            best.push(Suggestion {
                room,
                space,
                likeness,
            });
        }
    }
    let mut most: HashMap<usize, (Likeness, usize)> = HashMap::new();
    for one in &best {
        most.entry(one.space)
            .and_modify(|(likeness, count)| {
                if one.likeness > *likeness {
                    (*likeness, *count) = (one.likeness, 1);
                } else if one.likeness == *likeness {
                    *count += 1;
                }
            })
            .or_insert((one.likeness, 1));
    }
    best.retain(|one| most.get(&one.space) == Some(&(one.likeness, 1)));
    best
}

fn index(names: &[Name], key: impl Fn(&Name) -> Option<String>) -> HashMap<String, Vec<usize>> {
    let mut index: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, name) in names.iter().enumerate() {
        if let Some(key) = key(name) {
            index.entry(key).or_default().push(place);
        }
    }
    index
}

/// A name, taken apart.
struct Name {
    plain: String,
    words: Vec<String>,
}

impl Name {
    fn read(name: &str) -> Self {
        let plain = name.trim().to_lowercase();
        let mut words: Vec<String> = Vec::new();
        let pieces = plain
            .split(|c: char| !c.is_alphanumeric())
            .flat_map(numbers_apart)
            .filter(|word| !word.is_empty() && !FILLERS.contains(word));
        for word in pieces {
            match words.last_mut() {
                // "101 A" is "101A".
                Some(last) if is_number(last) && word.chars().count() == 1 && !is_number(word) => {
                    last.push_str(word);
                }
                _ => words.push(without_zeros(word)),
            }
        }
        Self { plain, words }
    }

    /// `None`: nothing is left that tells it from others.
    fn words(&self) -> Option<String> {
        (!self.words.is_empty()).then(|| self.words.join(" "))
    }

    /// The only number in it, with a letter that follows it at once: 101 and 101A are two rooms.
    fn number(&self) -> Option<String> {
        let mut numbers = self.words.iter().filter(|word| is_number(word));
        match (numbers.next(), numbers.next()) {
            (Some(number), None) => Some(number.clone()),
            _ => None,
        }
    }
}

/// "Room101a" is "room" and "101a": letters before a number are a word, those behind belong to it.
fn numbers_apart(word: &str) -> [&str; 2] {
    match word.find(|c: char| c.is_ascii_digit()) {
        Some(at) => {
            let (letters, number) = word.split_at(at);
            [letters, number]
        }
        None => [word, ""],
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn without_zeros(word: &str) -> String {
    let short = word.trim_start_matches('0');
    if is_number(short) {
        short.to_owned()
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>(rooms: &[&'a str], spaces: &[&'a str]) -> Vec<(&'a str, &'a str, u8)> {
        let told = |one: &Suggestion| (rooms[one.room], spaces[one.space], one.likeness.score());
        suggest(rooms, spaces).iter().map(told).collect()
    }

    #[test]
    fn names_that_say_the_same_are_suggested() {
        for (room, space, score) in [
            ("101", "101", 100),
            ("Suite Aurora", "suite aurora ", 100),
            ("101", "Room 101", 90),
            ("Zimmer 7", "007", 90),
            ("Rm. 12", "Room 12", 90),
            ("Room101", "101", 90),
            ("101A", "Room 101 A", 90),
            ("101a", "101A", 100),
            ("Værelse 3", "room 3", 90),
            ("101 Deluxe", "Room 101", 60),
            ("204 - Garden view", "Lock 204", 60),
            ("Aurora", "Borealis", 0),
            ("101", "102", 0),
            ("101", "101A", 0),
            ("101", "101 A", 0),
            ("Room", "Room A", 0),
            ("2 Bed 101", "101", 0),
            ("0", "00", 0),
        ] {
            let expected: Vec<_> = (score > 0)
                .then_some((room, space, score))
                .into_iter()
                .collect();
            assert_eq!(told(&[room], &[space]), expected, "{room} {space}");
        }
    }

    #[test]
    fn what_two_could_be_is_left_to_a_person() {
        // Two spaces for one room, and two rooms for one space.
        assert_eq!(told(&["101"], &["Room 101", "Door 101"]), []);
        assert_eq!(told(&["101 East", "101 West"], &["Room 101"]), []);
        // The better one is not made worse by others.
        assert_eq!(
            told(&["101", "101 West"], &["101", "Room 102"]),
            [("101", "101", 100)]
        );
    }

    #[test]
    fn a_whole_house_is_matched() {
        let rooms: Vec<String> = (1..=500).map(|n| format!("{n:03}")).collect();
        let spaces: Vec<String> = (1..=500).rev().map(|n| format!("Room {n}")).collect();
        let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
        let spaces: Vec<&str> = spaces.iter().map(String::as_str).collect();
        let found = suggest(&rooms, &spaces);
        assert_eq!(found.len(), 500);
        assert!(found.iter().all(|one| one.room + one.space == 499));
    }
}
