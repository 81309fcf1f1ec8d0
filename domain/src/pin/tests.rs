use super::guessable::Guessable;
use super::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::HashSet;

mod asked;
mod kept;
mod refusals;
pub(super) mod stranger;

pub(super) fn wish(locks: &[&[DeviceRule]]) -> Wish {
    Wish {
        locks: locks
            .iter()
            .enumerate()
            .map(|(n, rules)| Lock {
                space: format!("Space {n}"),
                role: match n {
                    0 => KeychainDoorRole::Main,
                    _ => KeychainDoorRole::Common,
                },
                device: DeviceId(uuid::Uuid::from_u128(n as u128)),
                rules: rules.to_vec(),
            })
            .collect(),
        length: 6,
        cooldown_days: 30,
        window: Window {
            from: "2026-12-02T14:00:00Z".parse().unwrap(),
            until: "2026-12-05T11:00:00Z".parse().unwrap(),
        },
        known_numbers: vec!["Room 101".into(), "4711".into()],
        current: None,
        avoid_current: false,
        asked: None,
    }
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn lengths(n: &[u8]) -> DeviceRule {
    DeviceRule::Lengths(n.to_vec())
}

#[test]
fn the_length_is_the_wanted_one_or_the_nearest_that_all_doors_take() {
    for (doors, expected) in [
        (vec![vec![lengths(&[4, 6, 8])]], 6),
        (vec![vec![lengths(&[4, 8])]], 8),
        (vec![vec![lengths(&[4, 5])]], 5),
        (vec![vec![lengths(&[4, 6])], vec![lengths(&[4])]], 4),
        (vec![vec![]], 6),
    ] {
        let doors: Vec<&[DeviceRule]> = doors.iter().map(Vec::as_slice).collect();
        let pin = allocate(&wish(&doors), |_: &str| Use::Free, &mut rng()).unwrap();
        assert_eq!(pin.code.len(), expected);
        assert_eq!(usize::from(pin.proof.length), expected);
    }
}

#[test]
fn every_pin_obeys_every_rule_and_is_not_guessable() {
    let rules = [
        DeviceRule::Digits("1234567".into()),
        DeviceRule::NotStarting(vec!["12".into(), "7".into()]),
        DeviceRule::NoRun(3),
        DeviceRule::NoRepeat(2),
        DeviceRule::MinDistinct(4),
    ];
    let wish = wish(&[&rules]);
    let mut rng = rng();
    for _ in 0..2_000 {
        let pin = allocate(&wish, |_: &str| Use::Free, &mut rng).unwrap().code;
        assert!(pin.bytes().all(|d| b"1234567".contains(&d)), "{pin}");
        assert!(!pin.starts_with("12") && !pin.starts_with('7'), "{pin}");
        for run in [
            "123", "234", "345", "456", "567", "321", "432", "543", "654", "765",
        ] {
            assert!(!pin.contains(run), "{pin}");
        }
        assert!(pin.as_bytes().windows(2).all(|p| p[0] != p[1]), "{pin}");
        assert!(pin.bytes().collect::<HashSet<_>>().len() >= 4, "{pin}");
        assert!(!Guessable::new(&wish).is_guessable(&pin), "{pin}");
    }
}

#[test]
fn no_code_is_given_twice_until_all_are_gone() {
    let mut wish = wish(&[&[lengths(&[4]), DeviceRule::Digits("3579".into())]]);
    wish.length = 4;
    let mut taken = HashSet::new();
    let mut rng = rng();
    loop {
        let found = allocate(
            &wish,
            |code: &str| {
                if taken.contains(code) {
                    Use::Taken
                } else {
                    Use::Free
                }
            },
            &mut rng,
        );
        match found {
            Ok(pin) => assert!(taken.insert(pin.code)),
            Err(error) => {
                assert_eq!(error.reason, PinUnavailableReason::Exhausted);
                break;
            }
        }
    }
    // 256 codes of four digits out of four, less those a stranger would try.
    let stranger = Guessable::new(&wish);
    let guessable = (0..256_usize)
        .map(|n| {
            (0..4)
                .map(|i| ['3', '5', '7', '9'][n / 4_usize.pow(i) % 4])
                .collect::<String>()
        })
        .filter(|code| stranger.is_guessable(code))
        .count();
    assert_eq!(taken.len(), 256 - guessable);
}

#[test]
fn a_recently_used_code_is_taken_only_when_nothing_else_is_left() {
    let mut wish = wish(&[&[lengths(&[4]), DeviceRule::Digits("3579".into())]]);
    wish.length = 4;
    let pin = |days| allocate(&wish, |_: &str| Use::Past { days }, &mut rng());
    assert_eq!(pin(45).unwrap().proof.cooldown_days, 30);
    assert_eq!(pin(29).unwrap().proof.cooldown_days, 7);
    assert_eq!(pin(3).unwrap().proof.cooldown_days, 1);
    assert_eq!(pin(0).unwrap().proof.cooldown_days, 0);
}

#[test]
fn the_current_pin_is_kept_if_it_can_be() {
    let mut wish = wish(&[&[lengths(&[6])]]);
    wish.current = Some("058213".into());
    let kept = |wish: &Wish, taken: &str| {
        allocate(
            wish,
            |code: &str| {
                if code == taken {
                    Use::Taken
                } else {
                    Use::Past { days: 0 }
                }
            },
            &mut rng(),
        )
        .unwrap()
        .code
    };
    assert_eq!(kept(&wish, ""), "058213");
    assert_ne!(kept(&wish, "058213"), "058213");
    wish.locks[0].rules = vec![DeviceRule::NotStarting(vec!["0".into()])];
    assert_ne!(kept(&wish, ""), "058213");
}

#[test]
fn the_proof_names_the_rules_and_no_digits() {
    let pin = allocate(
        &wish(&[&[lengths(&[6]), DeviceRule::MaxCodes(30)]]),
        |_: &str| Use::Free,
        &mut rng(),
    )
    .unwrap();
    assert_eq!(pin.proof.rules, ["LENGTHS 6 @Space 0"]);
    assert!(!format!("{pin:?}").contains(&pin.code));
    assert!(
        !serde_json::to_string(&pin.proof)
            .unwrap()
            .contains(&pin.code)
    );
}
