//! What a person asks for, and rotation.

use super::*;

/// Doors that take 1 to 7 and, at the second one, five or six digits with none below 3 in front.
fn wish_for(code: &str, strict: bool) -> Wish {
    let mut wish = wish(&[
        &[DeviceRule::Digits("1234567".into())],
        &[
            lengths(&[5, 6]),
            DeviceRule::NotStarting(vec!["1".into(), "2".into()]),
        ],
    ]);
    wish.length = 5;
    wish.asked = Some(Asked {
        code: code.to_owned(),
        strict,
    });
    wish
}

fn held(code: &str) -> Use {
    match code {
        "64252" => Use::Taken,
        "64253" => Use::Past { days: 3 },
        _ => Use::Free,
    }
}

#[test]
fn a_free_pin_that_every_door_takes_is_given_as_asked() {
    for strict in [false, true] {
        let pin = allocate(&wish_for("64251", strict), held, &mut rng()).unwrap();
        assert_eq!(pin.code, "64251");
        assert_eq!(pin.proof.cooldown_days, 30);
        assert_eq!(pin.proof.draws, 0);
        // Another length than the wanted one, and a code that has hardly rested: a person knows why.
        let pin = allocate(&wish_for("642513", strict), held, &mut rng()).unwrap();
        assert_eq!(pin.code, "642513");
        let pin = allocate(&wish_for("64253", strict), held, &mut rng()).unwrap();
        assert_eq!((pin.code.as_str(), pin.proof.cooldown_days), ("64253", 3));
    }
}

#[test]
fn a_refused_one_is_another_or_none_and_the_reason_is_told_without_digits() {
    let table = [
        ("64258", Some("Space 0"), "DIGITS 1234567"),
        ("6425", Some("Space 1"), "LENGTHS 5, 6"),
        ("24651", Some("Space 1"), "NOT_STARTING 1, 2"),
        ("76567", None, "GUESSABLE"),
        ("64252", None, "TAKEN"),
        ("64257", None, "CURRENT"),
        ("64a57", None, "DIGITS 0123456789"),
        ("642", None, "LENGTHS 4, 5, 6, 7, 8, 9"),
        ("6425164251", None, "LENGTHS 4, 5, 6, 7, 8, 9"),
    ];
    for (code, space, rule) in table {
        let mut wish = wish_for(code, true);
        wish.current = Some("64257".into());
        wish.avoid_current = true;
        let why = allocate(&wish, held, &mut rng()).unwrap_err();
        assert_eq!(why.reason, PinUnavailableReason::NotAllowed, "{code}");
        assert_eq!(why.emptied_by.space.as_deref(), space, "{code}");
        assert_eq!(why.emptied_by.rule, rule, "{code}");
        let told = format!("{why} {why:?} {}", serde_json::to_string(&why).unwrap());
        assert!(!told.contains(code), "{told}");
        assert!(!format!("{wish:?}").contains(code));

        wish.asked = Some(Asked {
            code: code.to_owned(),
            strict: false,
        });
        let other = allocate(&wish, held, &mut rng()).unwrap().code;
        assert!(other != code && other != "64257" && other.len() == 5);
    }
}

#[test]
fn a_wish_that_cannot_be_met_leaves_the_current_pin() {
    let mut wish = wish_for("64252", false);
    wish.current = Some("64257".into());
    assert_eq!(allocate(&wish, held, &mut rng()).unwrap().code, "64257");
}

#[test]
fn a_rotated_pin_is_not_chosen_again() {
    // So few codes are left by the rules that each is drawn sooner or later.
    let mut wish = wish(&[&[
        lengths(&[4]),
        DeviceRule::Digits("358".into()),
        DeviceRule::NotStarting(vec!["33".into(), "5".into(), "8".into()]),
        DeviceRule::MinDistinct(3),
        DeviceRule::NoRepeat(2),
    ]]);
    wish.length = 4;
    let mut seen = HashSet::new();
    let mut rng = rng();
    for _ in 0..200 {
        seen.insert(allocate(&wish, |_: &str| Use::Free, &mut rng).unwrap().code);
    }
    let current = seen.iter().min().unwrap().clone();
    wish.current = Some(current.clone());
    let pin = allocate(&wish, |_: &str| Use::Free, &mut rng).unwrap().code;
    assert_eq!(pin, current);
    wish.avoid_current = true;
    let mut after = HashSet::new();
    for _ in 0..200 {
        after.insert(allocate(&wish, |_: &str| Use::Free, &mut rng).unwrap().code);
    }
    assert!(after.len() > 1, "{after:?}");
    assert!(seen.remove(&current));
    assert_eq!(after, seen);
    // And where it is the only one there is none.
    let why = allocate(
        &wish,
        |code: &str| {
            if code == current {
                Use::Free
            } else {
                Use::Taken
            }
        },
        &mut rng,
    )
    .unwrap_err();
    assert_eq!(why.reason, PinUnavailableReason::Exhausted);
}
