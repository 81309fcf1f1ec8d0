//! A PIN survives whatever does not forbid it, tried on random doors. `PORTAL_SEED` replays a
//! failure.

use super::*;
use rand::RngExt;
use rand::seq::IndexedRandom;

fn random_rule(rng: &mut StdRng) -> DeviceRule {
    match rng.random_range(0..6) {
        0 => DeviceRule::Lengths((4..=9).filter(|_| rng.random_range(0..4) > 0).collect()),
        1 => DeviceRule::Digits("0123456789"[rng.random_range(0..3)..].into()),
        2 => DeviceRule::NotStarting(vec![rng.random_range(0..100).to_string()]),
        3 => DeviceRule::NoRun(rng.random_range(2..5)),
        4 => DeviceRule::NoRepeat(rng.random_range(2..4)),
        _ => DeviceRule::MinDistinct(rng.random_range(1..5)),
    }
}

/// Whether a lock takes a code, said anew.
fn takes(rule: &DeviceRule, code: &str) -> bool {
    let digits: Vec<i16> = code.bytes().map(i16::from).collect();
    let longest = |step: i16| {
        let (mut longest, mut running) = (1, 1);
        for pair in digits.windows(2) {
            running = if pair[1] - pair[0] == step {
                running + 1
            } else {
                1
            };
            longest = longest.max(running);
        }
        longest
    };
    match rule {
        DeviceRule::Lengths(lengths) => lengths.contains(&u8::try_from(code.len()).unwrap()),
        DeviceRule::Digits(allowed) => code.chars().all(|digit| allowed.contains(digit)),
        DeviceRule::NotStarting(not) => !not.iter().any(|start| code.starts_with(start.as_str())),
        DeviceRule::NoRun(n) => longest(1).max(longest(-1)) < *n,
        DeviceRule::NoRepeat(n) => longest(0) < *n,
        DeviceRule::MinDistinct(n) => code.chars().collect::<HashSet<_>>().len() >= usize::from(*n),
        rule => panic!("{rule:?} is not about digits"),
    }
}

#[test]
fn a_pin_survives_unless_a_rule_or_a_taken_code_forbids_it() {
    let seed = std::env::var("PORTAL_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut kept, mut moved, mut refused) = (0, 0, 0);
    for _ in 0..4_000 {
        let doors: Vec<Vec<DeviceRule>> = (0..rng.random_range(1..4))
            .map(|_| {
                (0..rng.random_range(0..2))
                    .map(|_| random_rule(&mut rng))
                    .collect()
            })
            .collect();
        let rules: Vec<&[DeviceRule]> = doors.iter().map(Vec::as_slice).collect();
        let mut wish = wish(&rules);
        wish.length = rng.random_range(4..=9);
        let length = rng.random_range(4..=9);
        let mut current: String = (0..length)
            .map(|_| char::from(b'0' + rng.random_range(0..10)))
            .collect();
        // Also one that has become easy to guess since it was chosen.
        if rng.random_range(0..5) == 0 {
            current = (*["0212", "4711", "021226", "2580"].choose(&mut rng).unwrap()).to_owned();
        }
        wish.current = Some(current.clone());
        wish.known_numbers.push(current.clone());
        let held = match rng.random_range(0..4) {
            0 => Use::Taken,
            1 => Use::Past {
                days: rng.random_range(0..40),
            },
            _ => Use::Free,
        };
        let others = |code: &str| if code == current { held } else { Use::Free };
        let found = allocate(&wish, others, &mut rng);
        let may = held != Use::Taken && doors.iter().flatten().all(|rule| takes(rule, &current));
        match found {
            Ok(pin) => {
                assert_eq!(pin.code == current, may, "seed {seed}: {wish:?} {held:?}");
                if may {
                    kept += 1;
                } else {
                    moved += 1;
                }
                let all = doors.iter().flatten().all(|rule| takes(rule, &pin.code));
                assert!(all, "seed {seed}: {wish:?}");
            }
            Err(why) => {
                assert!(!may, "seed {seed}: {wish:?} {why}");
                refused += 1;
            }
        }
    }
    println!("INV-28: seed {seed}: {kept} kept, {moved} changed, {refused} refused");
    assert!(kept > 0 && moved > 0);
}
